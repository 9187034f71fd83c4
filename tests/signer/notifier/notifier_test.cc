#include "signer/notifier/notifier.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>

#include "common/durable_file.h"
#include "signer/channel/frame.h"
#include "signer/notifier/target.h"
#include "tests/signer/notifier/listener.h"
#include "tests/support/temporary_folder.h"

namespace countersign::notifier {
namespace {

using config::NotifyConfig;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Listener;

// As run_notifier does. The tests that call a target directly would otherwise die of it now and then: a command may end
// before its event is written to it.
[[maybe_unused]] const auto kBrokenPipesAreErrors = std::signal(SIGPIPE, SIG_IGN);

NotifyConfig file_target(const std::string& path) {
  NotifyConfig target;
  target.kind = NotifyConfig::Kind::File;
  target.target = path;
  return target;
}

NotifyConfig command_target(std::vector<std::string> argv, milliseconds timeout = seconds(10)) {
  NotifyConfig target;
  target.kind = NotifyConfig::Kind::Command;
  target.target = argv.front();
  target.argv = std::move(argv);
  target.timeout = timeout;
  return target;
}

NotifyConfig webhook_target(const std::string& address, milliseconds timeout = seconds(10)) {
  NotifyConfig target;
  target.kind = NotifyConfig::Kind::Webhook;
  target.target = address;
  target.timeout = timeout;
  return target;
}

// The notifier as a process of its own, with the test as its front and supervisor.
class RunningNotifier {
 public:
  explicit RunningNotifier(std::vector<NotifyConfig> targets) {
    config::Config config;
    config.security_owner = std::move(targets);
    int control[2];
    int frames[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, control) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, frames) != 0)
      return;
    pid_ = fork();
    if (pid_ == 0) {
      close(control[0]);
      close(frames[0]);
      _exit(run_notifier(control[1], frames[1], config));
    }
    close(control[1]);
    close(frames[1]);
    control_ = control[0];
    frames_ = frames[0];
  }
  RunningNotifier(const RunningNotifier&) = delete;
  RunningNotifier& operator=(const RunningNotifier&) = delete;
  ~RunningNotifier() {
    if (pid_ > 0) end();
    close(frames_);
  }

