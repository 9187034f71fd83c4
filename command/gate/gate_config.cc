#include "command/gate/gate_config.h"

#include <filesystem>
#include <string>

#include "command/line/input_file.h"
#include "common/joined.h"
#include "common/strict_yaml.h"
#include "common/text.h"

namespace countersign::command {
namespace {

constexpr std::string_view kDefaultPath = ".gait/config.yaml";

struct Row {
  std::string_view member;  // under `gate:`
  std::string_view flag;
};
constexpr Row kRows[] = {
    {"policy", "policy"},
    {"profile", "profile"},
    {"key_mode", "key-mode"},
    {"private_key", "private-key"},
    {"private_key_env", "private-key-env"},
    {"approval_public_key", "approval-public-key"},
    {"approval_public_key_env", "approval-public-key-env"},
    {"approval_private_key", "approval-private-key"},
    {"approval_private_key_env", "approval-private-key-env"},
    {"kill_switch_state", "kill-switch-state"},
    {"rate_limit_state", "rate-limit-state"},
    {"credential_broker", "credential-broker"},
    {"credential_env_prefix", "credential-env-prefix"},
    {"credential_ref", "credential-ref"},
    {"credential_scopes", "credential-scopes"},
    {"credential_command", "credential-command"},
    {"credential_command_args", "credential-command-args"},
    {"credential_evidence_path", "credential-evidence-out"},
    {"trace_path", "trace-out"},
    {"wrkr_inventory_path", "wrkr-inventory"},
};

Error refused(const std::string& path, std::string_view member, std::string detail) {
  return Error{ErrorCode::Invalid, "parse project config " + path + ": " + std::string(member) + std::move(detail),
               "bad_project_config", "correct it, or pass --no-config"};
}

// A scalar, or a list of them joined by commas as the flag takes them.
Result<std::string> text_of(const YamlNode& node, const std::string& path, std::string_view member) {
  if (node.kind == YamlNode::Kind::Null) return std::string();
  if (node.kind == YamlNode::Kind::Scalar) return std::string(trimmed(node.scalar));
  std::vector<std::string> texts;
  for (const YamlNode& each : node.sequence) {
    if (each.kind != YamlNode::Kind::Scalar) return refused(path, member, ": must be a list of texts");
    texts.push_back(each.scalar);
  }
  if (node.kind != YamlNode::Kind::Sequence) return refused(path, member, ": must be a text or a list of texts");
  return joined(texts, ",");
}

}  // namespace

Result<Arguments> with_gate_config(const Arguments& arguments) {
  if (arguments.is_on(kNoConfigFlag.name)) return arguments;
  const std::string named(trimmed(arguments.text(kConfigFlag.name)));
  const std::string path = named.empty() ? std::string(kDefaultPath) : named;
  std::error_code failure;
  if (named.empty() && !std::filesystem::exists(std::filesystem::symlink_status(path, failure))) return arguments;
  ASSIGN_OR_RETURN(const std::string text, read_input("project config", path));
  YamlLimits limits;
  limits.single_document = false;
  const Result<YamlNode> root = parse_yaml(text, limits);
  if (!root) return refused(path, "", root.error().detail);
  if (root->kind == YamlNode::Kind::Null) return arguments;
  if (root->kind != YamlNode::Kind::Map) return refused(path, "", "must be a mapping");
  const YamlNode* gate = root->find("gate");
  if (gate == nullptr || gate->kind == YamlNode::Kind::Null) return arguments;
  if (gate->kind != YamlNode::Kind::Map) return refused(path, "gate", ": must be a mapping");
  Arguments out = arguments;
  for (const Row& row : kRows) {
    const YamlNode* node = gate->find(row.member);
    if (node == nullptr) continue;
    ASSIGN_OR_RETURN(std::string value, text_of(*node, path, "gate." + std::string(row.member)));
    if (!value.empty() && trimmed(arguments.text(row.flag)).empty()) out.set(row.flag, std::move(value));
  }
  return out;
}

}  // namespace countersign::command
