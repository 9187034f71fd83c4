#include "command/decision/rate_limit_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include <ctime>
#include <fstream>
#include <thread>

#include "common/durable_file.h"
#include "tests/support/temporary_folder.h"

namespace countersign::command {
namespace {

const UtcTime kNow = *UtcTime::parse("2026-11-22T04:30:00Z");
const LockPatience kImpatient{std::chrono::milliseconds(0), std::chrono::milliseconds(1), std::chrono::seconds(15)};

class RateLimitFile : public testing::Test {
 protected:
  std::string path() const { return folder_ / "deep/state.json"; }
  // How often the tool was used, this time included; or the error's reason.
  std::string spend(const LockPatience& patience = kImpatient) {
    std::int64_t used = 0;
    const Status status = change_rate_limits(path(), kNow,
                                             {{},
                                              [&used](gate::RateState& state) {
                                                used = state.spend({9, "hour", "tool"}, "t", "z", kNow).used;
                                              },
                                              {}},
                                             patience);
    return status ? std::to_string(used) : status.error().wire_code();
  }
  test::TemporaryFolder folder_;
};

TEST_F(RateLimitFile, KeepsCountAndStaysPrivate) {
  EXPECT_EQ(spend(), "1");
  EXPECT_EQ(spend(), "2");
  struct stat facts {};
  ASSERT_EQ(::stat(path().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  EXPECT_NE(::access((path() + ".lock").c_str(), F_OK), 0);
}

TEST_F(RateLimitFile, IsNotCountedTwiceByTwoAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back([this] { EXPECT_NE(spend({}), "lock_contention"); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(spend(), "9");
}

TEST_F(RateLimitFile, WaitsForItsWriterAndTakesAStaleLockOver) {
  EXPECT_EQ(spend(), "1");
  std::ofstream(path() + ".lock") << "1\n";
  EXPECT_EQ(spend(), "lock_contention");
  const std::time_t long_ago = std::time(nullptr) - 60;
  const utimbuf times{long_ago, long_ago};
  ASSERT_EQ(::utime((path() + ".lock").c_str(), &times), 0);
  EXPECT_EQ(spend(), "2");
}

TEST_F(RateLimitFile, ThatCannotBeBelievedStopsEverything) {
  EXPECT_EQ(spend(), "1");
  for (const char* text : {"", "{", "null", R"({"schema_id":"gait.gate.trace"})"}) {
    std::ofstream(path()) << text;
    EXPECT_EQ(spend(), "rate_limit_state_invalid") << text;
    EXPECT_EQ(*read_file(path()), text) << "nothing is written over it";
  }
}

TEST_F(RateLimitFile, IsNeverReachedThroughASymbolicLink) {
  EXPECT_EQ(spend(), "1");
  const std::string real = folder_ / "real.json";
  ASSERT_EQ(::rename(path().c_str(), real.c_str()), 0);
  const std::string before = *read_file(real);
  ASSERT_EQ(::symlink(real.c_str(), path().c_str()), 0);
  EXPECT_EQ(spend(), "rate_limit_state_invalid");
  EXPECT_EQ(*read_file(real), before);
}

TEST_F(RateLimitFile, ThatNobodyVouchesForStopsEverything) {
  EXPECT_EQ(spend(), "1");
  const std::string before = *read_file(path());
  const Status status = change_rate_limits(path(), kNow,
                                           {[](const std::string&, const std::string&) -> Status {
                                              return Error{ErrorCode::Invalid, "", "state_unattested"};
                                            },
                                            [](gate::RateState& state) {
                                              (void)state.spend({1, "hour", "tool"}, "t", "z", kNow);
                                            },
                                            {}});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().wire_code(), "state_unattested");
  EXPECT_EQ(*read_file(path()), before);
}

TEST_F(RateLimitFile, IsLeftAloneWhereItsSealIsRefused) {
  const Status status = change_rate_limits(path(), kNow,
                                           {{},
                                            [](gate::RateState& state) {
                                              (void)state.spend({1, "hour", "tool"}, "t", "z", kNow);
                                            },
                                            [](Json&) -> Status {
                                              return Error{ErrorCode::Unavailable, "no signer"};
                                            }});
  EXPECT_FALSE(status);
  EXPECT_NE(::access(path().c_str(), F_OK), 0);
}

}  // namespace
}  // namespace countersign::command
