#include "gate/notices/reply_codes.h"

#include <sys/stat.h>

#include <set>

#include "common/durable_file.h"
#include "common/sqlite/connection.h"
#include "tests/gate/notices/notice_case.h"

namespace countersign::notices {
namespace {

using broker::RequestStatus;
using std::chrono::hours;

class Codes : public NoticeCase {
 protected:
  std::string code_of(const broker::ToolRequest& request) {
    const auto code = codes_->code_of(request);
    EXPECT_TRUE(code) << code.error().detail;
    return code && *code ? **code : "";
  }
  Result<std::string> request_of(const std::string& code) { return codes_->request_of(code, {"reply_refused", {}}); }
  // A code that nobody has.
  std::string wrong_code(const std::set<std::string>& taken) const {
    for (int number = 100'000;; ++number) {
      if (!taken.contains(std::to_string(number))) return std::to_string(number);
    }
  }
};

TEST_F(Codes, AreTheSameForARequestAndDifferBetweenThem) {
  std::set<std::string> seen;
  for (int i = 0; i < 50; ++i) {
    const broker::ToolRequest request = ask(std::to_string(i), Json::object({{"path", i}}));
    const std::string code = code_of(request);
    EXPECT_EQ(code.size(), 6U);
    EXPECT_EQ(code_of(request), code);
    EXPECT_EQ(*request_of(code), request.id);
    seen.insert(code);
  }
  EXPECT_EQ(seen.size(), 50U);
}

TEST_F(Codes, OutliveARestart) {
  const broker::ToolRequest request = ask("1");
  const std::string code = code_of(request);
  open();
  EXPECT_EQ(code_of(request), code);
  EXPECT_EQ(*request_of(code), "1");
}

TEST_F(Codes, StandNowhereInTheStore) {
  const std::string code = code_of(ask("1"));
  std::string held;
  store_->read([&](sqlite::Connection& connection) {
    sqlite::Query row(connection,
                      "SELECT request || '/' || salt || '/' || hex(digest) || '/' || wrong FROM reply_codes");
    while (row.next()) held += row.text(0);
  });
  EXPECT_FALSE(held.empty());
  EXPECT_EQ(held.find(code), std::string::npos);
  EXPECT_EQ(held.find(sha256(view_of(code)).hex()), std::string::npos);
  struct stat facts {};
  ASSERT_EQ(stat((folder_ / "reply.key").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
}

TEST_F(Codes, AnotherKeyMakesOtherCodes) {
  const broker::ToolRequest request = ask("1");
  const std::string before = code_of(request);
  codes_.reset();
  ASSERT_EQ(remove((folder_ / "reply.key").c_str()), 0);
  open();
  EXPECT_FALSE(request_of(before)) << "the old code counts no more";
  const std::string now = code_of(request);
  EXPECT_NE(now, before);
  EXPECT_EQ(*request_of(now), "1");
}

TEST_F(Codes, EndWithTheirRequest) {
  const broker::ToolRequest request = ask("1");
  const std::string code = code_of(request);
  settle(request, RequestStatus::Rejected, {"rejected", {{"request_id", "1"}}});
  EXPECT_EQ(request_of(code).error().reason, "reply_code_unknown");
  const std::string late = code_of(ask("2", Json::object({{"path", "b"}})));
  clock_.advance(hours(1));
  EXPECT_FALSE(request_of(late)) << "its time is over";
}

TEST_F(Codes, CountOnce) {
  const broker::ToolRequest request = ask("1");
  const std::string code = code_of(request);
  ASSERT_TRUE(codes_->spend("1", {"reply_yes", {}}));
  EXPECT_EQ(codes_->spend("1", {"reply_yes", {}}).error().reason, "reply_code_unknown");
  EXPECT_FALSE(request_of(code));
  EXPECT_EQ(code_of(request), "") << "and no new one is made";
}

TEST_F(Codes, EndAfterAFewWrongOnes) {
  const broker::ToolRequest request = ask("1");
  const std::string code = code_of(request);
  const std::string wrong = wrong_code({code});
  for (std::int64_t i = 0; i + 1 < config_.reply_attempts; ++i) EXPECT_FALSE(request_of(wrong));
  EXPECT_TRUE(request_of(code)) << "one is left";
  EXPECT_FALSE(request_of(wrong));
  EXPECT_EQ(request_of(code).error().reason, "reply_code_unknown");
  EXPECT_EQ(code_of(request), "");
  EXPECT_EQ(events().back(), "reply_refused");
  EXPECT_FALSE(code_of(ask("2", Json::object({{"path", "b"}}))).empty()) << "another request has its own";
}

TEST_F(Codes, AnExposedKeyIsNotUsed) {
  codes_.reset();
  ASSERT_EQ(chmod((folder_ / "reply.key").c_str(), 0644), 0);
  EXPECT_FALSE(ReplyCodes::open(*store_, folder_ / "reply.key", 5, clock_));
  ASSERT_EQ(chmod((folder_ / "reply.key").c_str(), 0600), 0);
  ASSERT_TRUE(write_durable(folder_ / "reply.key", "short\n", 0600));
  EXPECT_EQ(ReplyCodes::open(*store_, folder_ / "reply.key", 5, clock_).error().reason, "bad_reply_key");
}

TEST(Replies, AreReadStrictly) {
  struct Row {
    const char* text;
    bool yes;
    const char* reason;
  };
  constexpr Row kGood[] = {
      {"no 123456", false, ""},
      {" No, 123456. ", false, ""},
      {"N 123456: use the staging account!", false, "use the staging account!"},
      {"yes 123456", true, ""},
      {"YES\n123456.", true, ""},
      {"y 123456", true, ""},
  };
  for (const Row& row : kGood) {
    const Result<Reply> reply = read_reply(row.text);
    ASSERT_TRUE(reply) << row.text;
    EXPECT_EQ(reply->yes, row.yes) << row.text;
    EXPECT_EQ(reply->code, "123456") << row.text;
    EXPECT_EQ(reply->reason, row.reason) << row.text;
  }
  const std::string endless(2000, 'x');
  for (const std::string& text :
       {std::string(), std::string("123456"), std::string("123456 no"), std::string("no"), std::string("no 12345"),
        std::string("no 1234567"), std::string("no 12345a"), std::string("no -12345"), std::string("maybe 123456"),
        std::string("yes 123456 but only for staging"), std::string("yesno 123456"), "no 123456 " + endless,
        std::string("no 123456 \xff")}) {
    const Result<Reply> reply = read_reply(text);
    ASSERT_FALSE(reply) << text;
    EXPECT_EQ(reply.error().reason, "reply_not_understood");
  }
}

}  // namespace
}  // namespace countersign::notices
