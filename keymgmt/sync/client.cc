#include "keymgmt/sync/client.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "common/durable_file.h"
#include "keymgmt/publication/key_files.h"
#include "keymgmt/publication/revocations.h"
#include "keymgmt/tuf/metadata.h"

namespace countersign::sync {
namespace {

using tuf::SignedDocument;

// TUF specification §5.3.3, 5.4.1, …: "some upper bound".
constexpr std::size_t kLargestRoot = std::size_t{512} << 10;
constexpr std::size_t kLargestTimestamp = std::size_t{16} << 10;
constexpr std::size_t kLargestMetadata = std::size_t{1} << 20;
constexpr int kMostRoots = 256;  // in one refresh

Error attack(std::string_view name, std::string detail, std::string hint = {}) {
  return Error{ErrorCode::VerificationFailed, std::move(detail), std::string(name), std::move(hint)};
}

Status not_expired(UtcTime expires, UtcTime now, std::string_view what) {
  if (now < expires) return ok();
  return attack("freeze_attack", std::string(what) + " expired at " + expires.rfc3339() + "; it is " + now.rfc3339(),
                "The publisher stopped publishing, somebody holds newer files back, or this clock is wrong.");
}

struct LoadedRoot {
  SignedDocument file;
  tuf::Root root;
};

Result<LoadedRoot> read_root(const std::string& text) {
  ASSIGN_OR_RETURN(SignedDocument file, SignedDocument::parse(text));
  ASSIGN_OR_RETURN(tuf::Root root, tuf::Root::parse(file.signed_part()));
  // A root that its own keys did not sign is nobody's.
  if (!file.verify(root.keys, root.root, "root.json")) {
    return attack("wrong_root", "root.json version " + std::to_string(root.version) + " is not signed by its own keys");
  }
  return LoadedRoot{std::move(file), std::move(root)};
}

// The metadata that was trusted before, if there is any that `signers` still stand behind.
template <typename Metadata>
Result<std::optional<Metadata>> trusted_before(const TrustStore& store, const std::string& name,
                                               const tuf::KeyTable& keys, const tuf::Signers& signers) {
  ASSIGN_OR_RETURN(const std::optional<std::string> text, store.read(name));
  if (!text) return std::optional<Metadata>();
  const Result<SignedDocument> file = SignedDocument::parse(*text);
  // What cannot be verified any more protects from nothing (its keys were replaced, or the file was damaged).
  if (!file || !file->verify(keys, signers, name)) return std::optional<Metadata>();
  Result<Metadata> metadata = Metadata::parse(file->signed_part());
  if (!metadata) return std::optional<Metadata>();
  return std::optional(*std::move(metadata));
}

class Refresh {
 public:
  Refresh(const TrustStore& store, Source& source, UtcTime now) : store_(store), source_(source), now_(now) {}

  Result<Synced> run(const std::string& pinned_root) {
    RETURN_IF_ERROR(update_root(pinned_root));
    RETURN_IF_ERROR(update_timestamp());
    RETURN_IF_ERROR(update_snapshot());
    RETURN_IF_ERROR(update_targets());
    RETURN_IF_ERROR(update_revoked());
    return finish();
  }

