#include "keymgmt/publication/directory.h"

#include <filesystem>

#include "common/durable_file.h"

namespace countersign::publication {
namespace {

constexpr mode_t kWorldReadable = 0644;
constexpr std::string_view kTimestamp = "timestamp.json";
constexpr std::size_t kLargestFile = std::size_t{4} << 20;
// Snapshots and revocations that clients may still be reading.
constexpr std::uint64_t kVersionsKept = 10;

// Anyone on the host may read it. What exists keeps the mode its owner gave it.
Status make_folder(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::create_directories(path, error)) {
    if (!error) return ok();
  } else {
    using std::filesystem::perms;
    std::filesystem::permissions(
        path, perms::owner_all | perms::group_read | perms::group_exec | perms::others_read | perms::others_exec,
        error);
  }
  if (error) return Error{ErrorCode::Unavailable, "cannot make " + path + ": " + error.message()};
  return ok();
}

Status remove_file(const std::string& path) {
  std::error_code error;
  std::filesystem::remove(path, error);
  if (error) return Error{ErrorCode::Unavailable, "cannot remove " + path + ": " + error.message()};
  return ok();
}

std::string text_at(const std::string& path) {
  Result<std::string> text = read_file(path, kLargestFile);
  return text ? *std::move(text) : std::string();
}

Error other_publisher(std::string detail) {
  return Error{ErrorCode::Refused, std::move(detail), "two_publishers",
               "Two appliances must not publish into one directory; give each its own."};
}

// `damaged_may_be_newer`: without a signed timestamp nothing else says what was published last.
Status refuse_older(const std::string& directory, const keymgmt::KeySet& keys, bool damaged_may_be_newer) {
  const std::string path = directory + "/keyset.json";
  const Result<std::string> text = read_file(path, kLargestFile);
  if (!text && text.error().code == ErrorCode::NotFound) return ok();
  if (!text) return Error(text.error()).with_hint("Nothing is published over what cannot be read: mend " + path + ".");
  const Result<Json> document = Json::parse(*text);
  const Result<keymgmt::KeySet> published =
      document ? keymgmt::KeySet::parse(*document) : Result<keymgmt::KeySet>(document.error());
  if (!published && damaged_may_be_newer) {
    return Error{ErrorCode::Refused, path + " is damaged: " + published.error().detail, "published_damaged",
                 "Find out who changed it, make sure that the state directory is the newest, then move the file away: "
                 "it is written again."};
  }
  if (!published || published->version() <= keys.version()) return ok();
  return Error{ErrorCode::Refused,
               "the directory already publishes key set version " + std::to_string(published->version()) +
                   ", which is newer than " + std::to_string(keys.version()),
               "older_key_set", "Was the state directory restored from an older copy?"};
}

// A foreign root that its own keys signed is no damage but another repository.
Status refuse_foreign_root(const std::string& directory, const Repository& repository) {
  const std::string there = text_at(directory + "/1.root.json");
  if (there.empty() || there == repository.roots().front()) return ok();
  const Result<tuf::SignedDocument> file = tuf::SignedDocument::parse(there);
  const Result<tuf::Root> root = file ? tuf::Root::parse(file->signed_part()) : Result<tuf::Root>(file.error());
  if (!root || !file->verify(root->keys, root->root, "root.json")) return ok();
  return other_publisher("the directory publishes a repository with another root");
}

Status refuse_newer_timestamp(const std::string& directory, const Repository& repository) {
  if (!repository.online()) return ok();
  const std::string there = text_at(directory + "/" + std::string(kTimestamp));
  if (there.empty() || there == repository.online()->timestamp) return ok();
  const Result<tuf::SignedDocument> file = tuf::SignedDocument::parse(there);
  if (!file || !file->verify(repository.root().keys, repository.root().timestamp, kTimestamp)) return ok();
  const Result<tuf::Timestamp> found = tuf::Timestamp::parse(file->signed_part());
  const Result<tuf::SignedDocument> own = tuf::SignedDocument::parse(repository.online()->timestamp);
  const Result<tuf::Timestamp> ours =
      own ? tuf::Timestamp::parse(own->signed_part()) : Result<tuf::Timestamp>(own.error());
  if (!found || !ours || found->version < ours->version) return ok();
  if (found->version == ours->version) {
    return other_publisher("the directory holds another timestamp.json of our version, signed by our key");
  }
  return Error{ErrorCode::Refused,
               "the directory already publishes timestamp.json version " + std::to_string(found->version) +
                   ", which is newer than " + std::to_string(ours->version),
               "older_key_set", "Was the state directory restored from an older copy?"};
}

// "17.snapshot.json" → 17, for the two that grow with every refresh.
std::optional<std::uint64_t> refresh_version(const std::string& name) {
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos || dot == 0 || dot > 15) return std::nullopt;
  const std::string_view rest = std::string_view(name).substr(dot);
  if (rest != ".snapshot.json" && rest != ".revoked.json") return std::nullopt;
  if (name.find_first_not_of("0123456789") != dot) return std::nullopt;
  return std::stoull(name.substr(0, dot));
}

