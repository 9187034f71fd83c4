#include "signer/ledger/time_guard.h"

#include "tests/signer/ledger/ledger_fixture.h"

namespace countersign::ledger::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kBound(5);

std::string verdict(TimeGuard& guard) {
  const Status status = guard.check();
  return status ? "ok" : status.error().wire_code();
}

TEST(TimeGuard, BelievesAClockThatRuns) {
  FakeClock clock;
  TimeGuard guard(clock, kBound, std::nullopt, "boot-1");
  for (int i = 0; i < 100; ++i) {
    clock.advance(hours(1));
    EXPECT_EQ(verdict(guard), "ok");
    EXPECT_EQ(guard.mark().wall, clock.now());
  }
}

TEST(TimeGuard, BearsSmallStepsBothWays) {
  FakeClock clock;
  TimeGuard guard(clock, kBound, std::nullopt, "boot-1");
  clock.step(kBound);
  EXPECT_EQ(verdict(guard), "ok");
  const UtcTime high = clock.now();
  clock.step(-kBound);
  EXPECT_EQ(verdict(guard), "ok");
  EXPECT_EQ(guard.mark().wall, high);  // the mark never goes back
}

struct Step {
  const char* name;
  std::chrono::nanoseconds size;
  const char* expected;
};

TEST(TimeGuard, StopsAtALargeStepBeforeItBecomesTheMark) {
  for (const Step& step :
       {Step{"back", -kBound - seconds(1), "clock_stepped_back"}, Step{"a day back", -hours(24), "clock_stepped_back"},
        Step{"forward", kBound + seconds(1), "clock_jumped_forward"},
        Step{"ten years forward", hours(87600), "clock_jumped_forward"}}) {
    FakeClock clock;
    TimeGuard guard(clock, kBound, std::nullopt, "boot-1");
    clock.advance(seconds(60));
    ASSERT_EQ(verdict(guard), "ok");
    const TimeMark believed = guard.mark();
    clock.step(step.size);
    EXPECT_EQ(verdict(guard), step.expected) << step.name;
    EXPECT_EQ(guard.mark(), believed) << step.name;
    EXPECT_TRUE(guard.stopped()) << step.name;
    // It stays stopped when the clock comes back by itself, until somebody says so.
    clock.step(-step.size);
    EXPECT_EQ(verdict(guard), step.expected) << step.name;
    guard.reset();
    EXPECT_EQ(verdict(guard), "ok") << step.name;
    EXPECT_FALSE(guard.stopped());
  }
}

TEST(TimeGuard, AddsManySmallStepsUp) {
  for (const milliseconds size : {milliseconds(900), milliseconds(-900)}) {
    FakeClock clock;
    TimeGuard guard(clock, kBound, std::nullopt, "boot-1");
    int steps = 0;
    while (verdict(guard) == "ok" && steps < 100) {
      clock.advance(seconds(1));
      clock.step(size);
      ++steps;
    }
    EXPECT_EQ(steps, 6) << size.count();
  }
}

TEST(TimeGuard, ForgivesOldStepsSlowlyAndSavesNothingUp) {
  FakeClock clock;
  TimeGuard guard(clock, kBound, std::nullopt, "boot-1");
  clock.step(kBound);
  ASSERT_EQ(verdict(guard), "ok");
  for (int minute = 0; minute < 60 * 24 * 30; ++minute) {
    clock.advance(seconds(60));
    ASSERT_EQ(verdict(guard), "ok");
  }
  clock.step(kBound);
  EXPECT_EQ(verdict(guard), "ok");
  clock.step(seconds(1));
  EXPECT_EQ(verdict(guard), "clock_jumped_forward");
}

TEST(TimeGuard, SeesAStepBackAfterAQuietTime) {
  FakeClock clock;
  TimeGuard guard(clock, kBound, std::nullopt, "boot-1");
  clock.advance(hours(48));  // nobody looked
  clock.step(-hours(24));    // still after the mark
  EXPECT_EQ(verdict(guard), "clock_stepped_back");
}

TEST(TimeGuard, AllowsTheSlewOfAnHonestClock) {
  FakeClock clock;
  TimeGuard guard(clock, kBound, std::nullopt, "boot-1");
  for (int hour = 0; hour < 24 * 30; ++hour) {
    clock.advance(hours(1));
    clock.step(milliseconds(1800));  // 500 ppm
    ASSERT_EQ(verdict(guard), "ok") << hour;
  }
}

TEST(TimeGuard, SeesAJumpAcrossARestartWithinOneBoot) {
  for (const Step& step : {Step{"none", seconds(0), "ok"}, Step{"forward", seconds(60), "clock_jumped_forward"},
                           Step{"back", -seconds(60), "clock_stepped_back"}}) {
    FakeClock clock;
    const TimeMark kept = TimeGuard(clock, kBound, std::nullopt, "boot-1").mark();
    clock.advance(hours(1));
    clock.step(step.size);
    TimeGuard restarted(clock, kBound, kept, "boot-1");
    EXPECT_EQ(verdict(restarted), step.expected) << step.name;
  }
}

TEST(TimeGuard, SeesOnlyAStepBackAcrossBoots) {
  FakeClock before;
  before.advance(hours(5));
  const TimeMark kept = TimeGuard(before, kBound, std::nullopt, "boot-1").mark();
  for (const Step& step : {Step{"a year off", hours(8760), "ok"}, Step{"at once", seconds(0), "ok"},
                           Step{"back", -seconds(6), "clock_stepped_back"}}) {
    FakeClock clock(kept.wall + step.size);
    TimeGuard guard(clock, kBound, kept, "boot-2");
    EXPECT_EQ(verdict(guard), step.expected) << step.name;
    EXPECT_GE(guard.mark().wall, kept.wall) << step.name;
  }
}

TEST(TimeGuard, NamesThisBoot) {
  EXPECT_EQ(this_boot_id().size(), 36U);
  EXPECT_EQ(this_boot_id(), this_boot_id());
}

class LedgerTimeTest : public LedgerTest {};

TEST_F(LedgerTimeTest, SignsNothingWhileTheClockIsNotBelieved) {
  ASSERT_EQ(outcome(signed_item("a")), "0");
  const UtcTime high = *store_->high_water();
  clock_.step(hours(1));
  Item refusal = signed_item("b");
  refusal.record.kind = "refused";
  EXPECT_EQ(outcomes({signed_item("c"), refusal}), (std::vector<std::string>{"clock_jumped_forward", "1"}));
  EXPECT_EQ(*store_->high_water(), high);
  reopen();  // a restart is no reset
  EXPECT_EQ(*store_->high_water(), high);
  EXPECT_EQ(outcome(signed_item("d")), "clock_jumped_forward");

  store_->time_guard().reset();
  Item reset = signed_item("e");
  reset.record.kind = "time_reset";
  EXPECT_EQ(outcome(reset), "2");
  EXPECT_EQ(outcome(signed_item("f")), "3");
  reopen();
  EXPECT_EQ(outcome(signed_item("g")), "4");
  EXPECT_EQ(*store_->high_water(), clock_.now());
}

TEST_F(LedgerTimeTest, StaysStoppedOverARestartThatCameBeforeTheResetWasRecorded) {
  ASSERT_EQ(outcome(signed_item("a")), "0");
  clock_.step(-hours(1));
  EXPECT_EQ(outcome(signed_item("b")), "clock_stepped_back");
  store_->time_guard().reset();
  reopen();
  EXPECT_EQ(outcome(signed_item("c")), "clock_stepped_back");
}

}  // namespace
}  // namespace countersign::ledger::test
