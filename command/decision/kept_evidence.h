// Evidence under a default name: equal decisions have equal names (gait-formats §16.1), and a later one must not
// destroy an earlier one.
#pragma once

#include <string>

namespace countersign::command {

// Gives what stands at `path`, where something does, a second name before it is written anew: the path with 12 hex
// digits of the content's SHA-256 before its ".json", in the same folder, so that patterns such as trace_*.json find
// both. Where the folder does not allow it nothing happens: the file is then overwritten, as gait does.
void keep_earlier(const std::string& path);

}  // namespace countersign::command
