// The TUF repository of the published keys (design: root and targets by the custodians' threshold; snapshot, timestamp
// and the delegated role `revoked` by the role `publication`, which can only take away). It is one value: what was
// signed, whole; one durable file of the state directory keeps it, and the publication directory is written from it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "keymgmt/publication/key_files.h"
#include "keymgmt/publication/revocations.h"
#include "keymgmt/tuf/metadata.h"

namespace countersign::publication {

// What a quorum of custodians signs at once: texts of files, signatures included.
struct CustodianFiles {
  std::vector<std::string> roots;                             // new root versions, in order; empty where the root stays
  std::string targets;                                        // targets.json; empty where it stays
  std::string keyset;                                         // the bytes of keyset.json that targets.json names
  Json to_json() const;                                       // {"roots":[text…],"targets":text,"keyset":text}
  static Result<CustodianFiles> from_json(const Json& json);  // strict
};

// What the role publication signed last.
struct OnlineFiles {
  std::string revocations;  // revoked.json, the target
  std::string revoked;      // metadata of the delegated role
  std::string snapshot;
  std::string timestamp;
};

class Repository {
 public:
  // The first one. Fails as `with`, and where root is not version 1 or signs too little for itself.
  static Result<Repository> begun(const CustodianFiles& first);
  // With newer custodians' files. Fails with VerificationFailed: "under_signed" (by the root before, or by its own, or
  // targets), "arbitrary_software" (a listed file is not what keyset.json says); with Refused: "version_skipped" (not
  // exactly the next), "key_dropped" (sets are cumulative), "threshold_unsafe" (root or targets could be lost with one
  // key: the threshold must be below the number of keys), "publication_keys" (snapshot, timestamp and revoked must be
  // signed by the set's publication keys alone).
  Result<Repository> with(const CustodianFiles& next) const;

  const tuf::Root& root() const { return root_; }
  const std::vector<std::string>& roots() const { return root_texts_; }
  const tuf::Targets& targets() const { return targets_; }
  const keymgmt::KeySet& keys() const { return keys_; }       // as the custodians signed it
  const std::string& keyset() const { return keyset_text_; }  // the bytes of keyset.json that they signed
  const std::optional<OnlineFiles>& online() const { return online_; }
  CustodianFiles signed_files() const;  // the newest of each, as the custodians signed them

  // What publication is to sign now, each of the last two about the one before it: fields of the statement types
  // tuf_revoked, tuf_snapshot and tuf_timestamp. Versions grow by one.
  Json revoked_fields(const std::string& revocations, std::chrono::nanoseconds lifetime) const;
  Json snapshot_fields(const std::string& revoked, std::chrono::nanoseconds lifetime) const;
  Json timestamp_fields(const std::string& snapshot, std::chrono::nanoseconds lifetime) const;
  // Fails with VerificationFailed where one is not signed by a publication key of the root, or does not name the other.
  Status take(OnlineFiles online);
  // Until when verifiers may believe what is published; nothing where nothing is.
  std::optional<UtcTime> expires() const;
  // The id of the publication keys that root and targets name.
  bool may_publish(const keymgmt::PublicKey& key) const;

  // `<state>/publication.json`. load: NotFound where there is none; Invalid, and VerificationFailed as above: what it
  // reads is checked again.
  static Result<Repository> load(const std::string& state);
  Status save(const std::string& state) const;

  // The metadata and hashed targets by path, under consistent snapshots; `timestamp.json` is to be written last.
  // Precondition: online().
  Files files() const;

 private:
  Repository() = default;
  std::vector<std::string> root_texts_;  // all versions, from 1
  tuf::Root root_;
  std::string targets_text_;
  tuf::Targets targets_;
  std::string keyset_text_;
  keymgmt::KeySet keys_;
  std::optional<OnlineFiles> online_;
};

// What custodians are asked to sign, made from keys alone so that anybody makes the same: targets for `keys` (the next
// version of `present`, or the first), and the root where the publication keys or the custodians changed.
struct Proposal {
  std::optional<tuf::SignedDocument> root;  // unsigned
  tuf::SignedDocument targets;              // unsigned
  std::string keyset;
};
struct ProposalTerms {
  std::vector<keymgmt::PublicKey> custodians;
  int threshold = 2;
  std::chrono::nanoseconds root_lifetime = std::chrono::hours(24 * 197);
  std::chrono::nanoseconds targets_lifetime = std::chrono::hours(24 * 197);
  bool trial = false;
};
// Fails with Refused "threshold_unsafe" and "publication_keys" (no published key of the role publication).
Result<Proposal> proposed(const Repository* present, const keymgmt::Keys& keys, const ProposalTerms& terms,
                          UtcTime now);
// The same custodians, thresholds and lives as the root has now.
ProposalTerms terms_of(const tuf::Root& root);

}  // namespace countersign::publication
