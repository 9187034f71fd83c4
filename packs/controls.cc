#include "packs/controls.h"

#include <algorithm>

#include "common/text.h"

namespace countersign::packs {
namespace {

using Texts = std::string_view;

constexpr Texts kChain[] = {"runpack", "trace", "evidence"};
constexpr Texts kChainNames[] = {"runpack_summary.json", "trace_summary.json", "approval_audit_",
                                 "credential_evidence_"};
constexpr Texts kReport[] = {"report"};
constexpr Texts kRootCauseNames[] = {"regress_summary.json", "policy_digests.json"};
constexpr Texts kEvidence[] = {"evidence"};
constexpr Texts kApprovalNames[] = {"approval_audit_", "credential_evidence_"};
constexpr Texts kTrace[] = {"trace"};
constexpr Texts kMonitoringNames[] = {"trace_summary.json", "regress_summary.json"};
constexpr Texts kRunpack[] = {"runpack"};
constexpr Texts kRunpackAndEvidence[] = {"runpack", "evidence"};
constexpr Texts kSummaryNames[] = {"runpack_summary.json"};

constexpr Control kIncident[] = {
    {"IR-CHAIN", "Reconstruction Chain", kChain, kChainNames},
    {"IR-ROOTCAUSE", "Root Cause and Regression", kReport, kRootCauseNames},
};
constexpr Control kSoc2[] = {
    {"CC6.6", "Change Management Evidence", kEvidence, kApprovalNames},
    {"CC7.2", "Operational Monitoring", kTrace, kMonitoringNames},
    {"CC8.1", "Incident Evidence Integrity", kRunpackAndEvidence, kSummaryNames},
};
constexpr Control kPci[] = {
    {"PCI-10", "Audit Trail and Monitoring", kTrace, kMonitoringNames},
    {"PCI-7", "Access and Approval Controls", kEvidence, kApprovalNames},
    {"PCI-12", "Incident Handling Evidence", kRunpack, kSummaryNames},
};
constexpr Template kTemplates[] = {{"soc2", kSoc2}, {"pci", kPci}, {"incident_response", kIncident}};

bool belongs(const Control& control, const Json& content) {
  if (std::ranges::find(control.types, content.text("type")) != control.types.end()) return true;
  return std::ranges::any_of(control.names, [path = content.text("path")](std::string_view name) {
    return path.find(name) != std::string_view::npos;
  });
}

}  // namespace

const Template& template_named(std::string_view name) {
  const std::string wanted = lowered(trimmed(name));
  const auto found = std::ranges::find(kTemplates, wanted, &Template::id);
  return found == std::end(kTemplates) ? std::end(kTemplates)[-1] : *found;
}

Json control_index(const Template& chosen, const Json& contents) {
  Json::Array index;
  for (const Control& control : chosen.controls) {
    std::vector<std::string> paths;
    for (const Json& content : contents.as_array()) {
      if (belongs(control, content)) paths.emplace_back(content.text("path"));
    }
    std::ranges::sort(paths);
    index.push_back(
        Json::object({{"control_id", control.id}, {"title", control.title}, {"evidence_paths", Json::array(paths)}}));
  }
  return Json(std::move(index));
}

}  // namespace countersign::packs
