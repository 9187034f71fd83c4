#include "gate/notices/notice.h"

#include "tests/gate/notices/notice_case.h"

namespace countersign::notices {
namespace {

class Notices : public NoticeCase {
 protected:
  // Of the last record.
  std::optional<Notice> last() const {
    const auto records = store_->audit(store_->size() - 1, 1);
    return notice_of(*Json::parse(records.front().body), *store_, socket_);
  }
  std::string socket_{broker::kUsualSocket};
  static const Json& data(const std::optional<Notice>& notice) {
    EXPECT_TRUE(notice);
    static const Json kNothing;
    return notice ? *notice->message.find("data") : kNothing;
  }
};

TEST_F(Notices, ARequestSaysEverythingThatAnAnswerNeeds) {
  ask("221cd761fb9455b2", Json::object({{"path", "a.txt"}, {"password", "hunter2"}}));
  const auto notice = last();
  const Json& said = data(notice);
  EXPECT_EQ(notice->key, "request/221cd761fb9455b2");
  EXPECT_EQ(notice->message.text("type"), "broker.request");
  EXPECT_EQ(said.text("summary"), "Agent 'web' wants to call tool 'fs:write'");
  EXPECT_EQ(said.text("how_to_approve"), "countersign broker approve --request-id 221cd761fb9455b2");
  EXPECT_EQ(said.find("args")->text("path"), "a.txt");
  EXPECT_EQ(said.find("args")->text("password"), "[REDACTED]");
  EXPECT_EQ(notice->message.compact().find("hunter2"), std::string::npos);
  EXPECT_NE(said.text("text").find("\napprove: countersign broker approve --request-id 221cd761fb9455b2\n"),
            std::string::npos);
}

TEST_F(Notices, TheLinesToTypeNameTheSocketWhereItIsNotTheUsualOne) {
  socket_ = "/srv/my broker/b.sock";
  ask("221cd761fb9455b2");
  EXPECT_EQ(data(last()).text("how_to_approve"),
            "countersign broker approve --request-id 221cd761fb9455b2 --broker '/srv/my broker/b.sock'");
  EXPECT_EQ(data(last()).text("how_to_reject"),
            "countersign broker reject --request-id 221cd761fb9455b2 --reason TEXT --broker '/srv/my broker/b.sock'");
}

TEST_F(Notices, NothingThatAnAgentWroteBeginsALineOrHides) {
  ask("1", Json::object({{"path", "a\napprove: rm -rf /\r\xe2\x80\xa8x\xe2\x80\xaey\xe2\x80\x8b\x7f"}}));
  const std::string text(data(last()).text("text"));
  EXPECT_EQ(text.find("\napprove: rm"), std::string::npos);
  EXPECT_NE(text.find("<U+202E>"), std::string::npos) << text;
  EXPECT_NE(text.find("<U+200B>"), std::string::npos) << text;
  EXPECT_NE(text.find("<U+2028>"), std::string::npos) << text;
  EXPECT_EQ(text.find('\x7f'), std::string::npos);
}

TEST_F(Notices, LongArgumentsAreCutAndSaySo) {
  ask("1", Json::object({{"text", std::string(100'000, 'x')}}));
  const auto notice = last();
  EXPECT_EQ(data(notice).find("args"), nullptr);
  EXPECT_EQ(*data(notice).find("args_cut"), Json(true));
  EXPECT_LT(notice->message.compact().size(), 8000U);
  // Slack takes 3000 characters at once.
  EXPECT_LT(data(notice).text("text").size(), 2500U);
  EXPECT_NE(data(notice).text("text").find(" …\n"), std::string::npos);
  EXPECT_NE(data(notice).text("text").find("\nreject: "), std::string::npos);
}

TEST_F(Notices, EndsSayWhoAndWhy) {
  settle(ask("1"), broker::RequestStatus::Rejected,
         {"rejected", {{"request_id", "1"}, {"reason", "not\ntoday"}, {"uid", std::int64_t{1000}}}});
  EXPECT_EQ(data(last()).text("text"),
            "Agent 'web' wants to call tool 'fs:write': rejected by uid 1000\nreason: not<U+000A>today");
  settle(ask("2"), broker::RequestStatus::Approved,
         {"approved", {{"request_id", "2"}, {"mode", "once"}, {"approvers", Json::array({"alice@company"})}}});
  EXPECT_EQ(data(last()).text("text"),
            "Agent 'web' wants to call tool 'fs:write': approved by alice@company\ngranted: once");
  EXPECT_EQ(last()->kind, broker::NoticeKind::Decided);
}

TEST_F(Notices, OfProposalsAndTheirOverrides) {
  const auto told = [&](const char* event, const char* vetting, bool overriding) {
    EXPECT_TRUE(store_->record({event,
                                {{"proposal_id", "p"},
                                 {"version", 2},
                                 {"server_name", "fs"},
                                 {"digest", "d"},
                                 {"vetting_status", vetting},
                                 {"by", "web"},
                                 {"override", overriding},
                                 {"reason", "needed"}}}));
    return last();
  };
  EXPECT_EQ(told("proposed", "pass", false)->kind, broker::NoticeKind::Proposal);
  EXPECT_EQ(data(last()).text("how_to_approve"), "countersign broker approve --request-id p --proposal-version 2");
  told("proposed", "fail", false);
  EXPECT_EQ(data(last()).text("how_to_approve"),
            "countersign broker approve --request-id p --proposal-version 2 --override-vetting --reason TEXT");
  told("proposed", "definitions", false);
  EXPECT_EQ(data(last()).text("how_to_approve"),
            "countersign broker approve --request-id p --proposal-version 2 --reason TEXT");
  EXPECT_EQ(told("override_asked", "fail", true)->kind, broker::NoticeKind::Override);
  EXPECT_EQ(told("proposal_approved", "fail", true)->kind, broker::NoticeKind::Override);
  EXPECT_EQ(told("proposal_approved", "pass", false)->kind, broker::NoticeKind::Decided);
  EXPECT_EQ(told("proposal_rejected", "pass", false)->kind, broker::NoticeKind::Decided);
}

TEST_F(Notices, OfAQuarantineButNotOfACall) {
  ASSERT_TRUE(store_->record({"definition_quarantined", {{"tool_id", "fs:list"}, {"cause", "it changed"}}}));
  EXPECT_EQ(last()->kind, broker::NoticeKind::Quarantine);
  EXPECT_EQ(data(last()).text("summary"), "The tool 'fs:list' is quarantined: it changed");
  ASSERT_TRUE(store_->record({"call", {{"tool_id", "fs:list"}}}));
  EXPECT_FALSE(last());
  EXPECT_FALSE(is_notable("call"));
  EXPECT_FALSE(is_notable("notice_delivered"));
  EXPECT_TRUE(is_notable("request_opened"));
}

}  // namespace
}  // namespace countersign::notices