 private:
  // §5.3
  Status update_root(const std::string& pinned_root) {
    ASSIGN_OR_RETURN(const std::optional<std::string> stored, store_.read("root.json"));
    if (!stored && pinned_root.empty()) {
      return Error{ErrorCode::NotFound, "there is no root to begin with", "root_missing",
                   "Name the root that came with the verifier: --root root.json"};
    }
    ASSIGN_OR_RETURN(LoadedRoot trusted, read_root(stored ? *stored : pinned_root));
    if (stored && !pinned_root.empty()) RETURN_IF_ERROR(check_pin(pinned_root, *stored, trusted.root));
    if (!stored) RETURN_IF_ERROR(store_.write("root.json", pinned_root));
    for (int step = 0; step < kMostRoots; ++step) {
      const std::uint64_t next = trusted.root.version + 1;
      const Result<std::string> text = source_.fetch(tuf::versioned(next, "root.json"), kLargestRoot);
      if (!text) {
        if (text.error().code == ErrorCode::NotFound) break;
        return text.error();
      }
      ASSIGN_OR_RETURN(const SignedDocument file, SignedDocument::parse(*text));
      ASSIGN_OR_RETURN(tuf::Root root, tuf::Root::parse(file.signed_part()));
      if (!file.verify(trusted.root.keys, trusted.root.root, "root.json") ||
          !file.verify(root.keys, root.root, "root.json")) {
        return attack("wrong_root", "root.json version " + std::to_string(next) +
                                        " is not signed by enough keys of the version before it and its own");
      }
      if (root.version != next) {
        return attack("rollback_attack", "the file of root version " + std::to_string(next) + " says it is version " +
                                             std::to_string(root.version));
      }
      // Fast-forward recovery (§5.3.11): new online keys make the versions of stolen ones void. Forgotten before the
      // root is stored, so that a crash in between repeats it.
      if (!(root.timestamp == trusted.root.timestamp) || !(root.snapshot == trusted.root.snapshot)) {
        RETURN_IF_ERROR(store_.forget("timestamp.json"));
        RETURN_IF_ERROR(store_.forget("snapshot.json"));
      }
      RETURN_IF_ERROR(store_.write("root.json", *text));
      trusted = LoadedRoot{file, std::move(root)};
    }
    root_ = std::move(trusted.root);
    return not_expired(root_.expires, now_, "root.json");
  }

  // A pin that contradicts what is stored is a decision for a person.
  static Status check_pin(const std::string& pinned, const std::string& stored, const tuf::Root& trusted) {
    ASSIGN_OR_RETURN(const LoadedRoot pin, read_root(pinned));
    if (pin.root.version == trusted.version && pinned != stored) {
      const Result<SignedDocument> kept = SignedDocument::parse(stored);
      if (!kept || kept->message() != pin.file.message()) {
        return attack("wrong_root", "the root that was named is not the one that this directory trusts",
                      "Was the directory made for another appliance? Remove it to begin again with that root.");
      }
    }
    return ok();
  }

  // §5.4
  Status update_timestamp() {
    ASSIGN_OR_RETURN(const std::optional<tuf::Timestamp> before,
                     trusted_before<tuf::Timestamp>(store_, "timestamp.json", root_.keys, root_.timestamp));
    ASSIGN_OR_RETURN(const std::string text, source_.fetch("timestamp.json", kLargestTimestamp));
    ASSIGN_OR_RETURN(const SignedDocument file, SignedDocument::parse(text));
    RETURN_IF_ERROR(file.verify(root_.keys, root_.timestamp, "timestamp.json"));
    ASSIGN_OR_RETURN(timestamp_, tuf::Timestamp::parse(file.signed_part()));
    if (before && (timestamp_.version < before->version || timestamp_.snapshot_version < before->snapshot_version)) {
      return attack("rollback_attack", "timestamp.json version " + std::to_string(timestamp_.version) +
                                           " is older than version " + std::to_string(before->version) +
                                           ", which was seen before");
    }
    RETURN_IF_ERROR(not_expired(timestamp_.expires, now_, "timestamp.json"));
    return store_.write("timestamp.json", text);
  }

  // §5.5
  Status update_snapshot() {
    ASSIGN_OR_RETURN(const std::optional<tuf::Snapshot> before,
                     trusted_before<tuf::Snapshot>(store_, "snapshot.json", root_.keys, root_.snapshot));
    const std::string name = tuf::versioned(timestamp_.snapshot_version, "snapshot.json");
    ASSIGN_OR_RETURN(const std::string text, fetch(name, "snapshot.json", limit_of(timestamp_.snapshot)));
    if (timestamp_.snapshot && !tuf::matches(*timestamp_.snapshot, text, name)) {
      return attack("mix_and_match_attack", name + " is not the file that timestamp.json names");
    }
    ASSIGN_OR_RETURN(const SignedDocument file, SignedDocument::parse(text));
    RETURN_IF_ERROR(file.verify(root_.keys, root_.snapshot, "snapshot.json"));
    ASSIGN_OR_RETURN(snapshot_, tuf::Snapshot::parse(file.signed_part()));
    if (snapshot_.version != timestamp_.snapshot_version) {
      return attack("mix_and_match_attack", "snapshot.json has another version than timestamp.json names");
    }
    if (before) {
      for (const auto& [file_name, version] : before->versions) {
        const auto now_listed = snapshot_.versions.find(file_name);
        if (now_listed == snapshot_.versions.end() || now_listed->second < version) {
          return attack("rollback_attack", "snapshot.json names an older " + file_name + " than was seen before");
        }
      }
    }
    RETURN_IF_ERROR(not_expired(snapshot_.expires, now_, "snapshot.json"));
    return store_.write("snapshot.json", text);
  }

