// A ledger in a folder of its own, and short ways to make items.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "signer/ledger/sqlite_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temporary_folder.h"

namespace countersign::ledger::test {

using countersign::test::FakeClock;
using countersign::test::TemporaryFolder;
using statement::Verdict;

inline Digest digest_of(const std::string& text) {
  return sha256(text);
}

inline Item signed_item(const std::string& name, UtcTime at = UtcTime::from_unix(1'800'000'000)) {
  Item item;
  item.record.kind = "signed";
  item.record.at = at;
  item.record.type = "trace";
  item.record.role = "trace";
  item.record.kid = "kid-of-trace";
  item.record.body_digest = digest_of("signed " + name);
  item.record.signature_digest = digest_of("signature " + name);
  item.record.peer_uid = 1000;
  item.record.request_id = "request-" + name;
  item.record.body = R"({"statement":")" + name + R"("})";
  return item;
}

inline Item redeeming(const std::string& name, const std::string& token) {
  Item item = signed_item(name);
  item.redeem.push_back({token, digest_of("token " + token)});
  return item;
}

inline Item deciding(const std::string& name, const std::string& intent, Verdict verdict,
                     UtcTime at = UtcTime::from_unix(1'800'000'000)) {
  Item item = signed_item(name, at);
  Decision decision;
  decision.intent_digest = digest_of("intent " + intent);
  decision.policy_digest = digest_of("policy");
  decision.verdict = verdict;
  decision.at = at;
  decision.peer_uid = 1000;
  decision.facts.requester = "alice \"the deployer\"";
  decision.facts.reason_codes = {"approval_required"};
  decision.facts.matched_rule = "production";
  decision.facts.required_approvals = 2;
  decision.facts.distinct_approvers = true;
  decision.facts.required_scopes = {"tool:deploy.apply"};
  decision.facts.destructive = true;
  decision.facts.context_source = "envelope";
  decision.trace_digest = item.record.body_digest;
  item.decision = decision;
  item.intent = IntentDocument{decision.intent_digest, R"({"intent":")" + intent + R"("})"};
  return item;
}

inline Item minting(const std::string& token, const std::string& intent) {
  Item item = signed_item("mint " + token);
  item.record.type = "approval_token";
  item.record.role = "approval";
  item.minted = MintedToken{.token_id = token,
                            .token_digest = digest_of("token " + token),
                            .intent_digest = digest_of("intent " + intent),
                            .policy_digest = digest_of("policy"),
                            .approver_key = "bob",
                            .created_at = item.record.at,
                            .expires_at = item.record.at + std::chrono::hours(1)};
  return item;
}

// A permit, and its use right behind it.
inline Item executing(Item permit) {
  Item use = signed_item("use of " + permit.record.request_id, permit.record.at);
  use.record.kind = "executed";
  use.execute_trace = permit.record.body_digest;
  permit.next = std::make_shared<const Item>(std::move(use));
  return permit;
}

class LedgerTest : public testing::Test {
 protected:
  void SetUp() override { store_ = made(SqliteStore::create(path(), clock_, options_)); }

  std::string path() const { return folder_ / "ledger.db"; }
  static std::unique_ptr<SqliteStore> made(Result<std::unique_ptr<SqliteStore>> store) {
    if (!store) {
      ADD_FAILURE() << store.error().wire_code() << ": " << store.error().detail;
      return nullptr;
    }
    return *std::move(store);
  }
  void reopen() {
    store_.reset();
    store_ = made(SqliteStore::open(path(), clock_, options_));
  }
  // The outcome of one item in a transaction of its own: its index, or the reason of its refusal.
  std::string outcome(const Item& item) { return outcomes({item}).front(); }
  std::vector<std::string> outcomes(const std::vector<Item>& items) {
    const auto results = store_->commit(items);
    if (!results) return std::vector<std::string>(items.size(), results.error().wire_code());
    std::vector<std::string> texts;
    for (const Result<Committed>& result : *results) {
      texts.push_back(result ? std::to_string(result->log_index) : result.error().wire_code());
    }
    return texts;
  }

  TemporaryFolder folder_;
  FakeClock clock_;
  SqliteOptions options_{.boot_id = "boot-1"};
  std::unique_ptr<SqliteStore> store_;
};

}  // namespace countersign::ledger::test
