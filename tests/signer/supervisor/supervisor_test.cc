#include "signer/supervisor/supervisor.h"

#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>

#include "places.h"
#include "signer/supervisor/holder_slot.h"
#include "signer/supervisor/state_lock.h"
#include "tests/signer/supervisor/supervised_appliance.h"

namespace countersign::supervisor {
namespace {

TEST(Supervisor, BringsEveryRoleUpAndStopsInOrder) {
  SupervisedAppliance appliance;
  const Result<Json> made = appliance.set_up();
  ASSERT_TRUE(made) << made.error().detail;
  appliance.start();
  ASSERT_TRUE(eventually([&] { return appliance.all_up(); })) << appliance.journal();
  EXPECT_TRUE(eventually([&] {
    const std::vector<Json> told = appliance.told();
    return std::any_of(told.begin(), told.end(), [](const Json& message) {
      return message.text("event") == "notifier_up" && message.find("sockets")->as_integer() == 1;
    });
  }));
  const std::optional<Json> up = appliance.told("holder_up", "trace");
  ASSERT_TRUE(up->find("ready")->is_object());
  EXPECT_FALSE(up->find("ready")->find("keys")->as_array().empty());
  const std::vector<pid_t> children = appliance.children();
  EXPECT_EQ(children.size(), 5U);
  for (const char* title : {"countersignd: front", "countersignd: notifier", "countersign-holder: approval/0",
                            "countersign-holder: trace/0", "countersign-holder: release/0"}) {
    EXPECT_TRUE(eventually([&] { return appliance.children_titled(title).size() == 1; })) << title;
  }
  const test::Outcome outcome = appliance.stop();
  EXPECT_EQ(outcome.exit_code, 0) << appliance.journal();
  for (const pid_t child : children) EXPECT_FALSE(SupervisedAppliance::alive(child));
  EXPECT_EQ(appliance.told().back().text("event"), "stop");
}

TEST(Supervisor, GivesEachChildItsDescriptorsOnly) {
  SupervisedAppliance appliance;
  ASSERT_TRUE(appliance.set_up());
  appliance.start();
  ASSERT_TRUE(eventually([&] { return appliance.all_up(); })) << appliance.journal();
  // A holder: standard streams, control, frames and what its module opened; none of another holder's sockets.
  const pid_t holder = appliance.holder_pid("trace/0");
  std::size_t sockets = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(holder) + "/fd")) {
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(entry.path(), error).string();
    EXPECT_EQ(target.find("supervisor.lock"), std::string::npos);
    EXPECT_EQ(target.find("/pin"), std::string::npos) << "the PIN is read once and closed";
    sockets += target.starts_with("socket:") ? 1 : 0;
  }
  EXPECT_LE(sockets, 3U);  // the third is syslog's
}

TEST(Supervisor, ReplacesAKilledHolderWhileTheOthersGoOn) {
  SupervisedAppliance appliance;
  ASSERT_TRUE(appliance.set_up());
  appliance.start();
  ASSERT_TRUE(eventually([&] { return appliance.all_up(); })) << appliance.journal();
  kill(appliance.holder_pid("trace/0"), SIGKILL);
  ASSERT_TRUE(eventually([&] { return appliance.is_up("trace", 2); })) << appliance.journal();
  EXPECT_EQ(appliance.told("holder_down", "trace")->text("cause"), "killed");
  EXPECT_EQ(appliance.generation("approval"), 1);
  EXPECT_EQ(appliance.generation("release"), 1);
  EXPECT_FALSE(appliance.told("holder_down", "approval"));
  EXPECT_EQ(appliance.stop().exit_code, 0);
}

TEST(Supervisor, ReplacesAHolderForTheFrontButNotForALateMessage) {
  SupervisedAppliance appliance;
  ASSERT_TRUE(appliance.set_up());
  appliance.start();
  ASSERT_TRUE(eventually([&] { return appliance.all_up(); })) << appliance.journal();
  const std::string ask = R"({"event":"replace_holder","role":"approval","index":0,"cause":"deadline","generation":)";
  appliance.say_as_front(ask + "7}");
  appliance.say_as_front(ask + "1}");
  ASSERT_TRUE(eventually([&] { return appliance.is_up("approval", 2); })) << appliance.journal();
  EXPECT_EQ(appliance.told("holder_down", "approval")->text("cause"), "deadline");
  appliance.say_as_front(ask + "1}");  // of the one that is gone
  appliance.say_as_front(R"({"event":"replace_holder","role":"trace","index":0,"cause":"deadline","generation":1})");
  ASSERT_TRUE(eventually([&] { return appliance.is_up("trace", 2); })) << appliance.journal();
  EXPECT_EQ(appliance.generation("approval"), 2);
}

