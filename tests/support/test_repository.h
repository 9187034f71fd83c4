// A TUF repository of published keys with its custodians and its online key in memory: what the signer and a ceremony
// make together. Programs that include this link OpenSSL::Crypto and use the component publication.
#pragma once

#include <gtest/gtest.h>

#include "keymgmt/publication/directory.h"
#include "keymgmt/rotation.h"
#include "signer/statement/statement.h"
#include "tests/support/software_key.h"

namespace countersign::test {

class TestRepository {
 public:
  explicit TestRepository(UtcTime now, keymgmt::Algorithm custodians = keymgmt::Algorithm::Ed25519)
      : ann_(custodians), bob_(custodians), cat_(custodians), now_(now) {
    add_key(keymgmt::Role::Publication, online_);
    terms_.custodians = {ann_.public_key(), bob_.public_key(), cat_.public_key()};
  }

  // A staged key of the role; gives its kid. Not published before custodians_sign().
  std::string add_key(keymgmt::Role role, const SoftwareKey& key) {
    keymgmt::PublishedKey made{.key = key.public_key(),
                               .role = role,
                               .state = keymgmt::KeyState::Staged,
                               .token_id = "01",
                               .label = "test-only",
                               .created_at = now_,
                               .not_before = now_};
    made.published_at = now_;
    keys_.push_back(made);
    return made.key.kid();
  }
  keymgmt::PublishedKey& key(const std::string& kid) {
    for (keymgmt::PublishedKey& each : keys_) {
      if (each.key.kid() == kid) return each;
    }
    std::abort();
  }
  void pass(std::chrono::nanoseconds time) { now_ = now_ + time; }
  UtcTime now() const { return now_; }
  publication::ProposalTerms& terms() { return terms_; }

  publication::Proposal propose() const {
    auto proposal = publication::proposed(repository_ ? &*repository_ : nullptr, keys_, terms_, now_);
    EXPECT_TRUE(proposal) << proposal.error().detail;
    return *std::move(proposal);
  }
  static void sign(tuf::SignedDocument& document, const SoftwareKey& key) {
    EXPECT_TRUE(document.add(key.public_key(), key.sign(view_of(document.message()))));
  }
  // Two of three, which is the threshold.
  publication::CustodianFiles signed_by(publication::Proposal proposal, const SoftwareKey& one,
                                        const SoftwareKey& two) {
    publication::CustodianFiles files;
    for (const SoftwareKey* key : {&one, &two}) {
      sign(proposal.targets, *key);
      if (proposal.root) sign(*proposal.root, *key);
    }
    if (proposal.root) files.roots.push_back(proposal.root->text());
    files.targets = proposal.targets.text();
    files.keyset = proposal.keyset;
    return files;
  }
  Status take(const publication::CustodianFiles& files) {
    ASSIGN_OR_RETURN(publication::Repository next,
                     repository_ ? repository_->with(files) : publication::Repository::begun(files));
    repository_ = std::move(next);
    return ok();
  }
  void custodians_sign() {
    const Status taken = take(signed_by(propose(), ann_, bob_));
    EXPECT_TRUE(taken) << taken.error().detail;
  }

  // As the holder of the role publication does.
  std::string online(statement::StatementType type, const Json& fields) const {
    return online_by(online_, type, fields);
  }
  std::string online_by(const SoftwareKey& key, statement::StatementType type, const Json& fields) const {
    const auto parsed = statement::Statement::parse(type, JsonTree(fields));
    EXPECT_TRUE(parsed) << parsed.error().detail;
    auto document = parsed->rebuild({.now = now_});
    EXPECT_TRUE(document);
    const Bytes signature = key.sign(document->message());
    return std::move(*document).seal(key.public_key(), signature)->root().compact();
  }
  void publish(std::chrono::nanoseconds life = std::chrono::hours(1)) {
    using statement::StatementType;
    publication::OnlineFiles files;
    files.revocations = publication::Revocations(keys_).document().gait_file();
    files.revoked = online(StatementType::TufRevoked, repository_->revoked_fields(files.revocations, life));
    files.snapshot = online(StatementType::TufSnapshot, repository_->snapshot_fields(files.revoked, life));
    files.timestamp = online(StatementType::TufTimestamp, repository_->timestamp_fields(files.snapshot, life));
    const Status taken = repository_->take(files);
    EXPECT_TRUE(taken) << taken.error().detail;
  }
  publication::Repository& repository() { return *repository_; }
  publication::Files files() const { return repository_->files(); }

  const SoftwareKey ann_, bob_, cat_;
  const SoftwareKey online_{keymgmt::Algorithm::Ed25519};

 private:
  UtcTime now_;
  publication::ProposalTerms terms_;
  keymgmt::Keys keys_;
  std::optional<publication::Repository> repository_;
};

}  // namespace countersign::test
