#include "gate/evidence/provider_receipt.h"

#include <algorithm>

#include "common/text.h"

namespace countersign::gate {
namespace {

struct Provider {
  std::string_view names[3];  // the first is the one it is known by
  std::string_view issuer;
  // The members that make its reference: the first that says something, or with `joined` both, joined by a colon.
  std::string_view members[2];
  bool joined;
};
constexpr Provider kProviders[] = {
    {{"aws_sts", "aws", "sts"}, "sts.amazonaws.com", {"assumed_role_arn", "session_arn"}, false},
    {{"github_oidc", "github", "oidc"}, "token.actions.githubusercontent.com", {"repository", "workflow_ref"}, true},
    {{"vault_dynamic", "vault"}, "vault", {"lease_id"}, false},
    {{"gcp_sts", "gcp"}, "sts.googleapis.com", {"principal", "workload_identity_provider"}, false},
    {{"azure_federated", "azure"},
     "login.microsoftonline.com",
     {"service_principal_id", "federated_credential_id"},
     true},
    {{"okta_cyberark", "okta", "cyberark"}, "okta-cyberark", {"broker_session_id"}, false},
    {{"command"}, "command", {}, false},
    {{"file"}, "file", {}, false},
};

// Members that must name a credential and never be one, and what a credential looks like.
constexpr std::string_view kReferences[] = {"credential_ref", "federated_credential_id", "session_arn",
                                            "broker_session_id", "lease_id"};
constexpr std::string_view kMaterial[] = {"ghp_", "gho_", "github_pat_", "sk-", "AKIA", "ASIA"};

std::string text_of(GaitFields& fields, std::string_view member) {
  std::string text;
  fields.text(member, text);
  return std::string(trimmed(text));
}

const Provider* provider_named(std::string_view name) {
  if (name.empty()) return nullptr;
  const auto found = std::ranges::find_if(
      kProviders, [name](const Provider& each) { return std::ranges::find(each.names, name) != std::end(each.names); });
  return found == std::end(kProviders) ? nullptr : &*found;
}

void refuse_material(GaitFields& fields, FirstError& error) {
  for (const std::string_view member : kReferences) {
    const std::string text = text_of(fields, member);
    const bool material = std::ranges::any_of(kMaterial, [&](std::string_view each) { return text.starts_with(each); });
    if (material) {
      error.add(std::string(member) + " must not contain raw credential material", fields.place().of(member));
    }
  }
}

std::string reference_of(GaitFields& fields, const Provider& provider) {
  std::string out;
  for (const std::string_view member : provider.members) {
    const std::string text = member.empty() ? std::string() : text_of(fields, member);
    // Of two that are joined the first is demanded.
    if (text.empty() && provider.joined && out.empty()) return {};
    if (text.empty() || (!provider.joined && !out.empty())) continue;
    out += ":" + text;
  }
  return out.empty() ? out : std::string(provider.names[0]) + out;
}

}  // namespace

void read_provider(GaitFields& fields, FirstError& error, CredentialReceipt& receipt) {
  const Provider* provider = provider_named(lowered(text_of(fields, "provider")));
  if (provider == nullptr) return;
  refuse_material(fields, error);
  receipt.of_provider = true;
  receipt.issued_by = provider->names[0];
  const std::pair<std::string*, std::string_view> defaults[] = {
      {&receipt.source, provider->names[0]}, {&receipt.access_type, "jit"}, {&receipt.issuer, provider->issuer}};
  for (const auto& [member, value] : defaults) {
    if (trimmed(*member).empty()) *member = value;
  }
  if (trimmed(receipt.credential_ref).empty()) receipt.credential_ref = reference_of(fields, *provider);
}

}  // namespace countersign::gate
