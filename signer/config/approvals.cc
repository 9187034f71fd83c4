// Sections `policies` and `approvals`.
#include <algorithm>

#include "signer/config/sections.h"

namespace countersign::config {
namespace {

constexpr std::chrono::minutes kMostHighRisk{30};  // the approval runbook's limit; a longer life is refused
constexpr std::string_view kAlwaysHighRisk = "destructive:apply";

void read_policies(Reading& reading, YamlFields& document) {
  const YamlNode* policies = document.take("policies");
  if (policies == nullptr) return;
  if (policies->kind != YamlNode::Kind::Sequence) {
    return reading.findings.error("policies", "must be a list" + at_line(*policies));
  }
  for (std::size_t i = 0; i < policies->sequence.size(); ++i) {
    const YamlNode& node = policies->sequence[i];
    YamlFields fields(node, "policies[" + std::to_string(i) + "]");
    PolicyConfig policy;
    const Result<Digest> digest = Digest::parse(reading.findings.keep(fields.required_text("digest")));
    if (!digest) {
      reading.findings.error(fields.path_of("digest"), "must be 64 hex digits" + at_line(node));
    } else {
      policy.digest = *digest;
    }
    policy.min_approvals = static_cast<int>(reading.findings.keep(fields.integer("min_approvals", 1, 0, 100)));
    reading.findings.keep(fields.finish());
    for (const PolicyConfig& other : reading.config.policies) {
      if (digest && other.digest == policy.digest) {
        reading.findings.error(fields.path_of("digest"), "is listed twice" + at_line(node));
      }
    }
    reading.config.policies.push_back(policy);
  }
}

void read_high_risk(Reading& reading, YamlFields& approvals) {
  std::vector<HighRiskScope>& list = reading.config.approvals.high_risk;
  const YamlNode* node = approvals.take("high_risk");
  if (node != nullptr && node->kind != YamlNode::Kind::Sequence) {
    reading.findings.error("approvals.high_risk", "must be a list" + at_line(*node));
  } else if (node != nullptr) {
    for (std::size_t i = 0; i < node->sequence.size(); ++i) {
      YamlFields fields(node->sequence[i], "approvals.high_risk[" + std::to_string(i) + "]");
      HighRiskScope entry;
      entry.scope = reading.findings.keep(fields.required_text("scope"));
      const Status scope = check_scope(entry.scope, false);
      if (!scope) reading.findings.error(fields.path_of("scope"), scope.error().detail + at_line(node->sequence[i]));
      entry.max_ttl = reading.findings.keep(fields.duration("max_ttl", kMostHighRisk));
      if (entry.max_ttl > kMostHighRisk) {
        reading.findings.error(fields.path_of("max_ttl"),
                               "is longer than the 30m that any high-risk approval may live");
      }
      reading.findings.keep(fields.finish());
      const bool repeated =
          std::any_of(list.begin(), list.end(), [&](const HighRiskScope& other) { return other.scope == entry.scope; });
      if (repeated) reading.findings.error(fields.path_of("scope"), "is listed twice: " + entry.scope);
      list.push_back(entry);
    }
  }
  const bool listed =
      std::any_of(list.begin(), list.end(), [](const HighRiskScope& other) { return other.scope == kAlwaysHighRisk; });
  if (!listed) list.push_back({std::string(kAlwaysHighRisk), kMostHighRisk});
}

}  // namespace

void read_approvals(Reading& reading, YamlFields& document) {
  read_policies(reading, document);
  Findings& findings = reading.findings;
  ApprovalsConfig& approvals = reading.config.approvals;
  static const YamlNode kNothing;
  const YamlNode* node = document.take("approvals");
  YamlFields fields(node == nullptr ? kNothing : *node, "approvals");
  approvals.default_ttl = findings.keep(fields.duration("default_ttl", approvals.default_ttl));
  approvals.max_ttl = findings.keep(fields.duration("max_ttl", approvals.max_ttl));
  approvals.high_risk_default_ttl =
      findings.keep(fields.duration("high_risk_default_ttl", approvals.high_risk_default_ttl));
  approvals.execute_within = findings.keep(fields.duration("execute_within", approvals.execute_within));
  approvals.distinct_uid = findings.keep(fields.boolean("distinct_uid", approvals.distinct_uid));
  read_high_risk(reading, fields);
  findings.keep(fields.finish());
  if (approvals.default_ttl > approvals.max_ttl) {
    findings.error("approvals.default_ttl", "is longer than approvals.max_ttl");
  }
  if (approvals.high_risk_default_ttl > kMostHighRisk) {
    findings.error("approvals.high_risk_default_ttl", "is longer than the 30m that any high-risk approval may live");
  }
  for (const auto& [name, ttl] :
       {std::pair{"default_ttl", approvals.default_ttl}, std::pair{"max_ttl", approvals.max_ttl},
        std::pair{"high_risk_default_ttl", approvals.high_risk_default_ttl}}) {
    if (ttl % std::chrono::seconds(1) != std::chrono::nanoseconds(0)) {
      findings.error(std::string("approvals.") + name, "must be whole seconds: tokens carry no fraction");
    }
  }
  if (!approvals.distinct_uid) {
    findings.warning("approvals.distinct_uid",
                     "is false: one local user may request and, with another's SSH key, approve",
                     "set it to true in production");
  }
}

}  // namespace countersign::config
