#include "gate/notices/deliverer.h"

#include <algorithm>
#include <functional>

#include "common/sqlite/connection.h"
#include "tests/gate/notices/notice_case.h"

namespace countersign::notices {
namespace {

using std::chrono::seconds;

const std::atomic<bool> kNever = false;

class Attempts : public NoticeCase {
 protected:
  // Does what it is told.
  struct Told {
    std::vector<Message> sent;
    Status answer = ok();
    std::function<void()> meanwhile = [] {};
  };
  class Scripted : public Channel {
   public:
    explicit Scripted(Told& told) : told_(told) {}
    Status deliver(const Message& message, UtcTime, const std::atomic<bool>&) const override {
      told_.meanwhile();
      told_.sent.push_back(message);
      return told_.answer;
    }

   private:
    Told& told_;
  };
  Deliverer& deliverer() {
    if (!deliverer_)
      deliverer_.emplace(config_.channels.front(), std::make_unique<Scripted>(channel_), *outbox_, *codes_, *store_,
                         clock_);
    return *deliverer_;
  }
  Attempt attempt() {
    const Result<Attempt> done = deliverer().attempt(kNever);
    EXPECT_TRUE(done);
    return done ? *done : Attempt::None;
  }
  Told channel_;
  std::optional<Deliverer> deliverer_;
};

TEST_F(Attempts, TheSameMessageIsSentAgainUntilItArrives) {
  ask("1");
  gathered();
  channel_.answer = Error{ErrorCode::Unavailable, "it answered 500"};
  EXPECT_EQ(attempt(), Attempt::Failed);
  EXPECT_EQ(attempt(), Attempt::None) << "not at once";
  clock_.advance(seconds(5));
  channel_.answer = ok();
  EXPECT_EQ(attempt(), Attempt::Delivered);
  EXPECT_EQ(attempt(), Attempt::None);
  ASSERT_EQ(channel_.sent.size(), 2U);
  EXPECT_EQ(channel_.sent[0].id, channel_.sent[1].id);
  EXPECT_EQ(channel_.sent[0].json, channel_.sent[1].json);
}

TEST_F(Attempts, AQuestionCarriesTheCodeOfItsAnswer) {
  const broker::ToolRequest request = ask("1");
  gathered();
  ASSERT_EQ(attempt(), Attempt::Delivered);
  const std::string code = **codes_->code_of(request);
  const Json said = *Json::parse(channel_.sent.front().json);
  EXPECT_EQ(said.find("data")->find("reply")->text("no"), "no " + code);
  EXPECT_NE(channel_.sent.front().text.find("\"no " + code + "\""), std::string::npos);
  EXPECT_EQ(outbox_->listed("", 1).compact().find(code), std::string::npos) << "it stands in what is sent alone";
  settle(request, broker::RequestStatus::Rejected, {"rejected", {{"request_id", "1"}, {"reason", "no"}}});
  gathered();
  ASSERT_EQ(attempt(), Attempt::Delivered);
  EXPECT_EQ(channel_.sent.back().json.find("reply"), std::string::npos) << "that it was decided asks nothing";
}

TEST_F(Attempts, WhatWasSentIsNotSentAgainWhileTheStoreFails) {
  const broker::ToolRequest request = ask("1");
  gathered();
  ASSERT_TRUE(codes_->code_of(request));
  const auto set = [&](const char* pragma) {
    store_->read([&](sqlite::Connection& connection) { ASSERT_TRUE(connection.execute(pragma)); });
  };
  channel_.meanwhile = [&] { set("PRAGMA query_only = ON"); };
  EXPECT_EQ(deliverer().attempt(kNever).error().reason, "broker_store_failed");
  EXPECT_EQ(deliverer().attempt(kNever).error().reason, "broker_store_failed");
  set("PRAGMA query_only = OFF");
  EXPECT_EQ(attempt(), Attempt::Delivered);
  EXPECT_EQ(channel_.sent.size(), 1U);
  EXPECT_EQ(events().back(), "notice_delivered");
  EXPECT_EQ(attempt(), Attempt::None);
}

TEST_F(Attempts, NobodyIsAskedWhatIsAnsweredAlready) {
  const broker::ToolRequest request = ask("1");
  gathered();
  settle(request, broker::RequestStatus::Rejected, {"rejected", {{"request_id", "1"}, {"reason", "no"}}});
  EXPECT_EQ(attempt(), Attempt::Dropped);
  EXPECT_TRUE(channel_.sent.empty());
  EXPECT_EQ(events().back(), "notice_dropped");
  gathered();
  EXPECT_EQ(attempt(), Attempt::Delivered) << "that it was decided";
}

TEST_F(Attempts, ManyAtOnceAreOneMessage) {
  config_.channels.front().digest = 3;
  for (const char* id : {"1", "2", "3"}) ask(id, Json::object({{"path", id}, {"password", "hunter2"}}));
  settle(ask("4", Json::object({{"path", "4"}})), broker::RequestStatus::Rejected,
         {"rejected", {{"request_id", "4"}, {"reason", "no"}}});
  gathered();
  EXPECT_EQ(attempt(), Attempt::Delivered);
  ASSERT_EQ(channel_.sent.size(), 1U);
  const Json message = *Json::parse(channel_.sent[0].json);
  EXPECT_EQ(message.text("type"), "broker.digest");
  const Json& data = *message.find("data");
  // The request that was rejected meanwhile is not asked about; that it was, is told.
  EXPECT_EQ(data.text("summary"), "4 notices of the broker: 1 decided, 3 request");
  ASSERT_EQ(data.find("notices")->as_array().size(), 4U);
  const Json& first = data.find("notices")->as_array().front();
  EXPECT_EQ(first.text("request_id"), "1");
  const std::string code(first.find("reply")->text("code"));
  EXPECT_EQ(channel_.sent[0].json.find("hunter2"), std::string::npos);
  EXPECT_NE(channel_.sent[0].text.find("\n  approve: countersign broker approve --request-id 1\n"), std::string::npos);
  EXPECT_NE(channel_.sent[0].text.find("\n  answer \"no " + code + "\": rejects it"), std::string::npos);
  EXPECT_LT(channel_.sent[0].text.size(), 2500U);
  EXPECT_EQ(std::ranges::count(events(), std::string("notice_delivered")), 4) << "each is on record";
  EXPECT_EQ(attempt(), Attempt::None);
}

TEST_F(Attempts, ManyThatFailedAreTriedAgainUnderTheSameId) {
  config_.channels.front().digest = 2;
  for (const char* id : {"1", "2"}) ask(id, Json::object({{"path", id}}));
  gathered();
  channel_.answer = Error{ErrorCode::Unavailable, "it answered 500"};
  EXPECT_EQ(attempt(), Attempt::Failed);
  EXPECT_EQ(attempt(), Attempt::None) << "not at once, and not one by one";
  clock_.advance(seconds(5));
  channel_.answer = ok();
  EXPECT_EQ(attempt(), Attempt::Delivered);
  ASSERT_EQ(channel_.sent.size(), 2U);
  EXPECT_EQ(channel_.sent[0].id, channel_.sent[1].id);
}

TEST_F(Attempts, AnInterruptedOneDoesNotCount) {
  ask("1");
  gathered();
  channel_.answer = Error{ErrorCode::Unavailable, "interrupted"};
  const std::atomic<bool> ending = true;
  EXPECT_EQ(*deliverer().attempt(ending), Attempt::None);
  EXPECT_EQ(due()->attempts, 0);
}

}  // namespace
}  // namespace countersign::notices
