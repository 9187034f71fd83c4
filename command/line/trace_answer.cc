#include "command/line/trace_answer.h"

#include <algorithm>

#include "command/line/command.h"
#include "gate/keyfile/go_base64.h"

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
};

// What gait finds wrong with the envelope itself, in its order (gait-formats §4); empty where it is another fault.
std::string envelope_fault(const Json& trace, const keymgmt::KeySet& keys) {
  const Json* envelope = trace.find("signature");
  if (envelope == nullptr || !envelope->is_object()) return {};
  if (envelope->text("alg") != "ed25519") return "unsupported alg: " + std::string(envelope->text("alg"));
  const std::string_view key_id = envelope->text("key_id");
  if (keys.find(key_id) == nullptr) return "key id mismatch";
  const Result<Bytes> signature = keyfile::from_go_base64(envelope->text("sig"));
  if (!signature) return "decode sig: " + signature.error().detail;
  constexpr std::size_t kSignatureSize = 64;
  if (signature->size() != kSignatureSize) return "invalid signature length: " + std::to_string(signature->size());
  return {};
}

// The error text gait has for the failure; empty where it has none: a well-formed signature that does not verify.
std::string gait_text_of(const Error& error, const Json& trace, const keymgmt::KeySet& keys) {
  const auto text = std::ranges::find(kGaitTexts, error.reason, &GaitText::reason);
  if (text != std::end(kGaitTexts)) return std::string(text->text);
  if (std::string fault = envelope_fault(trace, keys); !fault.empty()) return fault;
  return error.reason == "signature_invalid" ? std::string() : error.detail;
}

Json failed(Json members, const Error& error, const Json& trace, const keymgmt::KeySet& keys) {
  members.set("ok", false);
  members.set("signature_status", "failed");
  const std::string text = gait_text_of(error, trace, keys);
  Json said = gait_error(error);
  if (text.empty()) {
    members.set("key_id", trace.find("signature")->text("key_id"));
    members.set("error_detail", *said.find("error_detail"));
    return members;
  }
  for (const auto& [name, value] : said.as_object()) members.set(name, value);
  members.set("error", text);
  return members;
}

}  // namespace

Status check_trusted(const Json& trace, const keymgmt::KeySet& trusted) {
  const TraceCheck check = check_trace("", trace, trusted);
  if (check.verified) return ok();
  const Error& why = check.verified.error();
  return Error{ErrorCode::VerificationFailed,
               "the decision is recorded, but its trace does not verify with the keys of --trust: " + why.detail,
               why.reason, "countersign keys sync, then ask again with the same --idempotency-key"};
}

TraceCheck check_trace(const std::string& path, const Json& trace, const keymgmt::KeySet& keys) {
  Json members = described(path, trace);
  Result<statement::VerifiedDocument> verified =
      statement::VerifiedDocument::verify(statement::StatementType::Trace, trace, keys);
  if (!verified) {
    // gait: a trace that cannot be verified is a failed verification, whatever is wrong with it.
    Error failure{ErrorCode::VerificationFailed, verified.error().detail, verified.error().reason,
                  verified.error().hint};
    return {failure, failed(std::move(members), failure, trace, keys)};
  }
  members.set("ok", true);
  members.set("signature_status", "verified");
  members.set("key_id", verified->key().key.gait_key_id());
  return {std::move(verified), std::move(members)};
}

}  // namespace countersign::command
