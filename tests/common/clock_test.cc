#include "common/clock.h"

#include <gtest/gtest.h>

namespace countersign {
namespace {

using std::chrono::nanoseconds;

TEST(UtcTime, ReadsAndWritesRfc3339) {
  const std::pair<const char*, const char*> vectors[] = {
      {"2026-11-22T04:22:57.091069197Z", "2026-11-22T04:22:57.091069197Z"},
      {"2026-11-22T04:22:57.0615493400Z", "2026-11-22T04:22:57.06154934Z"},
      {"2026-11-22T04:22:57+02:00", "2026-11-22T02:22:57Z"},
      {"1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"},
      {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
      {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"},
      {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"},
  };
  for (const auto& [text, written] : vectors) {
    const Result<UtcTime> time = UtcTime::parse(text);
    ASSERT_TRUE(time) << text;
    EXPECT_EQ(time->rfc3339(), written);
  }
  EXPECT_EQ(UtcTime().rfc3339(), "0001-01-01T00:00:00Z");
  EXPECT_TRUE(UtcTime::parse("0001-01-01T00:00:00Z")->is_zero());
}

TEST(UtcTime, RefusesWhatIsNoMoment) {
  for (const char* text :
       {"", "2026-11-22", "2026-11-22T04:22:57", "2026-11-22 04:22:57Z", "2026-02-29T00:00:00Z", "2026-11-22T24:00:00Z",
        "2026-11-22T23:59:60Z", "2026-11-22T04:22:57.Z", "2026-11-22t04:22:57Z", "2026-11-22T04:22:57z",
        "2026-11-22T04:22:57+2:00", "2026-11-22T04:22:57Z ", "26-11-22T04:22:57Z"}) {
    EXPECT_FALSE(UtcTime::parse(text)) << text;
  }
}

TEST(UtcTime, AddsAndSubtractsAcrossTheSecondAndTheEpoch) {
  const UtcTime start = UtcTime::from_unix(0, 1);
  EXPECT_EQ((start - nanoseconds(2)).rfc3339(), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(start + nanoseconds(2) - start, nanoseconds(2));
  EXPECT_EQ(UtcTime::from_unix(1LL << 40) - UtcTime(), nanoseconds::max());
  EXPECT_EQ(UtcTime() - UtcTime::from_unix(1LL << 40), nanoseconds::min());
}

TEST(Duration, ReadsGosForms) {
  const std::pair<const char*, std::int64_t> vectors[] = {{"1h30m", 5'400'000'000'000},
                                                          {"1.5h", 5'400'000'000'000},
                                                          {"15m", 900'000'000'000},
                                                          {"300ms", 300'000'000},
                                                          {"1us", 1'000},
                                                          {"1\u00b5s", 1'000},
                                                          {"2h45m30.5s", 9'930'500'000'000},
                                                          {"0", 0},
                                                          {"-1s", -1'000'000'000},
                                                          {".5s", 500'000'000}};
  for (const auto& [text, nanos] : vectors) {
    ASSERT_TRUE(parse_duration(text)) << text;
    EXPECT_EQ(parse_duration(text)->count(), nanos) << text;
  }
}

TEST(Duration, RefusesWhatGoRefuses) {
  for (const char* text :
       {"", "1", "h", "1d", "1h 30m", "1 h", ".", "-", "9223372036855s", "99999999999999999999h", "1h30"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Duration, WritesAsGoDoes) {
  const std::pair<std::int64_t, const char*> vectors[] = {{0, "0s"},
                                                          {1, "1ns"},
                                                          {1'500, "1.5\u00b5s"},
                                                          {2'000'000, "2ms"},
                                                          {1'100'000'000, "1.1s"},
                                                          {60'000'000'000, "1m0s"},
                                                          {5'400'000'000'000, "1h30m0s"},
                                                          {-1'000'000'000, "-1s"}};
  for (const auto& [nanos, text] : vectors) EXPECT_EQ(duration_text(nanoseconds(nanos)), text);
}

}  // namespace
}  // namespace countersign
