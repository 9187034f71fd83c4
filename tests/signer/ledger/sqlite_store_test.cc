#include "signer/ledger/sqlite_store.h"

#include <sys/stat.h>

#include <map>

#include "signer/log/merkle_tree.h"
#include "tests/signer/ledger/ledger_fixture.h"

namespace countersign::ledger::test {
namespace {

using Texts = std::vector<std::string>;

class SqliteStoreTest : public LedgerTest {};

TEST_F(SqliteStoreTest, IsPrivateToItsOwner) {
  ASSERT_EQ(outcome(signed_item("a")), "0");
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    struct stat facts {};
    ASSERT_EQ(stat((path() + suffix).c_str(), &facts), 0) << suffix;
    EXPECT_EQ(facts.st_mode & 0777, 0600U) << suffix;
  }
}

TEST_F(SqliteStoreTest, RefusesToBeMadeWhereALedgerIs) {
  store_.reset();
  const auto again = SqliteStore::create(path(), clock_, options_);
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().reason, "ledger_exists");
  EXPECT_NE(made(SqliteStore::open(path(), clock_, options_)), nullptr);
}

TEST_F(SqliteStoreTest, HasOneWriter) {
  const auto second = SqliteStore::open(path(), clock_, options_);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().reason, "ledger_in_use");
  reopen();
  EXPECT_EQ(outcome(signed_item("a")), "0");
}

TEST_F(SqliteStoreTest, NumbersRecordsWithoutGapsAndKeepsThemOverARestart) {
  EXPECT_EQ(outcomes({signed_item("a"), signed_item("b")}), (Texts{"0", "1"}));
  const TreeHead head = store_->head();
  EXPECT_EQ(head.size, 2U);
  reopen();
  EXPECT_EQ(store_->head().size, 2U);
  EXPECT_EQ(store_->head().root, head.root);
  EXPECT_EQ(outcome(signed_item("c")), "2");
}

TEST_F(SqliteStoreTest, GivesARecordBackAsItWasCommitted) {
  Item item = signed_item("with \"quotes\", \n and é");
  item.record.at = *UtcTime::parse("2027-01-15T08:00:00.123456789Z");
  item.record.request_id = "line\nbreak";
  ASSERT_EQ(outcome(item), "0");
  const auto stored = store_->record(0);
  ASSERT_TRUE(stored.has_value()) << stored.error().detail;
  EXPECT_EQ(stored->record.kind, "signed");
  EXPECT_EQ(stored->record.at, item.record.at);
  EXPECT_EQ(stored->record.type, "trace");
  EXPECT_EQ(stored->record.role, "trace");
  EXPECT_EQ(stored->record.kid, "kid-of-trace");
  EXPECT_EQ(stored->record.body_digest, item.record.body_digest);
  EXPECT_EQ(stored->record.signature_digest, item.record.signature_digest);
  EXPECT_EQ(stored->record.peer_uid, 1000U);
  EXPECT_EQ(stored->record.request_id, "line\nbreak");
  EXPECT_EQ(stored->record.body, item.record.body);
  EXPECT_EQ(store_->record(1).error().code, ErrorCode::NotFound);
}

TEST_F(SqliteStoreTest, MakesLeavesOfCanonicalJson) {
  ASSERT_EQ(outcomes({redeeming("a \\ \"b\"", "t1"), signed_item("c")}), (Texts{"0", "1"}));
  for (const std::uint64_t index : {0U, 1U}) {
    const auto stored = store_->record(index);
    ASSERT_TRUE(stored.has_value());
    const auto leaf = Json::parse(stored->leaf);
    ASSERT_TRUE(leaf.has_value()) << stored->leaf;
    EXPECT_EQ(leaf->canonical(), stored->leaf);
    EXPECT_EQ(leaf->find("index")->as_integer(), static_cast<std::int64_t>(index));
    EXPECT_EQ(leaf->text("content_digest"), sha256(stored->record.body).hex());
    EXPECT_EQ(leaf->text("request_digest"), sha256(stored->record.request_id).hex());
    EXPECT_EQ(leaf->find("request_id"), nullptr) << "what a caller wrote is published by digest alone";
    EXPECT_EQ(leaf->text("effects_digest"), stored->effects.empty() ? "" : sha256(stored->effects).hex());
    EXPECT_EQ(store_->leaf_hashes(index, 1)->front(), log::leaf_hash(view_of(stored->leaf)));
  }
}

