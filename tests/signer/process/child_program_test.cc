#include "signer/process/child_program.h"
#include "common/program_path.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <atomic>
#include <fstream>
#include <thread>

namespace countersign::process {
namespace {

TEST(ChildProgram, PassesInputThroughAndGivesOutputAndStatus) {
  const auto finished = run_program({"sh", "-c", "tr a-z A-Z; exit 7"}, "text");
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->output, "TEXT");
  EXPECT_EQ(finished->exit_code, 7);
}

TEST(ChildProgram, MovesMoreThanAPipeHoldsBothWays) {
  const std::string much(500'000, 'x');
  const auto finished = run_program({"cat"}, much);
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->output, much);
}

TEST(ChildProgram, SurvivesOneThatDoesNotRead) {
  const auto finished = run_program({"true"}, std::string(500'000, 'x'));
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->exit_code, 0);
}

TEST(ChildProgram, RefusesMoreThanAMebibyte) {
  const auto finished = run_program({"sh", "-c", "yes | head -c 3000000"}, "");
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, ErrorCode::TooLarge);
}

TEST(ChildProgram, TellsTheSignalThatEndedIt) {
  EXPECT_EQ(run_program({"sh", "-c", "kill -9 $$"}, "")->exit_code, 137);
}

TEST(ChildProgram, IsFoundAlongPathOnlyWhereItCanRun) {
  EXPECT_TRUE(program_path("sh"));
  EXPECT_TRUE(program_path("/bin/sh"));
  for (const char* absent : {"no-such-program", "/no/such/program", "/etc/passwd", "/etc", ""}) {
    EXPECT_FALSE(program_path(absent)) << absent;
  }
}

Confinement bounds(std::chrono::milliseconds time = std::chrono::seconds(20)) {
  return {{"PATH=/usr/bin:/bin", "NAMED=passed"}, time, 1000};
}

TEST(ConfinedProgram, SeesNoVariableButThoseGiven) {
  ::setenv("COUNTERSIGN_TEST_SECRET", "s3cr3t", 1);
  const auto finished =
      run_confined({"/bin/sh", "-c", "cat; echo $NAMED$COUNTERSIGN_TEST_SECRET; env | wc -l"}, "in ", bounds());
  ::unsetenv("COUNTERSIGN_TEST_SECRET");
  ASSERT_TRUE(finished) << finished.error().detail;
  EXPECT_EQ(finished->exit_code, 0);
  EXPECT_TRUE(finished->output.starts_with("in passed\n")) << finished->output;
  EXPECT_EQ(finished->output.find("s3cr3t"), std::string::npos);
}

TEST(ConfinedProgram, IsBoundedInWhatItWritesOnBothStreams) {
  EXPECT_TRUE(run_confined({"/bin/sh", "-c", "head -c 400 /dev/zero; head -c 400 /dev/zero >&2"}, "", bounds()));
  const auto finished =
      run_confined({"/bin/sh", "-c", "head -c 600 /dev/zero; head -c 600 /dev/zero >&2"}, "", bounds());
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, ErrorCode::TooLarge);
}

TEST(ConfinedProgram, KeepsItsComplaintsOutOfTheAnswer) {
  EXPECT_EQ(run_confined({"/bin/sh", "-c", "echo no >&2; echo yes"}, "", bounds())->output, "yes\n");
}

TEST(ConfinedProgram, EndsWithEverythingItStartedWhenItsTimeIsOver) {
  const std::chrono::milliseconds short_time(300);
  for (const char* script : {"sleep 600", "sleep 600 & wait", "exec >&- 2>&-; sleep 600"}) {
    const auto begun = std::chrono::steady_clock::now();
    const auto finished = run_confined({"/bin/sh", "-c", script}, "", bounds(short_time));
    ASSERT_FALSE(finished) << script;
    EXPECT_EQ(finished.error().reason, "program_timeout") << script;
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(60)) << script;
  }
}

TEST(ConfinedProgram, EndsWhenItIsInterrupted) {
  for (const char* script : {"sleep 600", "exec >&- 2>&-; sleep 600"}) {
    std::atomic<bool> interrupted = false;
    Confinement limits = bounds(std::chrono::minutes(10));
    limits.interrupted = &interrupted;
    std::thread interrupter([&] { interrupted = true; });
    const auto finished = run_confined({"/bin/sh", "-c", script}, "", limits);
    interrupter.join();
    ASSERT_FALSE(finished) << script;
    EXPECT_EQ(finished.error().reason, "program_interrupted") << script;
  }
}

TEST(ConfinedProgram, LeavesNothingBehindWhenItEndsWell) {
  // What runs on would write the pid's file again; it holds none of the pipes.
  const auto finished = run_confined({"/bin/sh", "-c", "sleep 600 >/dev/null 2>&1 </dev/null & echo $!"}, "", bounds());
  ASSERT_TRUE(finished);
  const pid_t left = static_cast<pid_t>(std::stol(finished->output));
  // Killed; as nobody reaps it for us, a zombie at most.
  for (int i = 0; i < 1000 && ::kill(left, 0) == 0; ++i) {
    std::ifstream status("/proc/" + std::to_string(left) + "/stat");
    std::string text((std::istreambuf_iterator<char>(status)), {});
    if (text.find(") Z") != std::string::npos) return;
    std::this_thread::yield();
  }
  EXPECT_NE(::kill(left, 0), 0);
}

TEST(ConfinedProgram, ThatDoesNotExistIsUnavailable) {
  const Error absent = run_confined({"/nowhere/broker"}, "", bounds()).error();
  EXPECT_EQ(absent.code, ErrorCode::Unavailable);
  EXPECT_EQ(absent.reason, "program_unavailable");
}

}  // namespace
}  // namespace countersign::process
