// Files that a caller names: read bounded, written so that only their owner reads them.
#pragma once

#include <string>
#include <string_view>

#include "common/json.h"
#include "common/result.h"

namespace countersign::command {

// The text of `path`, at most 1 MiB. `what` names it in errors, in gait's words: "read policy: open p.yaml: no such
// file or directory". Fails with Invalid (exit 6), as gait does for every file it cannot read.
Result<std::string> read_input(std::string_view what, const std::string& path);

// A gait document (Json::Limits::gait). Fails with Invalid as read_input, and "parse <what>: …".
Result<Json> read_document(std::string_view what, const std::string& path);

// Checks, before anything is signed or redeemed for it, that `path` can be written, and makes missing folders. An empty
// path stands for files of the working directory whose names are not known yet. Fails
// with Invalid; with Refused where something that is no regular file, a link for one, stands there.
Status prepare_output(std::string_view what, const std::string& path);

// Refuses a relative path with a ".." part, as gait does for traces (gait-formats §2.4). Fails with Invalid.
Status refuse_traversal(std::string_view what, const std::string& path);

// Writes `content` durably, 0600. Fails with Unavailable or Refused.
Status write_output(const std::string& path, std::string_view content);

}  // namespace countersign::command