TEST_F(SqliteStoreTest, RefusesARecordThatIsNoUtf8AndKeepsTheOthersOfItsBatch) {
  Item item = signed_item("a");
  item.record.request_id = "\xff";
  EXPECT_EQ(outcomes({signed_item("b"), item, signed_item("c")}), (Texts{"0", "invalid", "1"}));
}

TEST_F(SqliteStoreTest, RedeemsATokenOnce) {
  EXPECT_EQ(outcome(redeeming("a", "t1")), "0");
  EXPECT_EQ(outcome(redeeming("b", "t1")), "approval_token_consumed");
  EXPECT_EQ(outcome(redeeming("c", "t2")), "1");
  EXPECT_TRUE(*store_->redeemed("t1"));
  EXPECT_FALSE(*store_->redeemed("t3"));
  reopen();
  EXPECT_EQ(outcome(redeeming("d", "t2")), "approval_token_consumed");
}

TEST_F(SqliteStoreTest, LetsTheFirstOfTwoItemsInABatchHaveTheToken) {
  EXPECT_EQ(outcomes({redeeming("a", "t1"), redeeming("b", "t1"), redeeming("c", "t2")}),
            (Texts{"0", "approval_token_consumed", "1"}));
}

TEST_F(SqliteStoreTest, KnowsATokenAgainUnderAnotherId) {
  ASSERT_EQ(outcome(redeeming("a", "t1")), "0");
  Item copied = signed_item("b");
  copied.redeem.push_back({"another-id", digest_of("token t1")});
  EXPECT_EQ(outcome(copied), "approval_token_consumed");
}

TEST_F(SqliteStoreTest, RedeemsAllTokensOfAnItemOrNone) {
  ASSERT_EQ(outcome(redeeming("a", "used")), "0");
  Item both = redeeming("b", "fresh");
  both.redeem.push_back({"used", digest_of("token used")});
  EXPECT_EQ(outcome(both), "approval_token_consumed");
  EXPECT_FALSE(*store_->redeemed("fresh"));
  EXPECT_EQ(store_->head().size, 1U);
}

TEST_F(SqliteStoreTest, RefusesOneTokenCitedTwiceByOneItem) {
  Item twice = redeeming("a", "t1");
  twice.redeem.push_back(twice.redeem.front());
  EXPECT_EQ(outcome(twice), "approval_token_consumed");
  EXPECT_EQ(outcome(redeeming("b", "t1")), "0");
}

TEST_F(SqliteStoreTest, ExecutesATraceOnce) {
  Item execute = signed_item("run");
  execute.record.kind = "executed";
  execute.execute_trace = digest_of("signed a");
  EXPECT_EQ(outcomes({execute, execute}), (Texts{"0", "already_executed"}));
  EXPECT_EQ(outcome(execute), "already_executed");
  execute.execute_trace = digest_of("signed b");
  EXPECT_EQ(outcome(execute), "1");
}

TEST_F(SqliteStoreTest, ExecutesAPermitInOnePieceWithItsRecord) {
  const Item permit = executing(deciding("a", "deploy", Verdict::Allow));
  EXPECT_EQ(outcomes({permit, signed_item("b")}), (Texts{"0", "2"}));
  EXPECT_EQ(store_->record(0)->record.kind, "signed");
  EXPECT_EQ(store_->record(1)->record.kind, "executed");
  EXPECT_EQ(store_->latest_decision(permit.decision->intent_digest, permit.decision->policy_digest)->value().log_index,
            0U);
  EXPECT_EQ(outcome(*permit.next), "already_executed");
  reopen();
  EXPECT_EQ(outcome(*permit.next), "already_executed");
  EXPECT_EQ(store_->verify()->executions, 1U);
}

TEST_F(SqliteStoreTest, RecordsNeitherPermitNorUseWhereOneIsRefused) {
  ASSERT_EQ(outcome(redeeming("a", "used")), "0");
  const Item consumed = executing(redeeming("b", "used"));
  Item first = signed_item("use");
  first.execute_trace = consumed.record.body_digest;
  EXPECT_EQ(outcome(consumed), "approval_token_consumed");
  EXPECT_EQ(outcome(first), "1");  // the refused one did not use it up
  // And a use that is refused takes its permit, and the token, back.
  EXPECT_EQ(outcomes({executing(redeeming("b", "fresh")), signed_item("c")}), (Texts{"already_executed", "2"}));
  EXPECT_FALSE(*store_->redeemed("fresh"));
  EXPECT_EQ(store_->head().size, 3U);
  EXPECT_EQ(store_->verify()->executions, 1U);
}

