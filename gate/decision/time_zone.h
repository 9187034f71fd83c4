// Local times of a freeze window, by the system's zone database (RFC 8536 files below /usr/share/zoneinfo).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "gate/decision/zone_rule.h"

namespace countersign::gate {

class TimeZone {
 public:
  // "America/New_York", "UTC". Fails with NotFound where the database has no such zone or cannot be read.
  static Result<TimeZone> named(std::string_view name);

  // The moment of "YYYY-MM-DDThh:mm:ss" in this zone; where clocks are put forward or back it picks as Go's time.Date
  // does. Years beyond the zone's table go by the rule at its end. Fails with Invalid on any other text, and beyond the
  // table where it ends in no rule that can be read.
  Result<UtcTime> moment_of(std::string_view local) const;

 private:
  struct Span {
    std::int64_t start;  // Unix seconds
    std::int64_t end;
    std::int64_t offset;  // seconds east of UTC
  };
  Span span_at(std::int64_t unix_seconds) const;

  std::int64_t first_offset_ = 0;
  // Those of the table around the moment, or of the rule.
  std::vector<ZoneChange> changes_around(std::int64_t unix_seconds) const;

  std::vector<ZoneChange> transitions_;
  std::optional<ZoneRule> rule_;  // after the last of them
  bool open_ended_ = true;        // the last offset holds for ever
};

}  // namespace countersign::gate
