#include "keymgmt/publication/contents.h"

#include <set>

#include "keymgmt/publication/key_files.h"

namespace countersign::publication {
namespace {

using keymgmt::KeySet;
using keymgmt::PublishedKey;
using keymgmt::Role;

Error refused(std::string_view reason, std::string detail) {
  return Error{ErrorCode::Refused, std::move(detail), std::string(reason)};
}

}  // namespace

// One key fewer must still be enough, or a lost key ends the repository.
Status check_threshold(const tuf::Signers& signers, std::string_view role) {
  if (signers.threshold >= 1 && static_cast<std::size_t>(signers.threshold) < signers.key_ids.size()) return ok();
  return refused("threshold_unsafe", std::string(role) + " needs " + std::to_string(signers.threshold) + " of " +
                                         std::to_string(signers.key_ids.size()) +
                                         " keys: the threshold must be below their number");
}

// What the online role may sign is signed by keys of the set with that role, and by no custodian.
Status check_online(const tuf::Root& root, const tuf::Targets& targets, const KeySet& keys) {
  std::set<std::string> known;
  for (const PublishedKey& key : keys.keys()) {
    if (key.role == Role::Publication) known.insert(tuf::key_id(key.key));
  }
  if (!targets.delegation) return refused("publication_keys", "targets.json does not delegate revoked.json");
  for (const tuf::Signers* signers : {&root.snapshot, &root.timestamp, &targets.delegation->signers}) {
    if (signers->threshold != 1 || signers->key_ids.empty()) {
      return refused("publication_keys", "snapshot, timestamp and revoked need one signature each");
    }
    for (const std::string& id : signers->key_ids) {
      if (!known.contains(id)) {
        return refused("publication_keys",
                       "the key " + id + " signs online metadata but is no key of the role publication");
      }
    }
  }
  if (targets.delegation->paths != std::vector<std::string>{std::string(tuf::kRevokedTarget)}) {
    return refused("publication_keys", "the role revoked may sign revoked.json alone");
  }
  return ok();
}

Status check_cumulative(const KeySet& before, const KeySet& after) {
  for (const PublishedKey& key : before.keys()) {
    const PublishedKey* kept = after.find(key.key.kid());
    if (kept == nullptr || kept->role != key.role) {
      return refused("key_dropped", "the new key set lacks the key " + key.key.kid() +
                                        ", which is published: verifiers refuse such a set");
    }
  }
  return ok();
}

Status check_listed(const tuf::Targets& targets, const KeySet& keys, std::string_view keyset) {
  const Files listed = key_files(keys);
  if (listed.size() != targets.files.size() || listed.at("keyset.json") != keyset) {
    return Error{ErrorCode::VerificationFailed, "targets.json does not list the files of its key set",
                 "arbitrary_software"};
  }
  for (const auto& [path, content] : listed) {
    const auto facts = targets.files.find(path);
    if (facts == targets.files.end()) {
      return Error{ErrorCode::VerificationFailed, "targets.json lacks " + path, "arbitrary_software"};
    }
    RETURN_IF_ERROR(tuf::matches(facts->second, content, path));
  }
  return check_key_files(listed, keys);
}

}  // namespace countersign::publication
