#include "signer/config/approver_roster.h"

namespace countersign::config {

Json approver_roster(const Config& config) {
  Json::Array roster;
  for (const ApproverConfig& approver : config.approvers) {
    Json entry = Json::object({{"identity", approver.identity}, {"scopes", Json::array(approver.scopes)}});
    if (!approver.ssh_key.empty()) entry.set("ssh_key", approver.ssh_key);
    if (approver.unix_uid) entry.set("unix_uid", std::int64_t{*approver.unix_uid});
    if (approver.max_ttl) {
      entry.set("max_ttl_seconds", std::chrono::duration_cast<std::chrono::seconds>(*approver.max_ttl).count());
    }
    roster.push_back(std::move(entry));
  }
  return Json(std::move(roster));
}

std::string approver_roster_digest(const Config& config) {
  return approver_roster(config).digest().hex();
}

}  // namespace countersign::config
