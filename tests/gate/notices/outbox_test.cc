#include "gate/notices/outbox.h"

#include "tests/gate/notices/notice_case.h"

namespace countersign::notices {
namespace {

using broker::NoticeKind;
using broker::RequestStatus;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class OutboxCase : public NoticeCase {
 protected:
  Delivery due() {
    const std::optional<Delivery> found = NoticeCase::due();
    EXPECT_TRUE(found);
    return found.value_or(Delivery{});
  }
};

TEST_F(OutboxCase, TellsEachNoticeOnceOnEachChannel) {
  config_.channels.push_back(config_.channels.front());
  config_.channels.back().name = "second";
  ask("1");
  EXPECT_EQ(gathered(), 2U);
  EXPECT_EQ(gathered(), 0U) << "nothing new";
  // A crash between what was recorded and what is remembered of it: the records are read again.
  ASSERT_TRUE(store_->change([](sqlite::Connection&) { return ok(); }));
  open();
  EXPECT_EQ(gathered(), 0U);
  EXPECT_NE(due().id, NoticeCase::due("second")->id);
  EXPECT_EQ(NoticeCase::due("third"), std::nullopt);
}

TEST_F(OutboxCase, ManyAtOnceAreGivenTogetherAndWhatIsLoudAlone) {
  for (const char* id : {"1", "2"}) ask(id, Json::object({{"path", id}}));
  gathered();
  EXPECT_EQ(outbox_->due("ops", 3).size(), 1U) << "not yet many";
  EXPECT_EQ(outbox_->due("ops", 2).size(), 2U);
  EXPECT_EQ(outbox_->due("ops", 0).size(), 1U) << "never, where that is not wanted";
  for (int i = 3; i < 20; ++i) ask(std::to_string(i), Json::object({{"path", std::to_string(i)}}));
  gathered();
  const std::vector<Delivery> many = outbox_->due("ops", 2);
  ASSERT_EQ(many.size(), 8U);
  EXPECT_EQ(many.front().message.find("data")->text("request_id"), "1") << "the oldest first";
  ASSERT_TRUE(store_->record({"definition_quarantined", {{"tool_id", "fs:write"}, {"cause", "changed"}}}));
  gathered();
  const std::vector<Delivery> loud = outbox_->due("ops", 2);
  ASSERT_EQ(loud.size(), 1U);
  EXPECT_EQ(loud.front().kind, NoticeKind::Quarantine) << "before all that waits";
}

TEST_F(OutboxCase, TellsWhatWasRecordedBeforeACrash) {
  ask("1");
  open();
  EXPECT_EQ(gathered(), 1U) << "it was recorded, so it is told";
  const Delivery before = due();
  open();
  EXPECT_EQ(due().id, before.id) << "the same message, tried again";
  EXPECT_EQ(due().message, before.message);
}

TEST_F(OutboxCase, TellsNothingFromBeforeItWasThere) {
  codes_.reset();
  outbox_.reset();
  store_.reset();
  test::TemporaryFolder other;
  auto store = broker::BrokerStore::open(other / "broker.db", clock_);
  ASSERT_TRUE(store);
  ASSERT_TRUE((*store)->add(request_of("1"), {"request_opened", {{"request_id", "1"}}}));
  auto outbox = Outbox::open(**store, config_, clock_);
  ASSERT_TRUE(outbox);
  EXPECT_EQ(*(*outbox)->gather(), 0U);
}

TEST_F(OutboxCase, TellsNothingFromWhenNobodyWasToBeTold) {
  const auto channels = config_.channels;
  config_.channels.clear();
  open();
  ask("1");
  open();
  config_.channels = channels;
  open();
  EXPECT_EQ(gathered(), 0U);
  ask("2", Json::object({{"path", "b"}}));
  EXPECT_EQ(gathered(), 1U);
}

TEST_F(OutboxCase, ADeliveryIsARecord) {
  ask("1");
  gathered();
  const Delivery delivery = due();
  EXPECT_EQ(delivery.kind, NoticeKind::Request);
  ASSERT_TRUE(outbox_->delivered(delivery));
  EXPECT_FALSE(NoticeCase::due());
  EXPECT_EQ(events(), (std::vector<std::string>{"request_opened", "notice_delivered"}));
  const Json record = *Json::parse(store_->audit(1, 1).front().body);
  EXPECT_EQ(record.text("message_id"), delivery.id);
  EXPECT_EQ(record.text("request_id"), "1");
  EXPECT_EQ(record.find("attempts")->as_integer(), 1);
  EXPECT_EQ(outbox_->delivered(delivery).error().reason, "delivery_ended") << "once";
  EXPECT_EQ(gathered(), 0U) << "nobody is told of a notice";
}

TEST_F(OutboxCase, WaitsLongerAfterEachFailureAndGivesUpInTheEnd) {
  ask("1");
  gathered();
  for (const auto pause : {seconds(5), seconds(30), seconds(120), seconds(600), seconds(1800), seconds(3600)}) {
    ASSERT_TRUE(outbox_->failed(due(), "it answered 500"));
    clock_.advance(pause - seconds(1));
    EXPECT_FALSE(NoticeCase::due()) << pause.count();
    clock_.advance(seconds(1));
  }
  const Json row = outbox_->listed("waiting", 10).as_array().front();
  EXPECT_EQ(row.find("attempts")->as_integer(), 6);
  EXPECT_EQ(row.text("error"), "it answered 500");
  EXPECT_EQ(row.text("request_id"), "1");
  clock_.advance(hours(23));
  ASSERT_TRUE(outbox_->failed(due(), "it answered 500"));
  EXPECT_FALSE(NoticeCase::due());
  EXPECT_EQ(outbox_->listed("given_up", 10).as_array().size(), 1U);
  EXPECT_EQ(events().back(), "notice_given_up");
}

TEST_F(OutboxCase, WhatWaitsIsTriedNowWhereSomebodyAsks) {
  ask("1");
  gathered();
  ASSERT_TRUE(outbox_->failed(due(), "no"));
  EXPECT_FALSE(NoticeCase::due());
  EXPECT_EQ(*outbox_->hasten({"notices_hastened", {}}), 1);
  EXPECT_EQ(due().attempts, 1);
  ASSERT_TRUE(outbox_->delivered(due()));
  EXPECT_EQ(*outbox_->hasten({"notices_hastened", {}}), 0) << "what ended stays ended";
  EXPECT_FALSE(NoticeCase::due());
}

TEST_F(OutboxCase, OneThatFailsLetsTheNextPass) {
  ask("1");
  ask("2", Json::object({{"path", "b"}}));
  gathered();
  const std::string first = due().id;
  ASSERT_TRUE(outbox_->failed(due(), "no"));
  EXPECT_NE(due().id, first);
}

TEST_F(OutboxCase, RemindsOnceOfWhatStillWaits) {
  const broker::ToolRequest answered = ask("1");
  ask("2", Json::object({{"path", "b"}}));
  EXPECT_EQ(gathered(), 2U);
  clock_.advance(config_.remind_after - seconds(1));
  EXPECT_EQ(gathered(), 0U);
  settle(answered, RequestStatus::Rejected, {"rejected", {{"request_id", "1"}, {"reason", "no"}}});
  EXPECT_EQ(gathered(), 1U) << "decided";
  clock_.advance(seconds(1));
  EXPECT_EQ(gathered(), 1U) << "the other one's reminder";
  clock_.advance(minutes(10));
  EXPECT_EQ(gathered(), 0U);
  const Json::Array rows = outbox_->listed("", 10).as_array();
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows.front().text("notice"), "reminder");
  EXPECT_EQ(rows.front().text("request_id"), "2");
}

TEST_F(OutboxCase, AReminderOutlivesARestartAndIsOneAllTheSame) {
  ask("1");
  gathered();
  open();
  clock_.advance(config_.remind_after);
  EXPECT_EQ(gathered(), 1U);
  open();
  EXPECT_EQ(gathered(), 0U);
  EXPECT_EQ(outbox_->listed("", 10).as_array().size(), 2U);
}

TEST_F(OutboxCase, NobodyIsRemindedWhoDoesNotWantToBe) {
  config_.channels.front().kinds.erase(NoticeKind::Reminder);
  open();
  ask("1");
  EXPECT_EQ(gathered(), 1U);
  clock_.advance(config_.remind_after);
  EXPECT_EQ(gathered(), 0U);
}

TEST_F(OutboxCase, ARequestWhoseTimeIsOverIsNotRemindedOf) {
  config_.remind_after = hours(2);
  ask("1");
  gathered();
  clock_.advance(hours(3));
  EXPECT_EQ(gathered(), 0U);
}

TEST_F(OutboxCase, AChannelIsToldOnlyWhatItWants) {
  config_.channels.front().kinds = {NoticeKind::Decided};
  const broker::ToolRequest request = ask("1");
  EXPECT_EQ(gathered(), 0U);
  settle(request, RequestStatus::Approved,
         {"approved", {{"request_id", "1"}, {"mode", "once"}, {"approvers", Json::array({"alice@company"})}}});
  EXPECT_EQ(gathered(), 1U);
  EXPECT_EQ(due().kind, NoticeKind::Decided);
}

TEST_F(OutboxCase, WhatWaitsForAChannelThatIsGoneIsDropped) {
  ask("1");
  gathered();
  config_.channels.front().name = "renamed";
  open();
  EXPECT_EQ(outbox_->listed("dropped", 10).as_array().size(), 1U);
  EXPECT_EQ(events().back(), "notice_dropped");
}

TEST_F(OutboxCase, OldNewsIsNotTold) {
  ask("1");
  clock_.advance(config_.give_up_after + seconds(1));
  EXPECT_EQ(gathered(), 0U);
}

TEST_F(OutboxCase, WhatEndedLongAgoIsForgotten) {
  ask("1");
  gathered();
  ASSERT_TRUE(outbox_->delivered(due()));
  clock_.advance(hours(24 * 31));
  ask("2", Json::object({{"path", "b"}}));
  gathered();
  EXPECT_EQ(outbox_->listed("", 10).as_array().size(), 1U);
}

}  // namespace
}  // namespace countersign::notices
