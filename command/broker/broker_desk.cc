#include "command/broker/broker_desk.h"

#include <cstdlib>

#include "command/approval/approval_mint.h"
#include "command/approval/recorded_intent.h"
#include "command/approval/recorded_request.h"
#include "command/line/signer_address.h"
#include "common/text.h"
#include "signer/client/signer_client.h"

namespace countersign::command {
namespace {

// Which intent it is, is the broker's word; what that intent says, the signer's.
Status mismatch() {
  return Error{ErrorCode::VerificationFailed, "the intent at the signer is not what the broker shows",
               "intent_mismatch", "approve nothing, and look at the broker"};
}

// It must be of this tool, these arguments and this kind of approval.
Status check_call(const Json& args, const Json& prepared) {
  const Json* request = prepared.find("request");
  if (request == nullptr) return Error{ErrorCode::Unavailable, "the broker's answer has no request"};
  const Json* grant = args.find("grant");
  const std::string_view mode = grant == nullptr ? std::string_view("once") : grant->text("mode");
  const bool same = args.text("tool") == request->text("tool_id") && mode == prepared.text("mode") &&
                    (mode == "allowlist" || mode == "break_glass" ||
                     sha256(args.text("arguments_json")).hex() == request->text("args_digest"));
  return same ? ok() : mismatch();
}

// It must be of this server's bytes and of what vetting said of them, and override that only where the person does.
Status check_admission(const Json& args, const Json& prepared) {
  const Json* proposal = prepared.find("proposal");
  const Json* overrides = prepared.find("override_vetting");
  const Json* meant = args.find("override_vetting");
  if (proposal == nullptr || overrides == nullptr) return Error{ErrorCode::Unavailable, "the broker shows no proposal"};
  bool same = meant != nullptr && *meant == *overrides;
  for (const char* member : {"server_name", "digest", "vetting_status"}) {
    same = same && args.text(member) == proposal->text(member);
  }
  return same && args.text("proposal_id") == proposal->text("id") ? ok() : mismatch();
}

Json body_of(const ApprovalChoice& choice) {
  Json body = Json::object({});
  if (!choice.mode.empty()) body.set("mode", choice.mode);
  if (choice.mode == "uses") body.set("uses", choice.uses);
  if (choice.mode == "until") body.set("until", choice.until);
  if (choice.mode == "break_glass") body.set("reason", choice.reason);
  return body;
}

// The rows of an answer that is a list, those for which `wanted` holds.
template <typename Wanted>
Result<Json::Array> rows_of(Result<Json> answer, const Wanted& wanted) {
  if (!answer) return answer.error();
  if (!answer->is_array()) return Error{ErrorCode::Unavailable, "the broker's answer is no list", "bad_answer"};
  Json::Array rows;
  for (Json& row : answer->as_array()) {
    if (wanted(row)) rows.push_back(std::move(row));
  }
  return rows;
}

bool waits(const Json& row) {
  return row.text("status") == "pending";
}

}  // namespace

Status check_request_id(const std::string& id) {
  if (id.size() == 16 && id.find_first_not_of("0123456789abcdef") == std::string::npos) return ok();
  return Error{ErrorCode::Invalid, "an id is 16 hex digits", "bad_request_id", "countersign broker pending lists them"};
}

std::string BrokerDesk::approver() const {
  const char* from_environment = std::getenv("COUNTERSIGN_APPROVER");
  return std::string(
      trimmed(arguments_.text("approver", from_environment == nullptr ? std::string_view() : from_environment)));
}

Result<Json> BrokerDesk::inbox() {
  const auto all = [](const Json&) { return true; };
  ASSIGN_OR_RETURN(Json::Array requests, rows_of(broker_.get("/v1/pending"), all));
  ASSIGN_OR_RETURN(Json::Array proposals, rows_of(broker_.get("/v1/proposals"), waits));
  ASSIGN_OR_RETURN(Json::Array quarantine, rows_of(broker_.get("/v1/quarantine"), all));
  ASSIGN_OR_RETURN(Json::Array reviews, rows_of(broker_.get("/v1/break-glass"), all));
  return Json::object({{"requests", std::move(requests)},
                       {"proposals", std::move(proposals)},
                       {"quarantine", std::move(quarantine)},
                       {"break_glass", std::move(reviews)}});
}

Result<Json> BrokerDesk::history() {
  const auto decided = [](const Json& row) { return !waits(row); };
  ASSIGN_OR_RETURN(Json::Array requests, rows_of(broker_.get("/v1/ended"), decided));
  ASSIGN_OR_RETURN(Json::Array proposals, rows_of(broker_.get("/v1/proposals"), decided));
  return Json::object({{"requests", std::move(requests)}, {"proposals", std::move(proposals)}});
}

Result<Json> BrokerDesk::request(const std::string& id) {
  RETURN_IF_ERROR(check_request_id(id));
  return broker_.get("/v1/requests/" + id);
}

Result<Json> BrokerDesk::proposal(const std::string& id) {
  RETURN_IF_ERROR(check_request_id(id));
  return broker_.get("/v1/proposals/" + id);
}

Result<Json> BrokerDesk::minted(const Json& prepared, const std::string& reason, const std::string& otherwise,
                                Check check) const {
  client::SignerClient signer(signer_address(arguments_).path);
  statement::ApprovalTokenFields fields;
  ASSIGN_OR_RETURN(fields.intent_digest, Digest::parse(prepared.text("intent_digest")));
  ASSIGN_OR_RETURN(fields.policy_digest, Digest::parse(prepared.text("policy_digest")));
  ASSIGN_OR_RETURN(const RecordedIntent intent, RecordedIntent::fetch(signer, fields.intent_digest));
  const Json* args = intent.digest_form().find("args");
  RETURN_IF_ERROR(args == nullptr ? mismatch() : check(*args, prepared));
  ASSIGN_OR_RETURN(const RecordedRequest recorded,
                   RecordedRequest::fetch(signer, fields.intent_digest, fields.policy_digest));
  fields.scope = recorded.required_scopes();
  fields.ttl = recorded.default_ttl();
  fields.approver_identity = approver();
  if (fields.approver_identity.empty()) {
    return Error{ErrorCode::Invalid, "--approver is required", "missing_flag",
                 "say who you are, as the signer's roster spells it: --approver alice@company"};
  }
  fields.reason_code = trimmed(reason);
  if (fields.reason_code.empty()) fields.reason_code = otherwise;
  return mint_approval(arguments_, signer, fields);
}

Result<Json> BrokerDesk::approve(const std::string& id, const ApprovalChoice& choice) {
  RETURN_IF_ERROR(check_request_id(id));
  Json body = body_of(choice);
  ASSIGN_OR_RETURN(const Json prepared, broker_.post("/v1/requests/" + id + "/prepare", body));
  body.set("mode", prepared.text("mode"));  // the broker's default, where none was chosen
  ASSIGN_OR_RETURN(Json token, minted(prepared, choice.reason, "broker_request_" + id, check_call));
  body.set("token", std::move(token));
  return broker_.post("/v1/requests/" + id + "/approve", body);
}

Result<Json> BrokerDesk::reject(const std::string& id, const std::string& reason) {
  RETURN_IF_ERROR(check_request_id(id));
  return broker_.post("/v1/requests/" + id + "/reject", Json::object({{"reason", reason}}));
}

Result<Json> BrokerDesk::review(const std::string& id, const std::string& reason) {
  RETURN_IF_ERROR(check_request_id(id));
  return broker_.post("/v1/requests/" + id + "/review", Json::object({{"reason", reason}}));
}

Result<Json> BrokerDesk::decide_proposal(const std::string& id, const ProposalDecision& decision) {
  RETURN_IF_ERROR(check_request_id(id));
  Json body = Json::object({});
  if (!decision.reason.empty()) body.set("reason", decision.reason);
  if (decision.version != 0) body.set("version", decision.version);
  if (decision.approved && decision.override_vetting) body.set("override", true);
  if (!decision.approved) return broker_.post("/v1/proposals/" + id + "/reject", body);
  ASSIGN_OR_RETURN(const Json prepared, broker_.post("/v1/proposals/" + id + "/prepare", body));
  const Json* overrides = prepared.find("override_vetting");
  if (!decision.override_vetting && overrides != nullptr && *overrides == Json(true)) return mismatch().error();
  ASSIGN_OR_RETURN(Json token, minted(prepared, decision.reason, "broker_proposal_" + id, check_admission));
  body.set("token", std::move(token));
  return broker_.post("/v1/proposals/" + id + "/approve", body);
}

}  // namespace countersign::command