  // §5.6
  Status update_targets() {
    ASSIGN_OR_RETURN(const std::string text, listed("targets.json"));
    ASSIGN_OR_RETURN(const SignedDocument file, SignedDocument::parse(text));
    RETURN_IF_ERROR(file.verify(root_.keys, root_.targets, "targets.json"));
    ASSIGN_OR_RETURN(targets_, tuf::Targets::parse(file.signed_part()));
    RETURN_IF_ERROR(same_version(targets_.version, "targets.json"));
    RETURN_IF_ERROR(not_expired(targets_.expires, now_, "targets.json"));
    ASSIGN_OR_RETURN(keys_, key_set_of());
    ASSIGN_OR_RETURN(const std::optional<std::string> held, store_.read("keyset.json"));
    if (held) RETURN_IF_ERROR(check_cumulative(*held));
    ASSIGN_OR_RETURN(const std::string keyset, target("keyset.json", targets_));
    RETURN_IF_ERROR(store_.write("keyset.json", keyset));
    return store_.write("targets.json", text);
  }

  Result<keymgmt::KeySet> key_set_of() {
    ASSIGN_OR_RETURN(const std::string text, target("keyset.json", targets_));
    ASSIGN_OR_RETURN(const Json json, Json::parse(text));
    ASSIGN_OR_RETURN(keymgmt::KeySet keys, keymgmt::KeySet::parse(json));
    // The other files are made from this one; the custodians signed that they are.
    for (const auto& [path, content] : publication::key_files(keys)) {
      const auto facts = targets_.files.find(path);
      if (facts == targets_.files.end() || !tuf::matches(facts->second, content, path)) {
        return attack("arbitrary_software", "targets.json names another " + path + " than its key set makes");
      }
    }
    return keys;
  }

  // Sets are cumulative: a key ends, but it does not vanish.
  Status check_cumulative(const std::string& held) const {
    const Result<Json> json = Json::parse(held);
    const Result<keymgmt::KeySet> before = json ? keymgmt::KeySet::parse(*json) : Result<keymgmt::KeySet>(json.error());
    if (!before) return ok();  // damaged: it protects from nothing
    for (const keymgmt::PublishedKey& key : before->keys()) {
      const keymgmt::PublishedKey* kept = keys_.find(key.key.kid());
      if (kept == nullptr || kept->role != key.role) {
        return attack("key_dropped", "the key set lacks the key " + key.key.kid() + ", which it listed before");
      }
    }
    return ok();
  }

  // §5.6.7, for the one delegation that we follow.
  Status update_revoked() {
    if (!targets_.delegation) return attack("arbitrary_software", "targets.json does not delegate revoked.json");
    ASSIGN_OR_RETURN(const std::string text, listed("revoked.json"));
    ASSIGN_OR_RETURN(const SignedDocument file, SignedDocument::parse(text));
    RETURN_IF_ERROR(file.verify(targets_.delegation->keys, targets_.delegation->signers, "revoked.json"));
    ASSIGN_OR_RETURN(const tuf::Targets revoked, tuf::Targets::parse(file.signed_part()));
    RETURN_IF_ERROR(same_version(revoked.version, "revoked.json"));
    RETURN_IF_ERROR(not_expired(revoked.expires, now_, "revoked.json"));
    if (revoked.files.size() != 1 || !revoked.files.contains(tuf::kRevokedTarget) || revoked.delegation) {
      return attack("key_added", "the role revoked names more than revoked.json: it may only take away");
    }
    expires_ = std::min({timestamp_.expires, snapshot_.expires, revoked.expires, targets_.expires, root_.expires});
    ASSIGN_OR_RETURN(const std::string list, target(std::string(tuf::kRevokedTarget), revoked));
    ASSIGN_OR_RETURN(const Json json, Json::parse(list));
    ASSIGN_OR_RETURN(taken_, publication::Revocations::parse(json));
    // What was once taken away stays so, whoever holds the online key now.
    ASSIGN_OR_RETURN(const std::optional<std::string> before, store_.read("taken.json"));
    if (before) {
      const Result<Json> earlier = Json::parse(*before);
      const auto list_before =
          earlier ? publication::Revocations::parse(*earlier) : Result<publication::Revocations>(earlier.error());
      if (!list_before) {
        return Error{ErrorCode::VerificationFailed, "taken.json of the trust directory is damaged", "state_damaged",
                     "Remove the trust directory and begin again with the root that came with the verifier."};
      }
      taken_ = taken_.with(*list_before);
    }
    RETURN_IF_ERROR(store_.write("taken.json", taken_.document().compact()));
    return store_.write("revoked.json", text);
  }

