#include "gate/call/oauth_evidence.h"

#include <algorithm>

#include "common/clock.h"
#include "common/text.h"
#include "gate/document/optional_members.h"

namespace countersign::gate {
namespace {

enum class Needed { Never, Always, ForDynamicClients };

struct Member {
  std::string_view name;
  bool is_list;
  Needed needed;
};
// In the order in which gait names what is missing.
constexpr Member kMembers[] = {
    {"issuer", false, Needed::Always},
    {"audience", true, Needed::Always},
    {"subject", false, Needed::Always},
    {"client_id", false, Needed::Always},
    {"token_type", false, Needed::Always},
    {"scopes", true, Needed::Always},
    {"redirect_uri", false, Needed::Always},
    {"evidence_ref", false, Needed::Always},
    {"dcr_client_id", false, Needed::ForDynamicClients},
    {"token_binding", false, Needed::ForDynamicClients},
    {"auth_time", false, Needed::Always},
};
constexpr std::string_view kModes[] = {"off", "none", "token", "oauth", "oauth_dcr"};
constexpr std::string_view kDynamic = "oauth_dcr";

Json read_evidence(const Json& given, const GaitFields& context) {
  Json out{Json::Object{}};
  GaitFields fields(given, context, "oauth_evidence");
  for (const Member& member : kMembers) {
    std::string text;
    std::vector<std::string> texts;
    if (member.is_list) {
      fields.texts(member.name, texts);
      put(out, member.name, texts);
    } else {
      fields.text(member.name, text);
      put(out, member.name, text);
    }
  }
  return out;
}

bool says_something(const Json& evidence, const Member& member) {
  if (!member.is_list) return !trimmed(evidence.text(member.name)).empty();
  return std::ranges::any_of(texts_of(evidence.find(member.name)),
                             [](const std::string& text) { return !trimmed(text).empty(); });
}

Status complete(const Json& evidence, bool dynamic) {
  std::string missing;
  for (const Member& member : kMembers) {
    const bool needed = member.needed == Needed::Always || (dynamic && member.needed == Needed::ForDynamicClients);
    if (!needed || says_something(evidence, member)) continue;
    missing += (missing.empty() ? "" : ", ") + std::string(member.name);
  }
  const std::string_view time = trimmed(evidence.text("auth_time"));
  if (!time.empty() && !UtcTime::parse(time)) {
    return Error{ErrorCode::Invalid, "context.oauth_evidence.auth_time must be RFC3339"}.at(
        "context.oauth_evidence.auth_time");
  }
  if (missing.empty()) return ok();
  return Error{ErrorCode::Invalid, "missing OAuth evidence fields: " + missing}.at("context.oauth_evidence");
}

}  // namespace

OauthEvidence OauthEvidence::read(GaitFields& context) {
  OauthEvidence out;
  context.text("auth_mode", out.mode);
  out.mode = lowered(trimmed(out.mode));
  if (const Json* given = context.structure("oauth_evidence")) out.evidence = read_evidence(*given, context);
  Json free;
  context.map("auth_context", free);
  if (out.mode.empty()) out.mode = lowered(trimmed(free.text("oauth_mode")));
  if (out.mode.empty() && !out.evidence.is_null()) out.mode = "oauth";
  if (const Json* held = free.find("oauth_evidence"); out.evidence.is_null() && held != nullptr && held->is_object()) {
    out.evidence = *held;
  }
  return out;
}

Status OauthEvidence::check(bool strictly) const {
  if (mode.empty()) return ok();
  if (std::ranges::find(kModes, mode) == std::end(kModes)) {
    return Error{ErrorCode::Invalid, "context.auth_mode must be one of off|none|token|oauth|oauth_dcr"}.at(
        "context.auth_mode");
  }
  if (!strictly || !mode.starts_with("oauth")) return ok();
  if (evidence.is_null()) {
    return Error{ErrorCode::Invalid, "oss-prod with OAuth auth mode requires context.oauth_evidence"}.at(
        "context.oauth_evidence");
  }
  return complete(evidence, mode == kDynamic);
}

}  // namespace countersign::gate
