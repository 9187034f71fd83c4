#include "gate/broker/security_policy.h"

#include "common/json_fields.h"
#include "gate/broker/pattern.h"

namespace countersign::broker {
namespace {

constexpr std::int64_t kMostUses = 1'000'000;

Result<AutoApproval> read_pattern(const Json& row, const std::string& path) {
  AutoApproval approval;
  if (row.is_string()) {
    approval.pattern = row.as_string();
  } else {
    JsonFields fields(row, path);
    ASSIGN_OR_RETURN(approval.pattern, fields.text("pattern"));
    if (fields.take("expires_at") != nullptr) {
      const Result<UtcTime> at = UtcTime::parse(row.text("expires_at"));
      if (!at) return fields.wrong("expires_at", "is no time of RFC 3339");
      approval.expires_at = *at;
    }
    if (row.find("max_uses") != nullptr) {
      ASSIGN_OR_RETURN(approval.max_uses, fields.integer("max_uses", 1, kMostUses));
    }
    RETURN_IF_ERROR(fields.finish());
  }
  const Status good = check_pattern(approval.pattern);
  if (!good) return Error{ErrorCode::Invalid, path + ": " + good.error().detail, good.error().reason};
  return approval;
}

}  // namespace

Result<SecurityPolicy> SecurityPolicy::read(const Json& document) {
  SecurityPolicy policy;
  JsonFields fields(document, "");
  if (document.find("tool_approval_required") != nullptr) {
    ASSIGN_OR_RETURN(policy.tool_approval_required, fields.boolean("tool_approval_required"));
  }
  if (document.find("auto_approve_patterns") != nullptr) {
    ASSIGN_OR_RETURN(const Json::Array* rows, fields.array("auto_approve_patterns"));
    for (std::size_t i = 0; i < rows->size(); ++i) {
      ASSIGN_OR_RETURN(AutoApproval approval,
                       read_pattern((*rows)[i], "auto_approve_patterns[" + std::to_string(i) + "]"));
      policy.auto_approve.push_back(std::move(approval));
    }
  }
  RETURN_IF_ERROR(fields.finish());
  return policy;
}

std::vector<std::string> SecurityPolicy::warnings() const {
  std::vector<std::string> said;
  if (!tool_approval_required) {
    said.emplace_back("tool_approval_required is false: nobody can approve a tool; for development only");
  }
  for (const AutoApproval& each : auto_approve) {
    if (!each.expires_at && !each.max_uses) {
      said.push_back("auto_approve_patterns: " + each.pattern + " has neither expires_at nor max_uses");
    }
  }
  return said;
}

bool is_over(const AutoApproval& approval, std::int64_t uses, UtcTime now) {
  return (approval.expires_at && now >= *approval.expires_at) || (approval.max_uses && uses >= *approval.max_uses);
}

}  // namespace countersign::broker
