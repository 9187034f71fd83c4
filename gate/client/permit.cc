#include "gate/client/permit.h"

#include "signer/statement/statement.h"

namespace countersign::gate::client {
namespace {

// Clocks of one machine read at nearly the same moment; more than this is a trace of the future.
constexpr std::chrono::nanoseconds kClockSlack = std::chrono::seconds(5);

Error refused(std::string detail, std::string reason, std::string hint = {}) {
  return Error{ErrorCode::Refused, std::move(detail), std::move(reason), std::move(hint)};
}

// args.argv as it was hashed; nothing where it is no list of texts.
std::optional<std::vector<std::string>> approved_argv(const Intent& intent) {
  const Json* list = intent.fields().args.find("argv");
  if (list == nullptr || !list->is_array()) return std::nullopt;
  std::vector<std::string> argv;
  for (const Json& word : list->as_array()) {
    if (!word.is_string()) return std::nullopt;
    argv.push_back(word.as_string());
  }
  return argv;
}

}  // namespace

Result<Permit> Permit::check_call(const Json& trace, const Intent& intent, const PermitRules& rules) {
  ASSIGN_OR_RETURN(const statement::VerifiedDocument verified,
                   statement::VerifiedDocument::verify(statement::StatementType::Trace, trace, rules.keys));
  const Json& document = verified.document();
  if (document.text("verdict") != statement::name_of(statement::Verdict::Allow)) {
    return refused("the trace's verdict is " + std::string(document.text("verdict")) + ", not allow",
                   "verdict_not_allow", "evaluate again with the approvals the intent needs");
  }
  if (document.text("intent_digest") != intent.intent_digest().hex()) {
    return refused("the trace allows intent " + std::string(document.text("intent_digest")) + ", the file is intent " +
                       intent.intent_digest().hex(),
                   "intent_mismatch", "evaluate the intent that is to run");
  }
  if (rules.policy_digest && document.text("policy_digest") != rules.policy_digest->hex()) {
    return refused("the trace was decided under policy " + std::string(document.text("policy_digest")) +
                       ", not under the pinned one",
                   "policy_mismatch", "evaluate under the policy that is in force");
  }
  if (verified.signed_at() > rules.now + kClockSlack) {
    return refused("the trace is signed at " + verified.signed_at().rfc3339() + ", which is in the future",
                   "permit_from_the_future", "check the clocks");
  }
  if (rules.now - verified.signed_at() > rules.execute_within) {
    return refused(
        "the trace is from " + verified.signed_at().rfc3339() + ", older than " + duration_text(rules.execute_within),
        "permit_expired", "evaluate again; a permit is for running at once");
  }
  return Permit(trace);
}

Result<Permit> Permit::check(const Json& trace, const Intent& intent, const std::vector<std::string>& argv,
                             const PermitRules& rules) {
  ASSIGN_OR_RETURN(Permit permit, check_call(trace, intent, rules));
  if (!intent.argv()) {
    return refused("the intent has no list of texts args.argv, so no command line was approved", "argv_missing",
                   "put the exact command line into the intent's args.argv");
  }
  const bool is_bound = intent.exact_args() || approved_argv(intent) == argv;
  if (*intent.argv() != argv || !is_bound) {
    return refused("the command line is not, byte for byte, the approved args.argv", "argv_mismatch",
                   "run exactly what the intent's args.argv says");
  }
  return permit;
}

}  // namespace countersign::gate::client
