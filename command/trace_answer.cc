#include "command/trace_answer.h"

#include <algorithm>

#include "command/command.h"

namespace countersign::command {
namespace {

// What gait says before it knows whether the signature is good.
Json described(const std::string& path, const Json& trace) {
  Json members = Json::object({{"path", path}});
  for (const std::string_view name : {"trace_id", "verdict"}) {
    if (const std::string_view text = trace.text(name); !text.empty()) members.set(name, text);
  }
  return members;
}

// Our reason → gait's text, where gait has one for it; `error_detail` keeps ours.
struct GaitText {
  std::string_view reason;
  std::string_view text;
};
constexpr GaitText kGaitTexts[] = {
    {"signature_missing", "trace signature missing"},
    {"signed_digest_mismatch", "signed_digest mismatch"},
    {"unknown_key", "key id mismatch"},
};

Json failed(Json members, const Error& error) {
  members.set("signature_status", "failed");
  const Json said = gait_error(error);
  for (const auto& [name, value] : said.as_object()) members.set(name, value);
  const auto text = std::ranges::find(kGaitTexts, error.reason, &GaitText::reason);
  if (text != std::end(kGaitTexts)) members.set("error", text->text);
  return members;
}

}  // namespace

TraceCheck check_trace(const std::string& path, const Json& trace, const keymgmt::KeySet& keys) {
  Json members = described(path, trace);
  Result<statement::VerifiedDocument> verified =
      statement::VerifiedDocument::verify(statement::StatementType::Trace, trace, keys);
  if (!verified) {
    // gait: a trace that cannot be verified is a failed verification, whatever is wrong with it.
    Error failure{ErrorCode::VerificationFailed, verified.error().detail, verified.error().reason,
                  verified.error().hint};
    return {failure, failed(std::move(members), failure)};
  }
  members.set("ok", true);
  members.set("signature_status", "verified");
  members.set("key_id", verified->key().key.gait_key_id());
  return {std::move(verified), std::move(members)};
}

}  // namespace countersign::command
