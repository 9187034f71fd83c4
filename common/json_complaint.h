// What is wrong with a text that is no JSON, in the words of Go's decoder: people compare our answers with gait's
// (gait-formats §3.1). Only for texts that were refused; it judges nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace countersign {

struct JsonComplaint {
  std::string text;               // "invalid character 'x' after top-level value"; empty where Go reads the text
  std::string number;             // the first number that no double can hold, as spelled
  std::vector<std::string> path;  // the names of the members around that number, outermost first
};

JsonComplaint json_complaint(std::string_view text);

}  // namespace countersign
