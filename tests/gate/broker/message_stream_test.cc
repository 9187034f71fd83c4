#include "gate/broker/message_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "gate/broker/event_stream.h"

namespace countersign::broker {
namespace {

using std::chrono::steady_clock;

// A stream, and its other end as the child would hold it.
class Pair {
 public:
  Pair() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    child = ends[1];
    stream = std::make_unique<MessageStream>(ends[0], [this](const Json&) { ++notes; });
  }
  ~Pair() { close_child(); }

  void say(const std::string& text) const { ASSERT_EQ(::write(child, text.data(), text.size()), ssize_t(text.size())); }
  // The next line that the stream wrote, as JSON.
  Json hear() {
    std::size_t end = 0;
    while ((end = heard.find('\n')) == std::string::npos) {
      char part[4096];
      const ssize_t got = ::read(child, part, sizeof part);
      if (got <= 0) return {};
      heard.append(part, static_cast<std::size_t>(got));
    }
    const Result<Json> message = Json::parse(heard.substr(0, end));
    heard.erase(0, end + 1);
    return message ? *message : Json();
  }
  void close_child() {
    if (child >= 0) ::close(child);
    child = -1;
  }

  int child = -1;
  std::string heard;
  std::atomic<int> notes = 0;
  std::unique_ptr<MessageStream> stream;
};

steady_clock::time_point soon() {
  return steady_clock::now() + std::chrono::seconds(30);
}

std::string answer(const Json& asked) {
  return Json::object({{"jsonrpc", "2.0"}, {"id", *asked.find("id")}, {"result", *asked.find("params")}}).compact() +
         "\n";
}

TEST(MessageStream, GivesEveryCallerItsOwnAnswer) {
  constexpr int kCallers = 8;
  constexpr int kRounds = 50;
  Pair pair;
  std::thread child([&] {
    for (int round = 0; round < kRounds; ++round) {
      std::vector<Json> asked;
      while (asked.size() < kCallers) {
        Json message = pair.hear();
        if (message.find("method") != nullptr) asked.push_back(std::move(message));  // else the answer to a ping
      }
      pair.say("{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"note\"}\n");
      for (std::size_t i = asked.size(); i-- > 0;) pair.say(answer(asked[i]));  // the last one first
    }
  });
  std::vector<std::thread> callers;
  std::atomic<int> right = 0;
  for (int caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < kRounds; ++round) {
        const Json params = Json::object({{"caller", caller}, {"round", round}});
        const Result<Json> result = pair.stream->request("m", params, soon());
        if (result && *result == params) ++right;
      }
    });
  }
  for (std::thread& each : callers) each.join();
  child.join();
  EXPECT_EQ(right, kCallers * kRounds);
  EXPECT_EQ(pair.notes, kRounds);
}

TEST(MessageStream, TellsEveryoneThatItBroke) {
  struct Case {
    const char* name;
    const char* says;
  };
  for (const Case& each : {Case{"end", ""}, Case{"noise", "starting up\n"}, Case{"no object", "[]\n"}}) {
    Pair pair;
    std::vector<std::thread> callers;
    std::atomic<int> failed = 0;
    for (int caller = 0; caller < 3; ++caller) {
      callers.emplace_back([&] {
        const Result<Json> result = pair.stream->request("m", Json::object({}), soon());
        if (!result && result.error().reason != "not_sent") ++failed;
      });
    }
    for (int i = 0; i < 3; ++i) pair.hear();
    pair.say(each.says);
    if (each.says[0] == '\0') pair.close_child();
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(failed, 3) << each.name;
    EXPECT_FALSE(pair.stream->listen());
    EXPECT_EQ(pair.stream->request("m", Json::object({}), soon()).error().reason, "not_sent") << each.name;
  }
}

TEST(MessageStream, GoesOnAfterOneThatWasSilentTooLong) {
  Pair pair;
  const Result<Json> late = pair.stream->request("m", Json::object({{"n", 1}}), steady_clock::now());
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().reason, "");
  const Json first = pair.hear();
  std::thread child([&] {
    const Json second = pair.hear();
    pair.say(answer(first) + answer(second));
  });
  const Result<Json> result = pair.stream->request("m", Json::object({{"n", 2}}), soon());
  child.join();
  ASSERT_TRUE(result) << result.error().detail;
  EXPECT_EQ(*result, Json::object({{"n", 2}}));
}

TEST(MessageStream, TakesInWhatWasSaidBeforeAnybodyAsks) {
  Pair pair;
  EXPECT_TRUE(pair.stream->listen());
  EXPECT_EQ(pair.notes, 0);
  pair.say("{\"jsonrpc\":\"2.0\",\"method\":\"note\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"note\"}\n{\"half\":");
  EXPECT_TRUE(pair.stream->listen());
  EXPECT_EQ(pair.notes, 2);
  pair.say("1}\n");
  EXPECT_TRUE(pair.stream->listen());  // an answer to nothing
}

TEST(EventStream, GivesTheDataOfEachMessageHoweverItIsCut) {
  const std::string text =
      "\r\n: comment\r\nid: 1\r\ndata: one\r\n\r\nevent: other\ndata: not this\n\nevent: message\ndata:two\ndata: "
      "lines\n\ndata\rdata:  x\r\rretry: 5\n\ndata: unfinished\n";
  for (std::size_t step : {std::size_t{1}, std::size_t{7}, text.size()}) {
    std::vector<std::string> got;
    EventStream events([&](const std::string& data) {
      got.push_back(data);
      return false;
    });
    for (std::size_t at = 0; at < text.size(); at += step) EXPECT_FALSE(events.take(text.substr(at, step)));
    EXPECT_EQ(got, (std::vector<std::string>{"one", "two\nlines", "\n x"})) << step;
  }
}

TEST(EventStream, ReadsNoFurtherThanItIsWanted) {
  int seen = 0;
  EventStream events([&](const std::string& data) {
    ++seen;
    return data == "last";
  });
  EXPECT_FALSE(events.take("data: first\n\n"));
  EXPECT_TRUE(events.take("data: last\n\ndata: more\n\n"));
  EXPECT_TRUE(events.take("data: more\n\n"));
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace countersign::broker
