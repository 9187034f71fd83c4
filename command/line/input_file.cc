#include "command/line/input_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "common/durable_file.h"

namespace countersign::command {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 20;
constexpr mode_t kOwnerOnly = 0600;

Error invalid(std::string detail, std::string reason = {}) {
  return Error{ErrorCode::Invalid, std::move(detail), std::move(reason)};
}

// "no such file or directory", as Go and the C library in the C locale say it, but in lower case.
std::string cause_of(int error) {
  std::string text = std::strerror(error);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

// gait's words for a document that is no object.
struct GoType {
  std::string_view what;
  std::string_view type;
};
constexpr GoType kGoTypes[] = {
    {"trace record", "gate.TraceRecord"}, {"voice intent", "voice.CommitmentIntent"}, {"say token", "voice.SayToken"}};

std::string_view go_kind(const Json& value) {
  if (value.is_array()) return "array";
  if (value.is_string()) return "string";
  return value.is_bool() ? "bool" : "number";
}

}  // namespace

Result<std::string> read_input(std::string_view what, const std::string& path) {
  if (::access(path.c_str(), R_OK) != 0) {
    return invalid("read " + std::string(what) + ": open " + path + ": " + cause_of(errno));
  }
  Result<std::string> text = read_file(path, kMostBytes);
  if (!text) return invalid("read " + std::string(what) + ": " + text.error().detail, text.error().reason);
  return text;
}

Result<Json> read_document(std::string_view what, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_input(what, path));
  Json::Limits limits;
  limits.gait = true;
  Result<Json> document = Json::parse(text, limits);
  if (!document) {
    // gait says "read intent" and "parse intent json".
    const std::string parsed = std::string(what) + (what.ends_with("intent") ? " json" : "");
    return invalid("parse " + parsed + ": " + document.error().detail, document.error().reason)
        .at(document.error().field);
  }
  if (document->is_object()) return document;
  const auto row = std::ranges::find(kGoTypes, what, &GoType::what);
  if (row == std::end(kGoTypes)) return invalid("parse " + std::string(what) + ": " + path + " holds no JSON object");
  return invalid("parse " + std::string(what) + ": json: cannot unmarshal " + std::string(go_kind(*document)) +
                 " into Go value of type " + std::string(row->type));
}

Status refuse_traversal(std::string_view what, const std::string& path) {
  const std::filesystem::path file(path);
  if (file.is_absolute()) return ok();
  for (const std::filesystem::path& part : file) {
    if (part == "..") return invalid("relative " + std::string(what) + " path must not traverse parent directories");
  }
  return ok();
}

Status prepare_output(std::string_view what, const std::string& path) {
  const std::filesystem::path file(path);
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  std::error_code failure;
  // gait makes folders with mode 0750; write_durable does too, but only after the tokens would be spent.
  const mode_t before = ::umask(027);
  std::filesystem::create_directories(folder, failure);
  ::umask(before);
  if (failure) return invalid("make folder " + folder.string() + ": " + failure.message());
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    return invalid("write " + std::string(what) + ": open " + path + ": " + cause_of(errno));
  }
  if (path.empty()) return ok();
  if (std::filesystem::is_directory(file, failure)) {
    return invalid("write " + std::string(what) + ": open " + path + ": is a directory");
  }
  // As write_durable refuses it, but before anything is signed or redeemed for a file that cannot be written.
  const std::filesystem::file_status there = std::filesystem::symlink_status(file, failure);
  if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there)) {
    return Error{ErrorCode::Refused, path + " is not a regular file, so it is not replaced"};
  }
  return ok();
}

Status write_output(const std::string& path, std::string_view content) {
  return write_durable(path, content, kOwnerOnly);
}

}  // namespace countersign::command