TEST(Supervisor, KeepsARoleDownWhosePinIsRefused) {
  SupervisedAppliance appliance(Shape{.trace_holders = 3});
  ASSERT_TRUE(appliance.set_up());
  const Result<std::string> pin = read_file(appliance.pin_file("trace"));
  ASSERT_TRUE(write_durable(appliance.pin_file("trace"), "wrong-pin", 0400));
  appliance.start();
  ASSERT_TRUE(eventually([&] { return appliance.is_up("approval") && appliance.is_up("release"); }))
      << appliance.journal();
  ASSERT_TRUE(eventually([&] { return appliance.told("holder_down", "trace", 0, 2).has_value(); }))
      << appliance.journal();
  const std::optional<Json> down = appliance.told("holder_down", "trace");
  EXPECT_EQ(down->text("cause"), "pin_refused");
  EXPECT_FALSE(down->find("retryable")->as_bool());
  EXPECT_EQ(down->find("generation")->as_integer(), 1);
  // Each try counts towards the token's lock: the role's other holders do not try.
  for (const std::int64_t index : {1, 2}) {
    EXPECT_EQ(appliance.told("holder_down", "trace", 0, index)->find("generation")->as_integer(), 0);
  }
  // Once a person put the PIN right and says so, the role comes up; nothing was tried in between.
  ASSERT_TRUE(write_durable(appliance.pin_file("trace"), *pin, 0400));
  appliance.send(SIGHUP);
  ASSERT_TRUE(eventually([&] { return appliance.is_up("trace", 2); })) << appliance.journal();
  EXPECT_EQ(appliance.generation("trace"), 2);
}

struct PinFault {
  std::string name;
  std::function<void(const SupervisedAppliance&)> make;
  std::string says;
};
class UnusablePinFile : public testing::TestWithParam<PinFault> {};

