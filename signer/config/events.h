// What the security owner is told: the table events → severity, window, text. The front writes an event into the
// outbox in the transaction that records its cause; the notifier delivers it. docs/events.md is printed from it.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string_view>

namespace countersign::config {

enum class Event {
  ApproverUnknown,
  ApproverNotAuthorised,
  ApprovalProofInvalid,
  RequesterIsApprover,
  ScopeWildcard,
  TtlOverLimit,
  TokenForeign,
  TokenReplayed,
  TokenRevoked,
  RevokedTokenUsed,
  AllowWithoutTokens,
  ContextMissingForApproval,
  PeerNotPermitted,
  ClockStep,
  HolderLost,
  HolderReplaced,
  PinRefused,
  TokenLost,
  LedgerFault,
  LedgerRestored,
  ChainMismatch,
  KeyHalted,
  StandbyMissing,
  RotationDue,
  LogTrouble,
  Ceremony,
  PublicationFailed,
  PublicationTampered,
};

enum class Severity { Notice, Warning, Critical };

struct EventRow {
  Event event;
  std::string_view name;  // the outbox row's `event`
  Severity severity;
  std::chrono::seconds window;  // repetitions of one dedupe key inside it are told once, with a count
  std::string_view text;        // one sentence for people; the event's members say who and what
};

std::string_view name_of(Severity severity);  // "notice", "warning", "critical"
const EventRow& row_of(Event event);
std::span<const EventRow> events();
std::optional<Event> event_named(std::string_view name);

}  // namespace countersign::config