  Result<Synced> finish() {
    keys_ = taken_.applied_to(keys_);
    keys_.expire_at(expires_);
    for (const std::string& path : publication::dropped_key_files(keys_)) {
      std::error_code error;
      std::filesystem::remove(store_.directory() + "/" + path, error);
      if (error) return Error{ErrorCode::Unavailable, "cannot remove " + path + ": " + error.message()};
    }
    const publication::Files files = publication::key_files(keys_);
    RETURN_IF_ERROR(publication::check_key_files(files, keys_));
    for (const auto& [path, content] : files) {
      if (path == "keyset.json") continue;
      RETURN_IF_ERROR(write_durable(store_.directory() + "/" + path, content, 0644));
    }
    // Last: whoever reads it finds what it names.
    RETURN_IF_ERROR(write_durable(store_.directory() + "/keyset.json", files.at("keyset.json"), 0644));
    return Synced{keys_, root_.version, targets_.version, timestamp_.version, root_.trial};
  }

  static std::size_t limit_of(const std::optional<tuf::FileFacts>& facts) {
    return facts ? std::min<std::size_t>(facts->length, kLargestMetadata) : kLargestMetadata;
  }

  // A file that newer metadata promises.
  Result<std::string> fetch(const std::string& path, std::string_view what, std::size_t limit) {
    Result<std::string> text = source_.fetch(path, limit);
    if (text || text.error().code != ErrorCode::NotFound) return text;
    return attack("mix_and_match_attack",
                  std::string(what) + " is named by newer metadata, but " + path + " is not there");
  }

  // Metadata by the version that snapshot.json names.
  Result<std::string> listed(const std::string& name) {
    const auto version = snapshot_.versions.find(name);
    if (version == snapshot_.versions.end()) {
      return attack("mix_and_match_attack", "snapshot.json does not name " + name);
    }
    return fetch(tuf::versioned(version->second, name), name, kLargestMetadata);
  }

  Status same_version(std::uint64_t version, const std::string& name) const {
    if (version == snapshot_.versions.at(name)) return ok();
    return attack("mix_and_match_attack", name + " has another version than snapshot.json names");
  }

  Result<std::string> target(const std::string& path, const tuf::Targets& by) {
    const auto facts = by.files.find(path);
    if (facts == by.files.end()) return attack("arbitrary_software", "no metadata names " + path);
    if (facts->second.length > kLargestMetadata) {
      return Error{ErrorCode::TooLarge, path + " is said to be larger than we read", "endless_data_attack"};
    }
    ASSIGN_OR_RETURN(const std::string text, fetch(tuf::hashed(path, facts->second), path, facts->second.length));
    RETURN_IF_ERROR(tuf::matches(facts->second, text, path));
    return text;
  }

  const TrustStore& store_;
  Source& source_;
  const UtcTime now_;
  tuf::Root root_;
  tuf::Timestamp timestamp_;
  tuf::Snapshot snapshot_;
  tuf::Targets targets_;
  keymgmt::KeySet keys_;
  publication::Revocations taken_;
  UtcTime expires_;
};

}  // namespace

Result<Synced> refresh(const TrustStore& store, Source& source, const std::string& pinned_root, UtcTime now) {
  return Refresh(store, source, now).run(pinned_root);
}

}  // namespace countersign::sync