TEST_P(UnusablePinFile, KeepsItsRoleDownAndTheOthersUp) {
  SupervisedAppliance appliance;
  ASSERT_TRUE(appliance.set_up());
  GetParam().make(appliance);
  appliance.start();
  ASSERT_TRUE(eventually([&] { return appliance.is_up("approval") && appliance.is_up("release"); }))
      << appliance.journal();
  ASSERT_TRUE(eventually([&] { return appliance.told("holder_down", "trace").has_value(); }));
  const std::optional<Json> down = appliance.told("holder_down", "trace");
  EXPECT_EQ(down->text("cause"), "pin_unreadable");
  EXPECT_NE(down->text("message").find(GetParam().says), std::string::npos) << down->compact();
  EXPECT_EQ(down->find("generation")->as_integer(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Table, UnusablePinFile,
    testing::Values(
        PinFault{"ReadableByOthers",
                 [](const SupervisedAppliance& appliance) { chmod(appliance.pin_file("trace").c_str(), 0440); },
                 "by others"},
        PinFault{"BehindALink",
                 [](const SupervisedAppliance& appliance) {
                   std::filesystem::rename(appliance.pin_file("trace"), appliance.path("elsewhere"));
                   std::filesystem::create_symlink(appliance.path("elsewhere"), appliance.pin_file("trace"));
                 },
                 "symbolic link"},
        PinFault{"Missing", [](const SupervisedAppliance& appliance) { unlink(appliance.pin_file("trace").c_str()); },
                 "cannot open"}),
    [](const testing::TestParamInfo<PinFault>& info) { return info.param.name; });

TEST(Supervisor, BringsARoleUpOnceItsTokenAppears) {
  SupervisedAppliance appliance;
  ASSERT_TRUE(appliance.set_up());
  std::filesystem::rename(appliance.path("trace/tokens"), appliance.path("away"));
  std::filesystem::create_directory(appliance.path("trace/tokens"));
  appliance.start();
  ASSERT_TRUE(eventually([&] { return appliance.told("holder_down", "trace").has_value(); })) << appliance.journal();
  EXPECT_EQ(appliance.told("holder_down", "trace")->text("cause"), "token_not_found");
  ASSERT_TRUE(eventually([&] { return appliance.is_up("approval") && appliance.is_up("release"); }))
      << appliance.journal();
  std::filesystem::remove_all(appliance.path("trace/tokens"));
  std::filesystem::rename(appliance.path("away"), appliance.path("trace/tokens"));
  ASSERT_TRUE(eventually([&] { return appliance.is_up("trace", 2); })) << appliance.journal();
  // A token that is missing for long is one line of the journal.
  EXPECT_EQ(appliance.journal_count("trace/0 is down"), 1) << appliance.journal();
}

TEST(Supervisor, StartsTheHoldersOfOneTokenOneAfterAnother) {
  SupervisedAppliance appliance(Shape{.one_token = true, .trace_holders = 3});
  ASSERT_TRUE(appliance.set_up());
  // The last is for sanitizer builds, whose runtime otherwise insists on being loaded first.
  appliance.start({"LD_PRELOAD=" UNLOCK_DELAY_SHIM, "UNLOCK_DELAY_MS=100", "ASAN_OPTIONS=verify_asan_link_order=0"});
  ASSERT_TRUE(eventually([&] {
    return appliance.all_up() && appliance.is_up("trace", 1, 1) && appliance.is_up("trace", 1, 2);
  })) << appliance.journal();
  EXPECT_EQ(appliance.journal_count(" is down"), 0) << appliance.journal();
}

TEST(Supervisor, RefusesASecondOneOnItsStateDirectory) {
  SupervisedAppliance appliance;
  appliance.pretend_set_up();
  appliance.start({"HOLDER_MODE=silent"}, "stand_in_holder");
  ASSERT_TRUE(eventually([&] { return !appliance.told().empty(); })) << appliance.journal();
  const test::Outcome second = test::run({.argv = {test::program("supervised"), appliance.config_path(),
                                                   test::program("stand_in_holder"), test::program("stand_in_front")}});
  EXPECT_EQ(second.exit_code, 3);
  EXPECT_EQ(appliance.journal_count("another countersignd (pid " + std::to_string(appliance.pid()) + ")"), 1)
      << appliance.journal();
  EXPECT_TRUE(appliance.running());
}

TEST(Supervisor, RefusesAStateDirectoryThatOthersCanEnter) {
  SupervisedAppliance appliance;
  appliance.pretend_set_up();
  chmod(appliance.path("state").c_str(), 0755);
  appliance.start({}, "stand_in_holder");
  EXPECT_EQ(appliance.wait().exit_code, 3);
  EXPECT_EQ(appliance.journal_count("nobody else can enter"), 1);
}

TEST(StateLock, IsTakenOnAPrivateDirectoryOfItsOwnerAlone) {
  const test::TemporaryFolder folder;
  const std::string state = folder / "state";
  EXPECT_EQ(StateLock::take(state, getuid()).error().reason, "state_missing");
  ASSERT_EQ(mkdir(state.c_str(), 0700), 0);
  EXPECT_EQ(StateLock::take(state, getuid() + 1).error().reason, "state_not_private");
  ASSERT_EQ(chmod(state.c_str(), 0710), 0);
  EXPECT_EQ(StateLock::take(state, getuid()).error().reason, "state_not_private");
  ASSERT_EQ(chmod(state.c_str(), 0700), 0);
  const std::string link = folder / "link";
  ASSERT_EQ(symlink(state.c_str(), link.c_str()), 0);
  EXPECT_EQ(StateLock::take(link, getuid()).error().reason, "state_not_private");
  const Result<StateLock> lock = StateLock::take(state, getuid());
  EXPECT_TRUE(lock);
  EXPECT_EQ(StateLock::take(state, getuid()).error().reason, "already_running");
}

TEST(Supervisor, LeavesNoProcessBehindWhenItIsKilled) {
  SupervisedAppliance appliance;
  ASSERT_TRUE(appliance.set_up());
  appliance.start();
  ASSERT_TRUE(eventually([&] { return appliance.all_up(); })) << appliance.journal();
  const std::vector<pid_t> children = appliance.children();
  ASSERT_EQ(children.size(), 5U);
  appliance.send(SIGKILL);
  appliance.wait();
  for (const pid_t child : children) {
    EXPECT_TRUE(eventually([&] { return !SupervisedAppliance::alive(child); }, seconds(10))) << child;
  }
  // And the next one starts on what it left.
  appliance.start();
  EXPECT_TRUE(eventually([&] { return appliance.journal_count("trace/0 is ready") == 2; })) << appliance.journal();
}

TEST(Supervisor, StartsFrontAndHoldersAnewWhenTheFrontEnds) {
  SupervisedAppliance appliance;
  ASSERT_TRUE(appliance.set_up());
  appliance.start();
  ASSERT_TRUE(eventually([&] { return appliance.all_up(); })) << appliance.journal();
  appliance.say_as_front("exit 1");
  ASSERT_TRUE(eventually([&] { return appliance.all_up(2); })) << appliance.journal();
  EXPECT_EQ(appliance.stop().exit_code, 0);
}

TEST(Supervisor, EndsWhereTheFrontRefusesToServe) {
  SupervisedAppliance appliance;
  ASSERT_TRUE(appliance.set_up());
  appliance.start();
  ASSERT_TRUE(eventually([&] { return appliance.all_up(); })) << appliance.journal();
  const std::vector<pid_t> children = appliance.children();
  appliance.say_as_front("exit 3");
  EXPECT_EQ(appliance.wait().exit_code, 3) << appliance.journal();
  for (const pid_t child : children) EXPECT_FALSE(SupervisedAppliance::alive(child));
}

TEST(Supervisor, StartsTheNotifierAgain) {
  SupervisedAppliance appliance;
  appliance.pretend_set_up();
  appliance.start({"HOLDER_MODE=silent"}, "stand_in_holder");
  const auto notifiers = [&] {
    const std::vector<Json> told = appliance.told();
    return std::count_if(told.begin(), told.end(),
                         [](const Json& message) { return message.text("event") == "notifier_up"; });
  };
  ASSERT_TRUE(eventually([&] { return notifiers() == 1; })) << appliance.journal();
  // It is announced when it is forked; its command line says what it is only after exec.
  const auto killed = [&] {
    const std::vector<pid_t> found = appliance.children_titled("countersignd: notifier");
    return found.size() == 1 && kill(found.front(), SIGKILL) == 0;
  };
  ASSERT_TRUE(eventually(killed)) << appliance.journal();
  EXPECT_TRUE(eventually([&] { return notifiers() == 2; })) << appliance.journal();
}

TEST(Supervisor, KeepsAHaltedRoleDownUntilItsRecordIsGone) {
  SupervisedAppliance appliance;
  ASSERT_TRUE(appliance.set_up());
  appliance.start();
  ASSERT_TRUE(eventually([&] { return appliance.all_up(); })) << appliance.journal();
  const pid_t holder = appliance.holder_pid("trace/0");
  ASSERT_TRUE(write_durable(appliance.path("state/halted/trace"), "{}", 0600));
  appliance.say_as_front(R"({"event":"halted","role":"trace"})");
  ASSERT_TRUE(eventually([&] { return appliance.told("holder_down", "trace").has_value(); })) << appliance.journal();
  EXPECT_EQ(appliance.told("holder_down", "trace")->text("cause"), "halted");
  EXPECT_FALSE(SupervisedAppliance::alive(holder));
  EXPECT_EQ(appliance.stop().exit_code, 0);
  // The record outlives the supervisor.
  appliance.start();
  ASSERT_TRUE(eventually([&] { return appliance.journal_count("approval/0 is ready") == 2; })) << appliance.journal();
  ASSERT_TRUE(eventually([&] { return appliance.journal_count("trace/0 is down: halted") == 2; }))
      << appliance.journal();
  EXPECT_EQ(appliance.journal_count("trace/0 is ready"), 1);
  std::filesystem::remove(appliance.path("state/halted/trace"));
  EXPECT_TRUE(eventually([&] { return appliance.journal_count("trace/0 is ready") == 2; })) << appliance.journal();
}

TEST(Supervisor, ReplacesAHolderThatGrowsPastItsBound) {
  SupervisedAppliance appliance(Shape{.extra = "limits: {holder_memory: 64MiB}\n"});
  appliance.pretend_set_up();
  appliance.start({"HOLDER_MODE=greedy"}, "stand_in_holder");
  ASSERT_TRUE(eventually([&] { return appliance.told("holder_down", "trace").has_value(); })) << appliance.journal();
  EXPECT_EQ(appliance.told("holder_down", "trace")->text("cause"), "memory");
  EXPECT_NE(appliance.told("holder_down", "trace")->text("message").find("limits.holder_memory"), std::string::npos);
}

TEST(Supervisor, KillsNoHolderBeforeItsDeadlineThatIsNotReady) {
  SupervisedAppliance appliance;
  appliance.pretend_set_up();
  appliance.start({"HOLDER_MODE=silent"}, "stand_in_holder");
  ASSERT_TRUE(eventually([&] { return appliance.children().size() == 5; })) << appliance.journal();
  const std::vector<pid_t> before = appliance.children();
  appliance.say_as_front(R"({"event":"replace_holder","role":"trace","index":0,"cause":"deadline","generation":1})");
  appliance.say_as_front(R"({"event":"halted","role":"approval"})");
  appliance.say_as_front(
      "exit 1");  // read after the two lines above, so they have arrived once the next front is there
  ASSERT_TRUE(eventually([&] { return appliance.journal_count("the front ended with status 1") == 1; }));
  const std::vector<pid_t> after = appliance.children();
  EXPECT_GE(std::count_if(before.begin(), before.end(),
                          [&](pid_t pid) { return std::find(after.begin(), after.end(), pid) != after.end(); }),
            3)
      << appliance.journal();
  // They end by themselves when their control channel closes.
  EXPECT_EQ(appliance.stop().exit_code, 0);
}

TEST(Supervisor, TriesQuicklyAndThenOncePerSecondWhatMayPass) {
  EXPECT_EQ(restart_delay(0), milliseconds(0));
  for (int failures = 1; failures <= 10; ++failures) {
    for (int again = 0; again < 50; ++again) {
      EXPECT_GE(restart_delay(failures), milliseconds(10)) << failures;
      EXPECT_LE(restart_delay(failures), milliseconds(160)) << failures;
    }
  }
  EXPECT_EQ(restart_delay(11), seconds(1));
  EXPECT_EQ(restart_delay(1'000'000), seconds(1));
}

TEST(Supervisor, StartsNothingAnewThatWouldFailTheSameWay) {
  for (const std::string status : {"77", "79", "81"}) {
    SupervisedAppliance appliance;
    appliance.pretend_set_up();
    appliance.start({"HOLDER_MODE=exit " + status}, "stand_in_holder");
    ASSERT_TRUE(eventually([&] { return appliance.told("holder_down", "release").has_value(); }))
        << appliance.journal();
    EXPECT_FALSE(appliance.told("holder_down", "release")->find("retryable")->as_bool());
    EXPECT_TRUE(eventually([&] { return appliance.children().size() == 2; })) << "front and notifier stay";
    EXPECT_EQ(appliance.stop().exit_code, 0);
  }
}

TEST(Supervisor, TriesAgainWhatMayPass) {
  SupervisedAppliance appliance;
  appliance.pretend_set_up();
  appliance.start({"HOLDER_MODE=exit 72"}, "stand_in_holder");
  // The last child of a token that keeps failing has another pid each time.
  std::vector<pid_t> seen;
  EXPECT_TRUE(eventually([&] {
    for (const pid_t child : appliance.children()) {
      if (std::find(seen.begin(), seen.end(), child) == seen.end()) seen.push_back(child);
    }
    return seen.size() > 12;
  })) << appliance.journal();
  EXPECT_TRUE(appliance.told("holder_down", "release")->find("retryable")->as_bool());
}

// COUNTERSIGN_STARTS starts, one after another, while other processes keep both cores busy: none may fail.
TEST(Supervisor, StartsEveryTimeUnderLoad) {
  const char* variable = std::getenv("COUNTERSIGN_STARTS");
  const int starts = variable != nullptr ? std::atoi(variable) : 40;
  SupervisedAppliance appliance(Shape{.trace_holders = 2});
  ASSERT_TRUE(appliance.set_up());
  const test::Command busy{.argv = {"/bin/sh", "-c", "while :; do :; done"}};
  const test::ChildProcess one(busy);
  const test::ChildProcess other(busy);
  std::vector<double> milliseconds_to_ready;
  for (int i = 1; i <= starts; ++i) {
    std::filesystem::remove(appliance.path("state/front.told"));
    const auto before = std::chrono::steady_clock::now();
    appliance.start();
    ASSERT_TRUE(eventually([&] { return appliance.all_up() && appliance.is_up("trace", 1, 1); }))
        << i << appliance.journal();
    milliseconds_to_ready.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - before).count());
    ASSERT_EQ(appliance.stop().exit_code, 0) << i << appliance.journal();
  }
  EXPECT_EQ(appliance.journal_count(" is down"), 0) << appliance.journal();
  std::sort(milliseconds_to_ready.begin(), milliseconds_to_ready.end());
  RecordProperty("median_ms_to_ready", std::to_string(milliseconds_to_ready[milliseconds_to_ready.size() / 2]));
}

}  // namespace
}  // namespace countersign::supervisor
