#include "keymgmt/ceremony/transcript.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/digest.h"
#include "common/durable_file.h"

namespace countersign::ceremony {
namespace {

constexpr std::size_t kLargestFile = std::size_t{16} << 20;
constexpr std::size_t kMostLines = 4096;

Error broken(std::size_t line, std::string what) {
  return Error{ErrorCode::VerificationFailed, "line " + std::to_string(line) + " of the transcript " + std::move(what),
               "transcript_broken", "compare it with the copy of another custodian"};
}

Error unavailable(const std::string& path, std::string_view what) {
  return Error{ErrorCode::Unavailable, "cannot " + std::string(what) + " " + path + ": " + std::strerror(errno)};
}

}  // namespace

Result<Transcript> Transcript::parse(std::string_view text) {
  Transcript transcript;
  std::string prev(64, '0');
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::size_t number = transcript.entries_.size() + 1;
    if (end == std::string_view::npos) {
      transcript.torn_ = text.size();  // the power went while it was written
      break;
    }
    const std::string_view line = text.substr(0, end);
    Result<Json> json = Json::parse(line);
    if (!json || !json->is_object()) return broken(number, "is no JSON object");
    if (json->canonical() != line) return broken(number, "is not in canonical form");
    const Json* n = json->find("n");
    if (n == nullptr || !n->is_integer() || n->as_integer() != static_cast<std::int64_t>(number - 1)) {
      return broken(number, "has not its own number");
    }
    if (json->text("prev") != prev) return broken(number, "does not follow from the line before it");
    if (json->text("kind").empty() || !UtcTime::parse(json->text("at"))) return broken(number, "has no kind or time");
    if (transcript.ended()) return broken(number, "stands after the end");
    if (number > kMostLines) return broken(number, "is one too many");
    prev = sha256(line).hex();
    transcript.entries_.push_back({n->as_integer(), std::string(json->text("kind")), *json, std::string(line)});
    text.remove_prefix(end + 1);
  }
  return transcript;
}

Result<Transcript> Transcript::open(const std::string& path) {
  Result<std::string> text = read_file(path, kLargestFile);
  if (!text && text.error().code != ErrorCode::NotFound) return text.error();
  ASSIGN_OR_RETURN(Transcript transcript, parse(text ? *text : ""));
  transcript.path_ = path;
  if (transcript.torn_ > 0 && truncate(path.c_str(), static_cast<off_t>(text->size() - transcript.torn_)) != 0) {
    return unavailable(path, "cut the torn line off");
  }
  return transcript;
}

const Entry* Transcript::last(std::string_view kind) const {
  for (auto at = entries_.rbegin(); at != entries_.rend(); ++at) {
    if (at->kind == kind) return &*at;
  }
  return nullptr;
}

std::string Transcript::head() const {
  return entries_.empty() ? std::string(64, '0') : sha256(entries_.back().line).hex();
}

std::string Transcript::text() const {
  std::string text;
  for (const Entry& entry : entries_) text += entry.line + "\n";
  return text;
}

Status Transcript::append(std::string_view kind, Json members, UtcTime at) {
  if (ended()) {
    return Error{ErrorCode::Conflict, "the ceremony has ended; nothing is added to its transcript", "transcript_ended"};
  }
  if (!entries_.empty()) {
    ASSIGN_OR_RETURN(const UtcTime before, UtcTime::parse(entries_.back().json.text("at")));
    if (at.whole_seconds() < before) {
      return Error{
          ErrorCode::Refused,
          "the clock says " + at.whole_seconds().rfc3339() + ", which is before the last line's " + before.rfc3339(),
          "clock_went_back", "set the clock right, then resume"};
    }
  }
  members.set("n", static_cast<std::int64_t>(entries_.size()));
  members.set("prev", head());
  members.set("at", at.whole_seconds().rfc3339());
  members.set("kind", kind);
  const std::string line = members.canonical();
  const bool fresh = entries_.empty();
  const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (file < 0) return unavailable(path_, "write");
  const std::string whole = line + "\n";
  const off_t size = lseek(file, 0, SEEK_END);
  const bool written =
      write(file, whole.data(), whole.size()) == static_cast<ssize_t>(whole.size()) && fsync(file) == 0;
  if (!written) {
    Error error = unavailable(path_, "write");
    // Half a line is no line.
    if (ftruncate(file, size) != 0) error.detail += "; half a line stays until the transcript is opened again";
    close(file);
    return error;
  }
  close(file);
  if (fresh) RETURN_IF_ERROR(sync_directory(std::filesystem::path(path_).parent_path().string()));
  ASSIGN_OR_RETURN(Json json, Json::parse(line));
  entries_.push_back({static_cast<std::int64_t>(entries_.size()), std::string(kind), std::move(json), line});
  return ok();
}

}  // namespace countersign::ceremony
