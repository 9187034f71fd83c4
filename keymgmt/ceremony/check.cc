#include "keymgmt/ceremony/check.h"

#include <algorithm>

namespace countersign::ceremony {
namespace {

Error broken(std::string what) {
  return Error{ErrorCode::VerificationFailed, "the transcript " + std::move(what), "transcript_broken"};
}

std::vector<Approval> of_members(const Quorum& quorum, const std::vector<Approval>& approvals) {
  std::vector<Approval> theirs;
  std::ranges::copy_if(approvals, std::back_inserter(theirs),
                       [&](const Approval& approval) { return quorum.find(approval.custodian) != nullptr; });
  return theirs;
}

Status check_steps(const Transcript& transcript, const Intent& intent) {
  std::size_t next = 0;
  for (const Entry& entry : transcript.entries()) {
    if (entry.kind != "step") continue;
    if (next == intent.steps.size()) return broken("has more steps than the plan");
    const Json* number = entry.json.find("step");
    const bool same = number != nullptr && number->is_integer() &&
                      number->as_integer() == static_cast<std::int64_t>(next) &&
                      entry.json.text("title") == intent.steps[next].title() &&
                      entry.json.text("expected") == intent.steps[next].expected();
    if (!same) return broken("has another step " + std::to_string(next + 1) + " than the plan");
    for (const std::string& person : intent.initials_wanted()) {
      const Json* initials = entry.json.find("initials");
      if (initials == nullptr || initials->text(person).empty()) {
        return broken("has no initials of " + person + " at step " + std::to_string(next + 1));
      }
    }
    ++next;
  }
  if (next == intent.steps.size()) return ok();
  return broken("has " + std::to_string(next) + " of " + std::to_string(intent.steps.size()) + " steps");
}

}  // namespace

Result<Checked> check_ceremony(std::string_view text, const std::vector<Approval>& signatures, const Quorum& pinned) {
  ASSIGN_OR_RETURN(const Transcript transcript, Transcript::parse(text));
  if (transcript.torn() > 0) return broken("is cut off in its last line");
  if (transcript.entries().empty() || transcript.entries().front().kind != "begin") return broken("has no beginning");
  if (!transcript.ended()) return broken("has no end");
  const Json& begin = transcript.entries().front().json;
  if (begin.text("mode") != "run") return broken("is of a rehearsal");
  Checked checked;
  ASSIGN_OR_RETURN(checked.intent, read_intent(begin.text("intent")));
  if (begin.text("intent_sha256") != checked.intent.digest.hex()) return broken("holds another plan than it says");
  const Json* approvals = begin.find("approvals");
  if (approvals == nullptr) return broken("names nobody who signed the plan");
  ASSIGN_OR_RETURN(const std::vector<Approval> planned, read_approvals(*approvals));
  ASSIGN_OR_RETURN(checked.planned_by,
                   approved_by(pinned, Subject::Plan, checked.intent.text, of_members(pinned, planned)));
  RETURN_IF_ERROR(check_steps(transcript, checked.intent));
  ASSIGN_OR_RETURN(checked.signed_by, approved_by(pinned, Subject::Transcript, text, of_members(pinned, signatures)));
  for (const Entry& entry : transcript.entries()) {
    if (entry.kind == "exception") checked.exceptions.emplace_back(entry.json.text("what"));
  }
  const Json* keys = transcript.last("end")->json.find("keys");
  checked.keys = keys == nullptr ? Json(Json::Array{}) : *keys;
  return checked;
}

}  // namespace countersign::ceremony
