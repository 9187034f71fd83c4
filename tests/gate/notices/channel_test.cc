#include "gate/notices/channel.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "common/durable_file.h"
#include "common/hmac.h"
#include "tests/gate/notices/notice_case.h"
#include "tests/signer/notifier/listener.h"

namespace countersign::notices {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Listener;

const Message kMessage{"msg_1", R"({"id":"msg_1","type":"broker.request"})", "Agent 'web' wants", "Agent 'web' wants",
                       UtcTime::from_unix(1'800'000'000)};
const std::atomic<bool> kNever = false;
constexpr const char* kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
// A published example of Standard Webhooks' own libraries.
constexpr const char* kExampleId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr const char* kExampleSignature = "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

class Channels : public testing::Test {
 protected:
  std::string written(const std::string& name, const std::string& text, mode_t mode) {
    const std::string path = folder_ / name;
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }
  std::string content(const std::string& name) {
    const Result<std::string> text = read_file(folder_ / name);
    return text ? *text : "";
  }
  Result<std::unique_ptr<Channel>> webhook(const std::string& url, const std::string& secret = kSecret,
                                           mode_t mode = 0400, milliseconds timeout = seconds(10)) {
    unlink((folder_ / "secret").c_str());
    broker::ChannelConfig config;
    config.timeout = timeout;
    return open_webhook(config, {url, {"file:" + written("secret", secret, mode)}, ""});
  }
  Status posted(const std::string& answer, milliseconds timeout = seconds(10)) {
    Listener listener;
    auto heard = listener.serve([&](const std::string&) { return answer; });
    const auto channel = webhook(listener.address("http"), kSecret, 0400, timeout);
    EXPECT_TRUE(channel);
    return (*channel)->deliver(kMessage, UtcTime::from_unix(1'800'000'001), kNever);
  }
  std::unique_ptr<Channel> command(const std::string& script, milliseconds timeout = seconds(10)) {
    broker::ChannelConfig config;
    config.timeout = timeout;
    return open_command(config, {{written("hook", "#!/bin/sh\n" + script + "\n", 0700), "an argument"}});
  }
  Status run(const std::string& script, milliseconds timeout = seconds(10)) {
    return command(script, timeout)->deliver(kMessage, UtcTime(), kNever);
  }

  test::TemporaryFolder folder_;
};

TEST(Hmac, IsAsThePublishedExamplesSay) {
  // RFC 4231, test cases 2 and 6.
  EXPECT_EQ(hmac_sha256(view_of("Jefe"), {view_of("what do ya want "), view_of("for nothing?")}).hex(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const Bytes longer(131, 0xaa);
  EXPECT_EQ(hmac_sha256(longer, {view_of("Test Using Larger Than Block-Size Key - Hash Key First")}).hex(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  const Bytes key = *from_base64("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  const std::string before = std::string(kExampleId) + ".1614265330.";
  EXPECT_EQ(to_base64(hmac_sha256(key, {view_of(before), view_of("{\"test\": 2432232314}")}).bytes()),
            kExampleSignature);
}

TEST_F(Channels, AWebhookIsSignedAsStandardWebhooksSay) {
  Listener listener;
  auto heard = listener.serve(
      [](const std::string& said) { return said.ends_with("}") ? "HTTP/1.1 204 No Content\r\n\r\n" : ""; });
  const auto channel = webhook(listener.address("http"));
  ASSERT_TRUE(channel) << channel.error().detail;
  const Status sent = (*channel)->deliver(kMessage, UtcTime::from_unix(1'800'000'001), kNever);
  EXPECT_TRUE(sent) << sent.error().detail;
  const std::string said = heard.get();
  const Bytes key = *from_base64("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  const std::string code = to_base64(hmac_sha256(key, {view_of("msg_1.1800000001." + kMessage.json)}).bytes());
  for (const std::string& line : {std::string("POST /hook HTTP/1.1"), std::string("webhook-id: msg_1"),
                                  std::string("webhook-timestamp: 1800000001"), "webhook-signature: v1," + code,
                                  std::string("Content-Type: application/json")}) {
    EXPECT_NE(said.find(line + "\r\n"), std::string::npos) << line << " in\n" << said;
  }
  EXPECT_TRUE(said.ends_with("\r\n\r\n" + kMessage.json));
}

TEST_F(Channels, AnyAnswerBut2xxIsAFailure) {
  EXPECT_TRUE(posted("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
  EXPECT_EQ(posted("HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").error().detail,
            "it answered 500");
  EXPECT_EQ(posted("HTTP/1.1 307 There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: "
                   "close\r\n\r\n")
                .error()
                .detail,
            "it answered 307");
}

TEST_F(Channels, AnEndlessAnswerEnds) {
  EXPECT_EQ(posted("HTTP/1.1 200 OK\r\n\r\n" + std::string(200'000, 'x')).error().detail,
            "it answers more than 65536 bytes");
}

TEST_F(Channels, AReceiverThatSaysNothingIsLeft) {
  EXPECT_FALSE(posted("", milliseconds(50)));
}

TEST_F(Channels, AnAttemptIsInterrupted) {
  Listener listener;
  std::atomic<bool> ending = false;
  auto heard = listener.serve([&](const std::string&) {
    ending = true;
    return "";
  });
  const auto channel = webhook(listener.address("http"), kSecret, 0400, std::chrono::minutes(10));
  ASSERT_TRUE(channel);
  EXPECT_FALSE((*channel)->deliver(kMessage, UtcTime(), ending));
}

TEST_F(Channels, ASecretIsOneOrTheBrokerDoesNotStart) {
  struct Row {
    const char* name;
    std::string text;
  };
  const Row rows[] = {
      {"no prefix", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
      {"no base64", "whsec_!!!!"},
      {"too short", "whsec_" + to_base64(Bytes(23, 1))},
      {"too long", "whsec_" + to_base64(Bytes(65, 1))},
  };
  for (const Row& row : rows) {
    const auto refused = webhook("https://localhost/", row.text);
    ASSERT_FALSE(refused) << row.name;
    EXPECT_EQ(refused.error().reason, "bad_webhook_secret") << row.name;
  }
  EXPECT_FALSE(webhook("https://localhost/", kSecret, 0444)) << "readable by others";
  EXPECT_TRUE(webhook("https://localhost/", "whsec_" + to_base64(Bytes(64, 1)) + "\n"));
  EXPECT_FALSE(open_webhook({}, {"https://localhost/", {"file:" + (folder_ / "missing")}, ""}));
}

TEST_F(Channels, ACommandGetsTheMessageAndACleanEnvironment) {
  setenv("COUNTERSIGN_TEST_LEAK", "secret", 1);
  const std::string out = folder_.path();
  ASSERT_TRUE(run("cat > '" + out + "/in'; env > '" + out + "/env'; printf %s \"$1\" > '" + out + "/argument'"));
  EXPECT_EQ(content("in"), kMessage.json + "\n");
  EXPECT_EQ(content("argument"), "an argument");
  EXPECT_EQ(content("env").find("COUNTERSIGN_TEST_LEAK"), std::string::npos);
  EXPECT_NE(content("env").find("PATH="), std::string::npos);
}

TEST_F(Channels, ACommandThatFailsOrStaysIsAFailure) {
  EXPECT_EQ(run("exit 3").error().detail, "it ended with status 3");
  EXPECT_EQ(run("echo first >&2; printf 'no \\033[2J server\\n' >&2; exit 4").error().detail,
            "it ended with status 4: no <U+001B>[2J server");
  EXPECT_EQ(run("exit 75").error().code, ErrorCode::Unavailable);
  EXPECT_FALSE(run("head -c 100000 /dev/zero"));
  broker::ChannelConfig config;
  EXPECT_FALSE(open_command(config, {{folder_ / "missing"}})->deliver(kMessage, UtcTime(), kNever));
}

TEST_F(Channels, ACommandIsKilledWithWhatItStarted) {
  const std::string pipe = folder_ / "alive";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int reading = open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  // The grandchild holds the pipe open as long as it lives.
  EXPECT_FALSE(run("(exec 3> '" + pipe + "'; echo here >&3; sleep 1000) & wait", milliseconds(300)));
  pollfd ended{reading, POLLIN, 0};
  std::string heard;
  char byte = 0;
  while (poll(&ended, 1, 20'000) == 1) {
    const ssize_t got = read(reading, &byte, 1);
    if (got <= 0) break;
    heard += byte;
  }
  close(reading);
  EXPECT_EQ(heard, "here\n");
}

TEST_F(Channels, AFileGrowsByLines) {
  const auto file = open_file({folder_ / "notices.jsonl"});
  ASSERT_TRUE(file->deliver(kMessage, UtcTime(), kNever));
  ASSERT_TRUE(file->deliver(kMessage, UtcTime(), kNever));
  EXPECT_EQ(content("notices.jsonl"), kMessage.json + "\n" + kMessage.json + "\n");
  struct stat facts {};
  ASSERT_EQ(stat((folder_ / "notices.jsonl").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  ASSERT_EQ(symlink((folder_ / "notices.jsonl").c_str(), (folder_ / "link").c_str()), 0);
  EXPECT_EQ(open_file({folder_ / "link"})->deliver(kMessage, UtcTime(), kNever).error().code, ErrorCode::Refused);
  EXPECT_FALSE(open_file({folder_.path()})->deliver(kMessage, UtcTime(), kNever));
}

TEST(Mail, HoldsNoHeaderThatAMessageBrings) {
  Message message = kMessage;
  message.summary = "Agent\r\nBcc: mallory@example.com\r\n\r\nhello \xe2\x80\xae \xc3\xa9";
  message.text = ".\r\nQUIT\r\n";
  const std::string text = mail_text({"smtp://localhost", "broker@company", {"a@company", "b@company"}}, message);
  const std::string headers = text.substr(0, text.find("\r\n\r\n"));
  EXPECT_NE(headers.find("\r\nSubject: [countersign] Agent??Bcc: mallory@example.com"), std::string::npos) << headers;
  EXPECT_EQ(headers.find("\r\nBcc:"), std::string::npos);
  EXPECT_NE(headers.find("\r\nTo: <a@company>,\r\n <b@company>\r\n"), std::string::npos);
  EXPECT_NE(headers.find("\r\nMessage-ID: <msg_1@company>\r\n"), std::string::npos);
  EXPECT_TRUE(headers.starts_with("Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n")) << headers;
  EXPECT_EQ(text.substr(headers.size() + 4), to_base64(view_of(message.text + "\n")) + "\r\n");
}

}  // namespace
}  // namespace countersign::notices
