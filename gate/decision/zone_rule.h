// The rule at the end of a zone's file, for the years its table does not reach (RFC 8536 §3.3, POSIX TZ).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace countersign::gate {

struct ZoneChange {
  std::int64_t at;      // Unix seconds
  std::int64_t offset;  // seconds east of UTC from then on
};

class ZoneRule {
 public:
  // "EST5EDT,M3.2.0,M11.1.0", "<-03>3<-02>,J60/2:30,300/-1". Nothing where the clocks are never put forward, and where
  // the text is none.
  static std::optional<ZoneRule> parse(std::string_view text);

  // The two changes of that year, in their order. Precondition: a year of the Gregorian calendar.
  std::vector<ZoneChange> changes_in(int year) const;

 private:
  struct Day {
    enum class Kind { Julian, Zero, Weekday };  // Jn (1…365, no 29 February), n (0…365), Mm.w.d
    Kind kind = Kind::Zero;
    int number = 0;  // of the day, or of the month
    int week = 0;    // 5: the last one
    int weekday = 0;
    std::int64_t seconds = 7200;  // of local time, from midnight
  };
  friend class ZoneRuleReader;
  static std::int64_t moment_of(const Day& day, int year, std::int64_t offset);

  std::int64_t standard_ = 0;
  std::int64_t summer_ = 0;
  Day begins_;
  Day ends_;
};

}  // namespace countersign::gate
