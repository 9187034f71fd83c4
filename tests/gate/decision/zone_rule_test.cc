#include "gate/decision/zone_rule.h"

#include <gtest/gtest.h>

#include "common/clock.h"
#include "gate/decision/time_zone.h"

namespace countersign::gate {
namespace {

struct Case {
  const char* rule;
  int year;
  const char* first;
  const char* second;
};
// As `zdump -v` says of zones with these rules.
const Case kCases[] = {
    {"EST5EDT,M3.2.0,M11.1.0", 2050, "2050-03-13T07:00:00Z", "2050-11-06T06:00:00Z"},
    {"CET-1CEST,M3.5.0,M10.5.0/3", 2050, "2050-03-27T01:00:00Z", "2050-10-30T01:00:00Z"},
    {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 2050, "2050-04-02T15:00:00Z", "2050-10-01T15:30:00Z"},
    {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2050, "2050-03-27T01:00:00Z", "2050-10-30T01:00:00Z"},
    {"IST-2IDT,M3.4.4/26,M10.5.0", 2050, "2050-03-25T00:00:00Z", "2050-10-29T23:00:00Z"},
    {"AAA0BBB,J60/0,J300", 2048, "2048-03-01T00:00:00Z", "2048-10-27T01:00:00Z"},
    {"AAA0BBB,59/0,300", 2048, "2048-02-29T00:00:00Z", "2048-10-27T01:00:00Z"},
};

TEST(ZoneRule, PutsClocksForwardAndBackEveryYear) {
  for (const Case& each : kCases) {
    const auto rule = ZoneRule::parse(each.rule);
    ASSERT_TRUE(rule) << each.rule;
    const std::vector<ZoneChange> changes = rule->changes_in(each.year);
    ASSERT_EQ(changes.size(), 2U);
    EXPECT_EQ(UtcTime::from_unix(changes[0].at).rfc3339(), each.first) << each.rule;
    EXPECT_EQ(UtcTime::from_unix(changes[1].at).rfc3339(), each.second) << each.rule;
  }
}

TEST(ZoneRule, ThatIsNoneIsNotRead) {
  for (const char* text : {"", "UTC0", "EST5EDT", "EST5EDT,M3.2.0", "EST5EDT,M13.2.0,M11.1.0", "EST5EDT,M3.6.0,M11.1.0",
                           "EST5EDT,M3.2.7,M11.1.0", "EST5EDT,J0,J1", "EST5EDT,366,1", "EST5EDT,M3.2.0,M11.1.0,",
                           "E5EDT,M3.2.0,M11.1.0", "EST168EDT,M3.2.0,M11.1.0", "<EST5EDT,M3.2.0,M11.1.0",
                           "EST5EDT,M3.2.0/2:60,M11.1.0", "EST5:EDT,M3.2.0,M11.1.0"}) {
    EXPECT_FALSE(ZoneRule::parse(text)) << text;
  }
}

TEST(TimeZone, GoesByItsRuleAfterTheLastYearOfItsTable) {
  const std::pair<const char*, std::pair<const char*, const char*>> cases[] = {
      {"America/New_York", {"2050-06-15T07:30:00", "2050-06-15T11:30:00Z"}},
      {"America/New_York", {"2050-01-15T07:30:00", "2050-01-15T12:30:00Z"}},
      {"America/New_York", {"2050-03-13T02:30:00", "2050-03-13T06:30:00Z"}},  // skipped: as before the rule
      {"America/New_York", {"2050-11-06T01:30:00", "2050-11-06T05:30:00Z"}},  // twice: the first
      {"America/New_York", {"2038-01-01T00:00:00", "2038-01-01T05:00:00Z"}},
      {"Australia/Sydney", {"2050-01-01T00:00:00", "2049-12-31T13:00:00Z"}},
      {"Australia/Sydney", {"2050-07-01T00:00:00", "2050-06-30T14:00:00Z"}},
      {"Europe/Berlin", {"9998-07-01T12:00:00", "9998-07-01T10:00:00Z"}},
      {"Asia/Tokyo", {"2050-07-01T12:00:00", "2050-07-01T03:00:00Z"}},
  };
  for (const auto& [name, times] : cases) {
    const Result<TimeZone> zone = TimeZone::named(name);
    ASSERT_TRUE(zone) << name;
    const Result<UtcTime> moment = zone->moment_of(times.first);
    ASSERT_TRUE(moment) << name << " " << times.first;
    EXPECT_EQ(moment->rfc3339(), times.second) << name << " " << times.first;
  }
}

}  // namespace
}  // namespace countersign::gate
