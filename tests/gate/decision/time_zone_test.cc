#include "gate/decision/time_zone.h"

#include <gtest/gtest.h>

#include <utility>

namespace countersign::gate {
namespace {

TEST(FreezeWindow, ReadsLocalTimeInItsZone) {
  const Result<TimeZone> zone = TimeZone::named("America/New_York");
  ASSERT_TRUE(zone);
  const std::pair<const char*, const char*> cases[] = {
      {"2026-06-15T07:30:00", "2026-06-15T11:30:00Z"},
      {"2026-01-15T07:30:00", "2026-01-15T12:30:00Z"},
      {"2026-03-08T02:30:00", "2026-03-08T06:30:00Z"},  // skipped by the clocks: as Go
      {"2026-11-01T01:30:00", "2026-11-01T05:30:00Z"},  // happens twice: as Go, the first
  };
  for (const auto& [local, utc] : cases) {
    const Result<UtcTime> moment = zone->moment_of(local);
    ASSERT_TRUE(moment) << local;
    EXPECT_EQ(moment->rfc3339(), utc) << local;
  }
  EXPECT_FALSE(zone->moment_of("2026-06-15 07:30:00"));
  EXPECT_FALSE(zone->moment_of("2026-02-30T07:30:00"));
  for (const char* name : {"Mars/Base", "../../etc/passwd", "/etc/passwd", "", "Local", "tzdata.zi"}) {
    EXPECT_FALSE(TimeZone::named(name)) << name;
  }
  EXPECT_TRUE(TimeZone::named("UTC"));
}

}  // namespace
}  // namespace countersign::gate