TEST_F(SqliteStoreTest, KeepsPermitsWithTheirUsesAcrossTilesAndBlocks) {
  ASSERT_EQ(outcome(signed_item("odd")), "0");  // so that pairs lie across the bounds
  for (std::uint64_t i = 0; i < 1100; ++i) {
    const std::string name = std::to_string(i);
    ASSERT_EQ(outcome(executing(deciding(name, name, Verdict::Allow))), std::to_string(1 + 2 * i));
  }
  reopen();
  const auto verification = store_->verify();
  ASSERT_TRUE(verification.has_value()) << verification.error().detail;
  EXPECT_EQ(verification->head.size, 2201U);
  EXPECT_EQ(verification->executions, 1100U);
}

TEST_F(SqliteStoreTest, GivesTheLatestDecisionWithItsFacts) {
  const Item required = deciding("a", "deploy", Verdict::RequireApproval);
  EXPECT_FALSE(
      store_->latest_decision(required.decision->intent_digest, required.decision->policy_digest)->has_value());
  ASSERT_EQ(outcome(required), "0");
  auto latest = *store_->latest_decision(required.decision->intent_digest, required.decision->policy_digest);
  ASSERT_TRUE(latest.has_value());
  EXPECT_EQ(latest->verdict, Verdict::RequireApproval);
  EXPECT_EQ(latest->facts.requester, "alice \"the deployer\"");
  EXPECT_EQ(latest->facts.reason_codes, Texts{"approval_required"});
  EXPECT_EQ(latest->facts.required_approvals, 2);
  EXPECT_TRUE(latest->facts.distinct_approvers);
  EXPECT_EQ(latest->facts.required_scopes, Texts{"tool:deploy.apply"});
  EXPECT_TRUE(latest->facts.destructive);
  EXPECT_EQ(latest->facts.context_source, "envelope");
  EXPECT_EQ(latest->at, required.decision->at);
  EXPECT_EQ(latest->peer_uid, 1000U);
  EXPECT_EQ(latest->log_index, 0U);
  EXPECT_EQ(**store_->index_of_trace(required.decision->intent_digest, required.decision->trace_digest), 0U);
  EXPECT_FALSE(store_->index_of_trace(required.decision->intent_digest, digest_of("unknown"))->has_value());
  EXPECT_EQ(**store_->intent_document(required.decision->intent_digest), R"({"intent":"deploy"})");
  EXPECT_FALSE(store_->intent_document(digest_of("unknown"))->has_value());

  ASSERT_EQ(outcome(deciding("b", "deploy", Verdict::Allow)), "1");
  latest = *store_->latest_decision(required.decision->intent_digest, required.decision->policy_digest);
  EXPECT_EQ(latest->verdict, Verdict::Allow);
}

TEST_F(SqliteStoreTest, FindsDecisionsBeforeAndAfterTheirPlacesWereSorted) {
  // Blocks of 1,024 and buckets of 16,384 records; every seventh record decides on one of 40 intents.
  const auto intent_of = [](std::uint64_t index) { return std::to_string(index / 7 % 40); };
  std::map<std::string, std::uint64_t> latest;
  std::uint64_t size = 0;
  const auto append = [&](std::uint64_t count) {
    std::vector<Item> items;
    for (; count > 0; --count, ++size) {
      const std::string name = std::to_string(size);
      if (size % 7 != 0) {
        items.push_back(signed_item(name));
        continue;
      }
      items.push_back(deciding(name, intent_of(size), size % 2 == 0 ? Verdict::Allow : Verdict::Block));
      latest[intent_of(size)] = size;
    }
    ASSERT_TRUE(store_->commit(items).has_value());
  };
  const auto expect_found = [&] {
    for (const auto& [intent, index] : latest) {
      const auto decision = store_->latest_decision(digest_of("intent " + intent), digest_of("policy"));
      ASSERT_TRUE(decision.has_value() && decision->has_value()) << intent;
      EXPECT_EQ((*decision)->log_index, index);
    }
    const auto first = store_->index_of_trace(digest_of("intent 0"), digest_of("signed 0"));
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(*first, std::optional<std::uint64_t>(0));
    EXPECT_FALSE(store_->latest_decision(digest_of("intent 0"), digest_of("other policy"))->has_value());
  };
  for (const std::uint64_t count : {1000U, 23U, 1U, 255U, 1U, 800U, 14'500U, 1'000U}) {
    append(count);
    expect_found();
  }
  reopen();
  expect_found();
  append(7);
  expect_found();
  EXPECT_EQ(store_->verify()->head.size, size);
}