Status prune(const std::string& directory, const Files& files) {
  std::uint64_t newest = 0;
  for (const auto& [path, content] : files) newest = std::max(newest, refresh_version(path).value_or(0));
  std::error_code error;
  std::vector<std::string> old;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    const std::optional<std::uint64_t> version = refresh_version(name);
    if (version && *version + kVersionsKept < newest) old.push_back(name);
  }
  for (const std::string& name : old) RETURN_IF_ERROR(remove_file(directory + "/" + name));
  return ok();
}

}  // namespace

Files directory_files(const keymgmt::KeySet& keys, const Repository* repository) {
  Files files = key_files(keys);
  if (repository == nullptr || !repository->online()) return files;
  files.merge(repository->files());
  files[std::string(tuf::kRevokedTarget)] = repository->online()->revocations;
  return files;
}

Status make_directory(const std::string& directory) {
  return make_folder(directory);
}

Status check_directory(const std::string& directory, const keymgmt::KeySet& keys, const Repository* repository) {
  RETURN_IF_ERROR(refuse_older(directory, keys, repository == nullptr));
  if (repository == nullptr) return ok();
  RETURN_IF_ERROR(refuse_foreign_root(directory, *repository));
  return refuse_newer_timestamp(directory, *repository);
}

Result<std::vector<std::string>> write_directory(const std::string& directory, const Files& files,
                                                 const std::vector<std::string>& dropped, const Files& expected) {
  RETURN_IF_ERROR(make_folder(directory));
  for (const keymgmt::Role role : keymgmt::kRoles) {
    RETURN_IF_ERROR(make_folder(directory + "/" + std::string(name_of(role))));
  }
  for (const std::string& path : dropped) RETURN_IF_ERROR(remove_file(directory + "/" + path));
  std::vector<std::string> tampered;
  const auto write = [&](const std::string& path, const std::string& content) -> Status {
    const std::string there = text_at(directory + "/" + path);
    const auto before = expected.find(path);
    if (before != expected.end() && before->second != there) tampered.push_back(path);
    if (there == content) return ok();
    return write_durable(directory + "/" + path, content, kWorldReadable);
  };
  // Hashed targets and numbered metadata first, then the plain forms with keyset.json behind what it names.
  for (const bool named : {false, true}) {
    for (const auto& [path, content] : files) {
      if (path == kTimestamp || (path == "keyset.json") != named) continue;
      RETURN_IF_ERROR(write(path, content));
    }
  }
  if (const auto last = files.find(kTimestamp); last != files.end()) RETURN_IF_ERROR(write(last->first, last->second));
  RETURN_IF_ERROR(prune(directory, files));
  return tampered;
}

Status publish_without_repository(const keymgmt::KeySet& keys, const std::string& directory) {
  RETURN_IF_ERROR(check_directory(directory, keys, nullptr));
  const Files files = directory_files(keys, nullptr);
  RETURN_IF_ERROR(check_key_files(files, keys));
  const auto written = write_directory(directory, files, dropped_key_files(keys), Files());
  return written ? ok() : Status(written.error());
}

}  // namespace countersign::publication
