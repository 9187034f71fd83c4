// Whether a ceremony went as its rehearsal did. Everything must be equal except what is listed here.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keymgmt/ceremony/transcript.h"

namespace countersign::ceremony {

// Members that may differ, with why; docs/ceremonies.md is printed from it. A path's last part alone: "observed.kid".
struct MayDiffer {
  std::string_view path;  // "kind.member.…"; an ending ".*" is all below it
  std::string_view why;
};
std::span<const MayDiffer> may_differ();

// Paths at which the two entries differ and may not. Empty: they agree.
std::vector<std::string> differences(const Entry& rehearsed, const Entry& real);

// The entries that are compared, in order: token, step and end lines. Exceptions, attempts and interruptions are each
// run's own.
std::vector<const Entry*> compared_entries(const Transcript& transcript);

}  // namespace countersign::ceremony
