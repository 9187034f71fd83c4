#include "signer/config/events.h"

#include <cstdlib>

namespace countersign::config {
namespace {

using std::chrono::minutes;

constexpr EventRow kEvents[] = {
    {Event::ApproverUnknown, "approver_unknown", Severity::Warning, minutes(10),
     "An approval was asked for by an identity that is not on the list of approvers."},
    {Event::ApproverNotAuthorised, "approver_not_authorised", Severity::Warning, minutes(10),
     "An approver asked for an approval outside the scopes they may grant."},
    {Event::ApprovalProofInvalid, "approval_proof_invalid", Severity::Critical, minutes(10),
     "Somebody claimed to be an approver and could not prove it."},
    {Event::RequesterIsApprover, "requester_is_approver", Severity::Warning, minutes(10),
     "A requester tried to approve their own request."},
    {Event::ScopeWildcard, "scope_wildcard", Severity::Warning, minutes(10),
     "An approval with a wildcard scope was asked for and refused."},
    {Event::TtlOverLimit, "ttl_over_limit", Severity::Notice, minutes(30),
     "An approval with a longer life than permitted was asked for and refused."},
    {Event::TokenForeign, "token_foreign", Severity::Critical, minutes(10),
     "An approval token was presented that none of the published approval keys signed."},
    {Event::TokenReplayed, "token_replayed", Severity::Critical, minutes(10),
     "An approval token that was already redeemed, or a permit that was already used, was presented again."},
    {Event::TokenRevoked, "token_revoked", Severity::Notice, minutes(10),
     "An approval was taken back before it was used."},
    {Event::RevokedTokenUsed, "revoked_token_used", Severity::Critical, minutes(10),
     "An approval token that was revoked was presented."},
    {Event::AllowWithoutTokens, "allow_without_tokens", Severity::Critical, minutes(10),
     "An allow was asked for without the approvals it needs."},
    {Event::ContextMissingForApproval, "context_missing_for_approval", Severity::Warning, minutes(10),
     "An approval was asked for while the intent's context evidence was missing or wrong."},
    {Event::PeerNotPermitted, "peer_not_permitted", Severity::Warning, minutes(10),
     "A local user asked the signer for something the configuration does not permit them."},
    {Event::ClockStep, "clock_step", Severity::Critical, minutes(5),
     "The clock stepped beyond the bound, so signing stopped."},
    {Event::HolderLost, "holder_lost", Severity::Warning, minutes(5), "A holder ended and is being started again."},
    {Event::HolderReplaced, "holder_replaced", Severity::Warning, minutes(5),
     "A holder hung, grew past its bound, lost its token or could not prove its keys, and was replaced."},
    {Event::PinRefused, "pin_refused", Severity::Critical, minutes(60),
     "A token refused its PIN; the role stays down, because trying again would lock the token."},
    {Event::TokenLost, "token_lost", Severity::Critical, minutes(10), "A token is missing; its roles cannot sign."},
    {Event::LedgerFault, "ledger_fault", Severity::Critical, minutes(5),
     "The ledger cannot be written or is not what it was, so nothing is signed."},
    {Event::LedgerRestored, "ledger_restored", Severity::Critical, minutes(1),
     "The ledger was put back from a backup: what was recorded since is lost, and tokens made before count no more."},
    {Event::ChainMismatch, "chain_mismatch", Severity::Critical, minutes(10),
     "A chain of approvals does not belong together or repeats a token."},
    {Event::KeyHalted, "key_halted", Severity::Critical, minutes(1),
     "A custodian halted a key: it never signs again, and what it signed counts no more."},
    {Event::StandbyMissing, "standby_missing", Severity::Warning, minutes(1440),
     "A role has no standby key: after a halt it would sign nothing until verifiers know a new key."},
    {Event::RotationDue, "rotation_due", Severity::Warning, minutes(1440),
     "The active key of a role is as old as it may become, or soon will be."},
    {Event::LogTrouble, "log_trouble", Severity::Critical, minutes(10),
     "The transparency log publishes nothing new, or somebody else wrote in its folder."},
    {Event::Ceremony, "ceremony", Severity::Notice, minutes(1),
     "A ceremony was opened, settled who decides, or was closed."},
    {Event::PublicationFailed, "publication_failed", Severity::Critical, minutes(60),
     "The key set is not published anew, or soon expires: verifiers will refuse everything once it has."},
    {Event::PublicationTampered, "publication_tampered", Severity::Critical, minutes(10),
     "Somebody changed published files; they were written again."},
};

}  // namespace

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::Notice:
      return "notice";
    case Severity::Warning:
      return "warning";
    case Severity::Critical:
      return "critical";
  }
  std::abort();
}

std::span<const EventRow> events() {
  return kEvents;
}

const EventRow& row_of(Event event) {
  for (const EventRow& row : kEvents) {
    if (row.event == event) return row;
  }
  std::abort();
}

std::optional<Event> event_named(std::string_view name) {
  for (const EventRow& row : kEvents) {
    if (row.name == name) return row.event;
  }
  return std::nullopt;
}

}  // namespace countersign::config
