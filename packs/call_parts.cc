#include "packs/call_parts.h"

#include <algorithm>
#include <tuple>

#include "common/text.h"
#include "gate/document/optional_members.h"
#include "signer/statement/say_token_fields.h"
#include "signer/statement/statement.h"

namespace countersign::packs {
namespace {

using gate::DocumentPlace;
using gate::GaitFields;
using gate::put;

constexpr std::string_view kEventSchema = "gait.voice.call_event";
constexpr std::string_view kVersion = "1.0.0";
constexpr std::string_view kEmitted = "tts.emitted";
constexpr std::string_view kRequiredTypes[] = {"asr.final",   "commitment.declared", "gate.decision", "tts.request",
                                               "tts.emitted", "tool.intent",         "tool.result"};

Error wrong(std::string detail, const DocumentPlace& place, std::string_view member) {
  return Error{ErrorCode::Invalid, std::move(detail)}.at(place.of(member));
}

void read_place(GaitFields& fields, CallPlace& at) {
  fields.text("call_id", at.call_id);
  fields.integer("call_seq", at.call_seq, "int");
  fields.integer("turn_index", at.turn_index, "int");
  fields.text("commitment_class", at.commitment_class);
}

// `what` is the row's name in gait's words.
Status normalise_place(CallPlace& at, const std::string& what, std::string_view call_id, const DocumentPlace& place) {
  at.call_id = std::string(trimmed(at.call_id));
  if (at.call_id.empty() || at.call_id != call_id) {
    return wrong(what + " call_id must match call record", place, "call_id");
  }
  if (at.call_seq <= 0) return wrong(what + " call_seq must be >= 1", place, "call_seq");
  if (at.turn_index < 0) return wrong(what + " turn_index must be >= 0", place, "turn_index");
  return ok();
}

Status normalise_class(CallPlace& at, const std::string& what, const DocumentPlace& place) {
  at.commitment_class = lowered(trimmed(at.commitment_class));
  if (statement::is_commitment_class(at.commitment_class)) return ok();
  return wrong("unsupported " + what + " commitment_class: " + at.commitment_class, place, "commitment_class");
}

Status normalise_digest(std::string& digest, const std::string& what, std::string_view name,
                        const DocumentPlace& place) {
  digest = lowered(trimmed(digest));
  if (digest.empty() || gate::is_digest_text(digest)) return ok();
  return wrong(what + " " + std::string(name) + " must be sha256 hex", place, name);
}

void put_place(Json& out, const CallPlace& at) {
  out.set("call_id", at.call_id);
  out.set("call_seq", at.call_seq);
  out.set("turn_index", at.turn_index);
  put(out, "commitment_class", at.commitment_class);
}

std::string described(const CallPlace& at) {
  return "turn_index=" + std::to_string(at.turn_index) + " call_seq=" + std::to_string(at.call_seq) +
         " class=" + at.commitment_class;
}

Error unspoken(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

// Its receipt stands at the same place and has the same token.
Status check_emitted(const CallEvent& event, const std::vector<SpeakReceipt>& receipts) {
  const std::string where =
      " for call_seq=" + std::to_string(event.at.call_seq) + " turn_index=" + std::to_string(event.at.turn_index);
  if (event.say_token_id.empty()) return unspoken("gated tts.emitted event missing say_token_id" + where);
  const std::string of_class = where + " class=" + event.at.commitment_class;
  // Of several at one place gait takes the last.
  const auto receipt = std::find_if(receipts.rbegin(), receipts.rend(), [&event](const SpeakReceipt& each) {
    return std::tie(each.at.call_seq, each.at.turn_index, each.at.commitment_class) ==
           std::tie(event.at.call_seq, event.at.turn_index, event.at.commitment_class);
  });
  if (receipt == receipts.rend()) return unspoken("gated tts.emitted event missing speak receipt" + of_class);
  if (receipt->say_token_id == event.say_token_id) return ok();
  return unspoken("gated tts.emitted event say_token_id mismatch" + of_class);
}

Status check_allowed(const SpeakReceipt& receipt, const std::vector<CallDecision>& decisions) {
  const CallDecision* latest = nullptr;
  for (const CallDecision& each : decisions) {
    if (each.at.commitment_class != receipt.at.commitment_class || each.at.turn_index != receipt.at.turn_index ||
        each.at.call_seq > receipt.at.call_seq) {
      continue;
    }
    if (latest == nullptr || each.at.call_seq > latest->at.call_seq) latest = &each;
  }
  if (latest == nullptr) return unspoken("speak receipt missing prior gate decision for " + described(receipt.at));
  if (latest->verdict == statement::name_of(statement::Verdict::Allow)) return ok();
  return unspoken("speak receipt latest prior gate verdict is " + latest->verdict + " (expected allow) for " +
                  described(receipt.at));
}

}  // namespace

CallEvent read_event(GaitFields& fields) {
  CallEvent event;
  fields.text("schema_id", event.schema_id);
  fields.text("schema_version", event.schema_version);
  fields.time("created_at", event.created_at);
  read_place(fields, event.at);
  fields.text("event_type", event.event_type);
  fields.text("intent_digest", event.intent_digest);
  fields.text("policy_digest", event.policy_digest);
  fields.text("say_token_id", event.say_token_id);
  fields.text("payload_digest", event.payload_digest);
  fields.map("attributes", event.attributes);
  fields.refuse_unknown();
  return event;
}

CallDecision read_decision(GaitFields& fields) {
  CallDecision decision;
  read_place(fields, decision.at);
  fields.text("verdict", decision.verdict);
  fields.texts("reason_codes", decision.reason_codes);
  fields.text("intent_digest", decision.intent_digest);
  fields.text("policy_digest", decision.policy_digest);
  fields.text("approval_ref", decision.approval_ref);
  fields.refuse_unknown();
  return decision;
}

SpeakReceipt read_receipt(GaitFields& fields) {
  SpeakReceipt receipt;
  read_place(fields, receipt.at);
  fields.text("say_token_id", receipt.say_token_id);
  fields.text("spoken_digest", receipt.spoken_digest);
  fields.time("emitted_at", receipt.emitted_at);
  fields.refuse_unknown();
  return receipt;
}

CallReference read_reference(GaitFields& fields) {
  CallReference reference;
  fields.text("ref_id", reference.ref_id);
  fields.text("sha256", reference.sha256);
  fields.refuse_unknown();
  return reference;
}

Status normalise(CallEvent& event, std::string_view call_id, const DocumentPlace& place) {
  const std::string what = "call event";
  if (trimmed(event.schema_id).empty()) event.schema_id = kEventSchema;
  if (event.schema_id != kEventSchema) {
    return wrong("unsupported call event schema_id: " + event.schema_id, place, "schema_id");
  }
  if (trimmed(event.schema_version).empty()) event.schema_version = kVersion;
  if (event.schema_version != kVersion) {
    return wrong("unsupported call event schema_version: " + event.schema_version, place, "schema_version");
  }
  if (event.created_at.is_zero()) return wrong("call event created_at is required", place, "created_at");
  RETURN_IF_ERROR(normalise_place(event.at, what, call_id, place));
  event.event_type = std::string(trimmed(event.event_type));
  if (event.event_type.empty()) return wrong("call event event_type is required", place, "event_type");
  event.at.commitment_class = lowered(trimmed(event.at.commitment_class));
  if (!event.at.commitment_class.empty()) RETURN_IF_ERROR(normalise_class(event.at, what, place));
  RETURN_IF_ERROR(normalise_digest(event.intent_digest, what, "intent_digest", place));
  RETURN_IF_ERROR(normalise_digest(event.policy_digest, what, "policy_digest", place));
  event.say_token_id = std::string(trimmed(event.say_token_id));
  return normalise_digest(event.payload_digest, what, "payload_digest", place);
}

Status normalise(CallDecision& decision, std::string_view call_id, const DocumentPlace& place) {
  const std::string what = "gate decision";
  RETURN_IF_ERROR(normalise_place(decision.at, what, call_id, place));
  RETURN_IF_ERROR(normalise_class(decision.at, what, place));
  decision.verdict = lowered(trimmed(decision.verdict));
  if (!statement::verdict_named(decision.verdict)) {
    return wrong("unsupported gate decision verdict: " + decision.verdict, place, "verdict");
  }
  decision.reason_codes = text_set(decision.reason_codes, false);
  RETURN_IF_ERROR(normalise_digest(decision.intent_digest, what, "intent_digest", place));
  RETURN_IF_ERROR(normalise_digest(decision.policy_digest, what, "policy_digest", place));
  decision.approval_ref = std::string(trimmed(decision.approval_ref));
  return ok();
}

Status normalise(SpeakReceipt& receipt, std::string_view call_id, const DocumentPlace& place) {
  const std::string what = "speak receipt";
  RETURN_IF_ERROR(normalise_place(receipt.at, what, call_id, place));
  RETURN_IF_ERROR(normalise_class(receipt.at, what, place));
  receipt.say_token_id = std::string(trimmed(receipt.say_token_id));
  if (receipt.say_token_id.empty()) return wrong("speak receipt say_token_id is required", place, "say_token_id");
  receipt.spoken_digest = lowered(trimmed(receipt.spoken_digest));
  if (!gate::is_digest_text(receipt.spoken_digest)) {
    return wrong("speak receipt spoken_digest must be sha256 hex", place, "spoken_digest");
  }
  if (receipt.emitted_at.is_zero()) return wrong("speak receipt emitted_at is required", place, "emitted_at");
  return ok();
}

std::vector<CallReference> normalised(std::vector<CallReference> references) {
  for (CallReference& each : references) {
    each.ref_id = std::string(trimmed(each.ref_id));
    each.sha256 = lowered(trimmed(each.sha256));
  }
  std::erase_if(references,
                [](const CallReference& each) { return each.ref_id.empty() || !gate::is_digest_text(each.sha256); });
  std::ranges::sort(references);
  const auto repeated = std::ranges::unique(references);
  references.erase(repeated.begin(), repeated.end());
  return references;
}

Status check_events(const std::vector<CallEvent>& events) {
  if (events.empty()) return Error{ErrorCode::Invalid, "call record events are required"}.at("events");
  if (!std::ranges::is_sorted(events, {}, [](const CallEvent& event) { return event.at.call_seq; })) {
    return unspoken("call events must be sorted by call_seq");
  }
  for (const std::string_view type : kRequiredTypes) {
    if (std::ranges::find(events, type, &CallEvent::event_type) == events.end()) {
      return Error{ErrorCode::Invalid, "call events missing required type: " + std::string(type)}.at("events");
    }
  }
  return ok();
}

Status check_speech(const CallParts& parts) {
  for (const CallEvent& event : parts.events) {
    if (event.event_type != kEmitted || event.at.commitment_class.empty()) continue;
    RETURN_IF_ERROR(check_emitted(event, parts.receipts));
  }
  for (const SpeakReceipt& receipt : parts.receipts) RETURN_IF_ERROR(check_allowed(receipt, parts.decisions));
  return ok();
}

Json CallEvent::json() const {
  Json out = Json::object(
      {{"schema_id", schema_id}, {"schema_version", schema_version}, {"created_at", created_at.rfc3339()}});
  out.set("call_id", at.call_id);
  out.set("call_seq", at.call_seq);
  out.set("turn_index", at.turn_index);
  out.set("event_type", event_type);
  put(out, "commitment_class", at.commitment_class);
  put(out, "intent_digest", intent_digest);
  put(out, "policy_digest", policy_digest);
  put(out, "say_token_id", say_token_id);
  put(out, "payload_digest", payload_digest);
  if (attributes.is_object() && !attributes.as_object().empty()) out.set("attributes", attributes);
  return out;
}

Json CallDecision::json() const {
  Json out{Json::Object{}};
  put_place(out, at);
  out.set("verdict", verdict);
  put(out, "reason_codes", reason_codes);
  put(out, "intent_digest", intent_digest);
  put(out, "policy_digest", policy_digest);
  put(out, "approval_ref", approval_ref);
  return out;
}

Json SpeakReceipt::json() const {
  Json out{Json::Object{}};
  put_place(out, at);
  out.set("say_token_id", say_token_id);
  out.set("spoken_digest", spoken_digest);
  out.set("emitted_at", emitted_at.rfc3339());
  return out;
}

Json CallReference::json() const {
  return Json::object({{"ref_id", ref_id}, {"sha256", sha256}});
}

}  // namespace countersign::packs