TEST_F(SqliteStoreTest, ListsWhatIsPendingNewestFirst) {
  const UtcTime start = clock_.now();
  ASSERT_EQ(outcomes({deciding("a", "old", Verdict::RequireApproval, start - std::chrono::hours(25)),
                      deciding("b", "first", Verdict::RequireApproval), deciding("c", "done", Verdict::RequireApproval),
                      deciding("d", "done", Verdict::Allow), deciding("e", "second", Verdict::RequireApproval)}),
            (Texts{"0", "1", "2", "3", "4"}));
  const auto pending = store_->pending(start - std::chrono::hours(24), 10);
  ASSERT_TRUE(pending.has_value());
  ASSERT_EQ(pending->size(), 2U);
  EXPECT_EQ((*pending)[0].intent_digest, digest_of("intent second"));
  EXPECT_EQ((*pending)[1].intent_digest, digest_of("intent first"));
  EXPECT_EQ(store_->pending(start - std::chrono::hours(24), 1)->size(), 1U);
}

TEST_F(SqliteStoreTest, RefusesAnAllowWithoutTokensAfterApprovalWasRequired) {
  const UtcTime start = clock_.now();
  Item allow = deciding("a", "deploy", Verdict::Allow);
  allow.no_require_approval_since = start - std::chrono::hours(24);
  EXPECT_EQ(outcome(allow), "0");  // nothing was required yet
  // Also inside one batch: the order of the items is the order of the facts.
  EXPECT_EQ(outcomes({deciding("b", "deploy", Verdict::RequireApproval), allow}),
            (Texts{"1", "approval_required_before"}));
  EXPECT_EQ(outcome(deciding("c", "deploy", Verdict::Block)), "2");
  EXPECT_EQ(outcome(allow), "approval_required_before");
  allow.no_require_approval_since = start + std::chrono::nanoseconds(1);
  EXPECT_EQ(outcome(allow), "3");
  Item other = deciding("d", "other", Verdict::Allow);
  other.no_require_approval_since = start - std::chrono::hours(24);
  EXPECT_EQ(outcome(other), "4");
}

TEST_F(SqliteStoreTest, MintsOnlyForAPendingRequest) {
  const UtcTime start = clock_.now();
  Item mint = minting("t1", "deploy");
  mint.pending_since = start - std::chrono::hours(24);
  EXPECT_EQ(outcome(mint), "no_pending_request");
  EXPECT_EQ(outcomes({deciding("a", "deploy", Verdict::RequireApproval), mint}), (Texts{"0", "1"}));
  const auto tokens = store_->minted(digest_of("intent deploy"), digest_of("policy"));
  ASSERT_EQ(tokens->size(), 1U);
  EXPECT_EQ(tokens->front().token_id, "t1");
  EXPECT_EQ(tokens->front().approver_key, "bob");
  EXPECT_EQ(tokens->front().expires_at, mint.minted->expires_at);
  EXPECT_TRUE(store_->minted(digest_of("intent other"), digest_of("policy"))->empty());

  Item same_id = minting("t1", "deploy");
  EXPECT_EQ(outcome(same_id), "token_exists");
  Item late = minting("t2", "deploy");
  late.pending_since = start + std::chrono::nanoseconds(1);
  EXPECT_EQ(outcome(late), "no_pending_request");
  ASSERT_EQ(outcome(deciding("b", "deploy", Verdict::Block)), "2");
  late.pending_since = start - std::chrono::hours(24);
  EXPECT_EQ(outcome(late), "no_pending_request");
}

TEST_F(SqliteStoreTest, RefusesRulesWithoutWhatTheyAreAbout) {
  Item no_decision = signed_item("a");
  no_decision.no_require_approval_since = clock_.now();
  Item no_token = signed_item("b");
  no_token.pending_since = clock_.now();
  EXPECT_EQ(outcomes({no_decision, no_token}), (Texts{"invalid", "invalid"}));
}

