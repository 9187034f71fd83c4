// Go's words for a text that is no time and no duration: people compare our answers with gait's. Only for texts that
// were refused; they judge nothing.
#pragma once

#include <string>
#include <string_view>

namespace countersign::gate {

// `parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"`
std::string go_time_complaint(std::string_view text);
// `time: unknown unit "d" in duration "7d"`
std::string go_duration_complaint(std::string_view text);

}  // namespace countersign::gate
