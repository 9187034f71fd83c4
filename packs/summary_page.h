// The page of an evidence pack for people: what the pack is about and which files are in it, as PDF. The same pack
// gives the same bytes.
#pragma once

#include <string>
#include <string_view>

#include "common/json.h"
#include "packs/evidence_pack.h"

namespace countersign::packs {

inline constexpr std::string_view kSummaryPage = "summary.pdf";

// PDF 1.4 (ISO 32000), the standard font Courier, as many A4 pages as it takes. `contents` as the manifest lists them
// so far. Text outside ASCII is shown as '?': the evidence itself has it.
std::string summary_page(const PackInputs& inputs, const Json& contents);

}  // namespace countersign::packs