TEST_F(SqliteStoreTest, AnswersARepeatedRequestWithTheRecordedAnswer) {
  const IdempotencyKey key{1000, "key-1", digest_of("request")};
  EXPECT_FALSE(store_->answer_for(key)->has_value());
  ASSERT_EQ(outcome(signed_item("first")), "0");
  Item item = signed_item("a");
  item.idempotency = key;
  item.answer = R"({"log_index":%LOG_INDEX%,"again":%LOG_INDEX%})";
  EXPECT_EQ(outcomes({item, item}), (Texts{"1", "idempotency_repeated"}));
  EXPECT_EQ(**store_->answer_for(key), R"({"log_index":1,"again":1})");

  Item other = item;
  other.idempotency->request_digest = digest_of("another request");
  EXPECT_EQ(outcome(other), "idempotency_mismatch");
  EXPECT_EQ(store_->answer_for(*other.idempotency).error().reason, "idempotency_mismatch");
  other.idempotency->peer_uid = 1001;  // another peer's key of the same name
  EXPECT_EQ(outcome(other), "2");
}

TEST_F(SqliteStoreTest, NeverGivesASequenceNumberTwice) {
  std::uint64_t last = 0;
  for (int restart = 0; restart < 3; ++restart) {
    for (int i = 0; i < 5000; ++i) {
      const auto next = store_->next_sequence();
      ASSERT_TRUE(next.has_value());
      ASSERT_GT(*next, last);
      last = *next;
      if (i % 1000 == 0) {
        ASSERT_NE(outcome(signed_item("s")), "");
      }
    }
    reopen();
  }
}

TEST_F(SqliteStoreTest, ProvesInclusionAndConsistencyAcrossItsKeptNodes) {
  std::vector<Item> items;
  std::vector<Digest> roots{log::empty_root()};
  log::Frontier frontier;
  for (int i = 0; i < 700; ++i) items.push_back(signed_item(std::to_string(i)));
  ASSERT_TRUE(store_->commit(items).has_value());
  const auto hashes = store_->leaf_hashes(0, 1000);
  ASSERT_EQ(hashes->size(), 700U);
  for (const Digest& hash : *hashes) {
    frontier.append(hash);
    roots.push_back(frontier.root());
  }
  EXPECT_EQ(store_->head().root, frontier.root());
  for (const std::uint64_t size : {0U, 1U, 2U, 255U, 256U, 257U, 511U, 512U, 513U, 700U}) {
    const auto root = store_->root_at(size);
    ASSERT_TRUE(root.has_value()) << size << root.error().detail;
    EXPECT_EQ(*root, roots[size]) << size;
    const auto consistency = store_->consistency_proof(size, 700);
    ASSERT_TRUE(consistency.has_value());
    EXPECT_TRUE(log::verify_consistency(size, *root, 700, roots[700], *consistency)) << size;
    if (size == 0) continue;
    const auto inclusion = store_->inclusion_proof(size - 1, 700);
    ASSERT_TRUE(inclusion.has_value());
    EXPECT_TRUE(log::verify_inclusion((*hashes)[size - 1], size - 1, 700, *inclusion, roots[700])) << size;
  }
  EXPECT_EQ(store_->root_at(701).error().code, ErrorCode::NotFound);
  EXPECT_EQ(store_->inclusion_proof(0, 701).error().code, ErrorCode::NotFound);
  EXPECT_EQ(store_->inclusion_proof(700, 700).error().code, ErrorCode::NotFound);
  EXPECT_EQ(store_->consistency_proof(3, 701).error().code, ErrorCode::NotFound);
  reopen();
  EXPECT_EQ(store_->verify()->head.size, 700U);
}

TEST_F(SqliteStoreTest, VerifiesEverythingItHolds) {
  Item execute = signed_item("run");
  execute.execute_trace = digest_of("signed a");
  ASSERT_EQ(outcomes({redeeming("a", "t1"), execute, deciding("b", "deploy", Verdict::RequireApproval),
                      minting("t2", "deploy"), signed_item("c")}),
            (Texts{"0", "1", "2", "3", "4"}));
  const auto verification = store_->verify();
  ASSERT_TRUE(verification.has_value()) << verification.error().detail;
  EXPECT_EQ(verification->head.size, 5U);
  EXPECT_EQ(verification->head.root, store_->head().root);
  EXPECT_EQ(verification->redemptions, 1U);
  EXPECT_EQ(verification->executions, 1U);
}

}  // namespace
}  // namespace countersign::ledger::test
