#include "command/child_program.h"

#include <gtest/gtest.h>

namespace countersign::command {
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

}  // namespace
}  // namespace countersign::command