  void send(std::uint64_t id, const std::string& payload, channel::FrameKind kind = channel::FrameKind::Notify) const {
    std::string bytes;
    channel::append_frame(bytes, kind, id, payload);
    ASSERT_EQ(write(frames_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }

  // The next answer within `limit`.
  std::optional<channel::Frame> answer(milliseconds limit = seconds(20)) {
    for (;;) {
      Result<std::optional<channel::Frame>> frame = reader_.next();
      if (!frame || *frame) return frame ? *frame : std::nullopt;
      pollfd wanted{frames_, POLLIN, 0};
      char buffer[4096];
      if (poll(&wanted, 1, static_cast<int>(limit.count())) != 1) return std::nullopt;
      const ssize_t got = read(frames_, buffer, sizeof buffer);
      if (got <= 0) return std::nullopt;
      reader_.feed({buffer, static_cast<std::size_t>(got)});
    }
  }

  // Closes the supervisor's end; gives the exit status, -1 where the process had to be killed.
  int end() {
    if (control_ >= 0) close(control_);
    control_ = -1;
    return wait();
  }
  int wait() {
    int status = 0;
    const int pidfd = static_cast<int>(syscall(434 /* pidfd_open */, pid_, 0));
    pollfd wanted{pidfd, POLLIN, 0};
    const bool ended = poll(&wanted, 1, 5000) == 1;
    if (!ended) kill(pid_, SIGKILL);
    waitpid(pid_, &status, 0);
    close(pidfd);
    pid_ = -1;
    return ended && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  int control_ = -1;
  int frames_ = -1;
  channel::FrameReader reader_;
};

Json told(const std::optional<channel::Frame>& frame) {
  if (!frame || frame->kind != channel::FrameKind::Notified) return Json();
  return *Json::parse(frame->payload);
}
bool is_ok(const Json& answer) {
  return answer.find("ok") != nullptr && answer.find("ok")->as_bool();
}

std::string written(const std::string& path, const std::string& text, mode_t mode = 0700) {
  std::ofstream(path) << text;
  chmod(path.c_str(), mode);
  return path;
}

std::string content(const std::string& path) {
  const Result<std::string> text = read_file(path);
  return text ? *text : "";
}

constexpr const char* kEvent = R"({"event":"approver_unknown","identity":"mallory@company"})";
const Message kMessage{"approver_unknown", "warning", kEvent};

TEST(Notifier, AppendsWholeLinesThatOnlyTheOwnerReads) {
  const test::TemporaryFolder folder;
  RunningNotifier notifier({file_target(folder / "events.jsonl")});
  notifier.send(1, kEvent);
  EXPECT_TRUE(is_ok(told(notifier.answer())));
  notifier.send(2, R"({"event":"token_replayed"})");
  EXPECT_TRUE(is_ok(told(notifier.answer())));
  struct stat facts {};
  ASSERT_EQ(stat((folder / "events.jsonl").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  const std::string text = content(folder / "events.jsonl");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  const Json first = *Json::parse(text.substr(0, text.find('\n')));
  EXPECT_EQ(first.text("identity"), "mallory@company");
  EXPECT_EQ(first.text("severity"), "warning");
  EXPECT_FALSE(first.text("text").empty());
  EXPECT_EQ(notifier.end(), 0);
}

TEST(Notifier, RefusesAnEventThatIsNoneOfTheTable) {
  const test::TemporaryFolder folder;
  RunningNotifier notifier({file_target(folder / "events.jsonl")});
  for (const char* payload : {R"({"event":"all_is_well"})", "[]", "nonsense"}) {
    notifier.send(1, payload);
    EXPECT_FALSE(is_ok(told(notifier.answer()))) << payload;
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "events.jsonl"));
}

TEST(Notifier, EndsOnAFrameThatNoneOfOursWrites) {
  RunningNotifier notifier({});
  notifier.send(1, "{}", channel::FrameKind::Sign);
  EXPECT_EQ(notifier.wait(), 1);
}

TEST(Notifier, TellsTheOthersAtOnceWhileOneTargetHangs) {
  const test::TemporaryFolder folder;
  const Listener silent;  // accepts by its backlog and never answers
  RunningNotifier notifier({webhook_target(silent.address("http"), seconds(2)),
                            command_target({"/bin/sleep", "60"}, seconds(2)), file_target(folder / "events.jsonl"),
                            command_target({"/bin/sh", "-c", "cat > " + (folder / "heard")})});
  notifier.send(1, kEvent);
  notifier.send(2, R"({"event":"clock_step"})");
  const auto deadline = std::chrono::steady_clock::now() + seconds(1);
  std::size_t lines = 0;
  while (lines < 2 && std::chrono::steady_clock::now() < deadline) {
    const std::string text = content(folder / "events.jsonl");
    lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  EXPECT_EQ(lines, 2U) << "the file waited for the targets that hang";
  EXPECT_FALSE(notifier.answer(milliseconds(100))) << "answered before every target had its turn";
  const Json answer = told(notifier.answer());
  EXPECT_FALSE(is_ok(answer));
  EXPECT_NE(answer.text("detail").find("webhook http://127.0.0.1"), std::string::npos) << answer.compact();
  EXPECT_NE(answer.text("detail").find("command /bin/sleep"), std::string::npos) << answer.compact();
  EXPECT_EQ(answer.text("detail").find("file "), std::string::npos) << answer.compact();
  EXPECT_EQ(notifier.end(), 0);
}

TEST(Notifier, RetriesOnlyWhereTheEventDidNotArrive) {
  const test::TemporaryFolder folder;
  const std::string gate = folder / "gate";
  RunningNotifier notifier({file_target(folder / "events.jsonl"),
                            command_target({"/bin/sh", "-c", "test -e " + gate + " && cat >/dev/null"})});
  notifier.send(1, kEvent);
  EXPECT_FALSE(is_ok(told(notifier.answer())));
  written(gate, "");
  notifier.send(2, kEvent);
  EXPECT_TRUE(is_ok(told(notifier.answer())));
  const std::string text = content(folder / "events.jsonl");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST(Notifier, EndsWithItsSupervisorWhileATargetHangs) {
  const Listener silent;
  RunningNotifier notifier({webhook_target(silent.address("http"), seconds(60))});
  notifier.send(1, kEvent);
  EXPECT_FALSE(notifier.answer(milliseconds(100)));
  EXPECT_EQ(notifier.end(), 0);
}

TEST(FileTarget, IsNoLinkAndNoDirectory) {
  const test::TemporaryFolder folder;
  std::filesystem::create_symlink(folder / "elsewhere", folder / "link");
  const Status link = append_to_file(file_target(folder / "link"), kMessage);
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code, ErrorCode::Refused);
  EXPECT_FALSE(std::filesystem::exists(folder / "elsewhere"));
  EXPECT_FALSE(append_to_file(file_target(folder.path()), kMessage));
}

TEST(FileTarget, BecomesPrivateIfItWasNot) {
  const test::TemporaryFolder folder;
  written(folder / "events.jsonl", "before\n", 0644);
  ASSERT_TRUE(append_to_file(file_target(folder / "events.jsonl"), kMessage));
  struct stat facts {};
  ASSERT_EQ(stat((folder / "events.jsonl").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  EXPECT_EQ(content(folder / "events.jsonl"), "before\n" + std::string(kEvent) + "\n");
}

TEST(CommandTarget, GetsTheEventOnStandardInputAndNothingOfOurs) {
  const test::TemporaryFolder folder;
  setenv("COUNTERSIGN_TEST_SECRET", "leaked", 1);
  const std::string script =
      written(folder / "page", "#!/bin/sh\ncat > \"$1\"\nenv > \"$2\"\nls /proc/self/fd > \"$3\"\n");
  ASSERT_TRUE(run_command(command_target({script, folder / "input", folder / "environment", folder / "descriptors"}),
                          kMessage));
  unsetenv("COUNTERSIGN_TEST_SECRET");
  EXPECT_EQ(content(folder / "input"), kEvent);
  EXPECT_EQ(content(folder / "environment").find("leaked"), std::string::npos);
  EXPECT_EQ(content(folder / "descriptors"), "0\n1\n2\n3\n");  // 3 is ls reading the folder
}

TEST(CommandTarget, FailsWithItsExitStatus) {
  const Status status = run_command(command_target({"/bin/sh", "-c", "exit 7"}), kMessage);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().detail.find("status 7"), std::string::npos);
  EXPECT_FALSE(run_command(command_target({"/no/such/program"}), kMessage));
}

TEST(CommandTarget, IsKilledWithItsChildrenWhenItsTimeIsOver) {
  const test::TemporaryFolder folder;
  const auto before = std::chrono::steady_clock::now();
  const Status status = run_command(
      command_target({"/bin/sh", "-c", "sleep 60 & echo $! > " + (folder / "child") + "; wait"}, milliseconds(300)),
      kMessage);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().detail.find("in time"), std::string::npos);
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(10));
  const pid_t child = std::stoi(content(folder / "child"));
  const auto deadline = std::chrono::steady_clock::now() + seconds(5);
  while (kill(child, 0) == 0 && std::chrono::steady_clock::now() < deadline) {
    // A killed child stays a zombie until init reaps it, which kill(2) still finds.
    const std::string stat = content("/proc/" + std::to_string(child) + "/stat");
    if (stat.empty() || stat.find(") Z ") != std::string::npos) break;
  }
  const std::string stat = content("/proc/" + std::to_string(child) + "/stat");
  EXPECT_TRUE(stat.empty() || stat.find(") Z ") != std::string::npos) << stat;
}

TEST(CommandTarget, IsKilledWhenItTalksTooMuch) {
  const Status status = run_command(command_target({"/bin/cat", "/dev/zero"}), kMessage);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().detail.find("64 KiB"), std::string::npos);
}

TEST(Webhook, GetsTheEventAsJson) {
  Listener listener;
  std::future<std::string> heard = listener.serve([](const std::string& so_far) -> std::string {
    if (so_far.find(kEvent) == std::string::npos) return "";
    return "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
  });
  EXPECT_TRUE(post_webhook(webhook_target(listener.address("http")), kMessage));
  const std::string request = heard.get();
  EXPECT_TRUE(request.starts_with("POST /hook HTTP/1.1\r\n")) << request;
  EXPECT_NE(request.find("Content-Type: application/json\r\n"), std::string::npos);
}

TEST(Webhook, FailsOnAnyOtherAnswerAndFollowsNoRedirection) {
  Listener elsewhere;
  for (const std::string& answer :
       {std::string("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"),
        "HTTP/1.1 302 There\r\nLocation: " + elsewhere.address("http") + "\r\nContent-Length: 0\r\n\r\n"}) {
    Listener listener;
    std::future<std::string> heard = listener.serve([&](const std::string& so_far) -> std::string {
      return so_far.find(kEvent) == std::string::npos ? "" : answer;
    });
    const Status status = post_webhook(webhook_target(listener.address("http")), kMessage);
    EXPECT_FALSE(status) << answer;
    EXPECT_EQ(status.error().detail.find("/hook"), std::string::npos) << "the path of a webhook is often its secret";
  }
}

TEST(Mail, IsSentToTheOneRecipient) {
  Listener listener;
  bool in_text = false;
  std::size_t seen = 0;
  std::future<std::string> heard = listener.serve(
      [&](const std::string& so_far) -> std::string {
        std::string answer;
        for (std::size_t end = 0; (end = so_far.find("\r\n", seen)) != std::string::npos; seen = end + 2) {
          const std::string line = so_far.substr(seen, end - seen);
          if (in_text && line != ".") continue;
          if (line == "QUIT") return std::string(1, '\0');
          if (line == "DATA")
            answer += "354 go on\r\n";
          else
            answer += "250 fine\r\n";
          in_text = line == "DATA";
        }
        return answer;
      },
      "220 test\r\n");
  NotifyConfig target;
  target.kind = NotifyConfig::Kind::Mail;
  target.target = "security@example.test";
  target.smtp = listener.address("smtp");
  const Status sent = send_mail(target, kMessage);
  EXPECT_TRUE(sent) << sent.error().detail;
  const std::string mail = heard.get();
  EXPECT_NE(mail.find("RCPT TO:<security@example.test>"), std::string::npos) << mail;
  EXPECT_NE(mail.find("Subject: [countersign] warning: approver_unknown\r\n"), std::string::npos) << mail;
  EXPECT_NE(mail.find("mallory@company"), std::string::npos) << mail;
}

}  // namespace
}  // namespace countersign::notifier
