#include "tests/signer/ledger/ledger_fixture.h"

namespace countersign::ledger::test {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class OutboxTest : public LedgerTest {
 protected:
  void happen(const std::string& event, const std::string& dedupe_key, std::chrono::nanoseconds window = minutes(10)) {
    Item item = signed_item(event);
    item.record.kind = "refused";
    item.events.push_back(
        {.event = event, .dedupe_key = dedupe_key, .at = clock_.now(), .body = "{}", .window = window});
    ASSERT_NE(outcome(item), "invalid");
  }
  // What is due, as "event count".
  std::vector<std::string> due() const {
    std::vector<std::string> texts;
    const auto rows = store_->outbox(100);
    for (const OutboxRow& row : *rows) texts.push_back(row.event.event + " " + std::to_string(row.count));
    return texts;
  }
  void tell_all() {
    const auto rows = store_->outbox(100);
    for (const OutboxRow& row : *rows) ASSERT_TRUE(store_->told(row.id, true, clock_.now()));
  }
};

using Texts = std::vector<std::string>;

TEST_F(OutboxTest, TellsEveryEventOldestFirst) {
  happen("wrong_approver", "a");
  happen("wildcard_scope", "b");
  EXPECT_EQ(due(), (Texts{"wrong_approver 1", "wildcard_scope 1"}));
  EXPECT_EQ(store_->outbox(1)->size(), 1U);
  tell_all();
  EXPECT_EQ(due(), Texts{});
}

TEST_F(OutboxTest, CountsWhatRepeatsInsideItsWindow) {
  happen("wrong_approver", "a");
  happen("wrong_approver", "a");
  EXPECT_EQ(due(), Texts{"wrong_approver 2"});
  tell_all();
  happen("wrong_approver", "a");
  happen("wrong_approver", "a");
  EXPECT_EQ(due(), Texts{});
  clock_.advance(minutes(10));
  EXPECT_EQ(due(), Texts{"wrong_approver 2"});
}

TEST_F(OutboxTest, TellsAtOnceAfterTheWindow) {
  happen("wrong_approver", "a");
  tell_all();
  clock_.advance(minutes(11));
  EXPECT_EQ(due(), Texts{});
  happen("wrong_approver", "a");
  EXPECT_EQ(due(), Texts{"wrong_approver 1"});
}

TEST_F(OutboxTest, TellsEachOfThoseThatAreNotToBeCounted) {
  happen("halted", "");
  happen("halted", "");
  happen("halted", "key", seconds(0));
  EXPECT_EQ(due(), (Texts{"halted 1", "halted 1", "halted 1"}));
}

TEST_F(OutboxTest, KeepsWhatHappensWhileOneIsBeingTold) {
  happen("wrong_approver", "a");
  const auto handed_out = store_->outbox(1);
  happen("wrong_approver", "a");
  ASSERT_TRUE(store_->told(handed_out->front().id, true, clock_.now()));
  EXPECT_EQ(due(), Texts{});
  clock_.advance(minutes(10));
  EXPECT_EQ(due(), Texts{"wrong_approver 1"});
}

TEST_F(OutboxTest, TriesAgainLaterAndLater) {
  happen("wrong_approver", "a");
  seconds delay(1);
  for (int attempt = 0; attempt < 12; ++attempt) {
    const auto rows = store_->outbox(1);
    ASSERT_EQ(rows->size(), 1U) << attempt;
    EXPECT_EQ(rows->front().attempts, static_cast<std::uint64_t>(attempt));
    ASSERT_TRUE(store_->told(rows->front().id, false, clock_.now()));
    clock_.advance(delay - seconds(1));
    EXPECT_EQ(due(), Texts{}) << attempt;
    clock_.advance(seconds(1));
    delay = std::min<seconds>(delay * 2, minutes(5));
  }
  tell_all();
  EXPECT_EQ(due(), Texts{});
}

TEST_F(OutboxTest, SurvivesARestart) {
  happen("wrong_approver", "a");
  (void)store_->outbox(1);  // handed out, never told: told again
  reopen();
  EXPECT_EQ(due(), Texts{"wrong_approver 1"});
  tell_all();
  reopen();
  EXPECT_EQ(due(), Texts{});
}

TEST_F(OutboxTest, KnowsNoEventThatItNeverHeld) {
  EXPECT_EQ(store_->told(17, true, clock_.now()).error().code, ErrorCode::NotFound);
}

TEST_F(OutboxTest, DropsTheEventsOfARefusedItem) {
  ASSERT_EQ(outcome(redeeming("a", "t1")), "0");
  Item refused = redeeming("b", "t1");
  refused.events.push_back(
      {.event = "never", .dedupe_key = "n", .at = clock_.now(), .body = "{}", .window = minutes(1)});
  EXPECT_EQ(outcome(refused), "approval_token_consumed");
  EXPECT_EQ(due(), Texts{});
}

}  // namespace
}  // namespace countersign::ledger::test
