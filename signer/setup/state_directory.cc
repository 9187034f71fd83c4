#include "signer/setup/state_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/durable_file.h"
#include "keymgmt/publication/directory.h"

namespace countersign::setup {

bool is_there(const std::string& path) {
  struct stat facts {};
  return lstat(path.c_str(), &facts) == 0 || errno != ENOENT;
}

Status UnfinishedMark::put() const {
  return write_durable(path_, "the first setup was interrupted; run it again\n", 0600);
}

Status UnfinishedMark::remove() const {
  if (unlink(path_.c_str()) != 0 && errno != ENOENT) {
    return Error{ErrorCode::Unavailable, "cannot remove " + path_ + ": " + std::strerror(errno)};
  }
  return sync_directory(std::filesystem::path(path_).parent_path().string());
}

Result<keymgmt::KeySet> publish(const ledger::Store& store, const config::Config& config, UtcTime now) {
  ASSIGN_OR_RETURN(std::vector<keymgmt::PublishedKey> registered, store.keys());
  ASSIGN_OR_RETURN(const std::uint64_t version, store.key_set_version());
  keymgmt::KeySet keys(version, now, std::move(registered));
  keys.expire_at(now + config.publication_lifetime);
  if (!config.publication.empty()) RETURN_IF_ERROR(publication::publish_without_repository(keys, config.publication));
  return keys;
}

}  // namespace countersign::setup
