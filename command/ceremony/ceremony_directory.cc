#include "command/ceremony/ceremony_directory.h"

#include <fcntl.h>

#include <filesystem>

#include "common/durable_file.h"

namespace countersign::command {
namespace {

constexpr std::string_view kArmour = "-----BEGIN SSH SIGNATURE-----";

std::string folder_of(ceremony::Subject subject) {
  return std::string(ceremony::name_of(subject)) + "-signatures";
}

}  // namespace

std::string CeremonyDirectory::signature_file(ceremony::Subject subject, const std::string& custodian) const {
  std::string name;
  for (const char letter : custodian) name += letter == '/' || letter == '.' ? '_' : letter;
  return path_ + "/" + folder_of(subject) + "/" + name;
}

Result<ceremony::Intent> CeremonyDirectory::intent() const {
  const Result<std::string> text = read_file(intent_file());
  if (!text) return Error(text.error()).with_hint("`countersign ceremony plan PLAN --dir DIR` makes the directory.");
  return ceremony::read_intent(*text);
}

Result<std::vector<ceremony::Approval>> CeremonyDirectory::signatures(ceremony::Subject subject) const {
  std::vector<ceremony::Approval> approvals;
  std::error_code error;
  const std::string folder = path_ + "/" + folder_of(subject);
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    ASSIGN_OR_RETURN(const std::string text, read_file(at->path().string()));
    const std::string name = at->path().filename().string();
    if (text.starts_with(kArmour)) {
      // Made by hand: the file's name says whose it is, "alice" or "alice.sig".
      const std::string whose = name.ends_with(".sig") ? name.substr(0, name.size() - 4) : name;
      approvals.push_back({whose, ceremony::Approval::Kind::Ssh, text});
      continue;
    }
    const Result<Json> json = Json::parse(text);
    Result<ceremony::Approval> read =
        json ? ceremony::Approval::from_json(*json) : Result<ceremony::Approval>(json.error());
    if (!read) {
      return Error{ErrorCode::Invalid, at->path().string() + " is no signature: " + read.error().detail};
    }
    approvals.push_back(*std::move(read));
  }
  return approvals;
}

Status CeremonyDirectory::add(ceremony::Subject subject, const ceremony::Approval& approval) const {
  return write_durable(signature_file(subject, approval.custodian), approval.to_json().compact() + "\n", 0644);
}

Result<LockedFile> CeremonyDirectory::lock() const {
  Result<LockedFile> lock = LockedFile::open(path_ + "/.lock", O_RDWR, 0600, LockedFile::Wait::No);
  if (lock || lock.error().reason != "locked") return lock;
  return Error{ErrorCode::Conflict, "another process runs the ceremony in " + path_, "ceremony_running",
               "one console at a time; wait for it, or end it and resume"};
}

}  // namespace countersign::command
