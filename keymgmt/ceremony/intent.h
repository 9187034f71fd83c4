// A ceremony's intent: the one file that custodians review and sign before anything is done. It says what shall be made
// of which key, by whose quorum and when; not on which machine, in which slot or with whose PIN (binding.h), so that
// the file a rehearsal runs is the file that is signed.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/digest.h"
#include "common/result.h"
#include "keymgmt/ceremony/quorum.h"
#include "keymgmt/role.h"

namespace countersign::ceremony {

enum class Purpose { FirstKeys, Rotation, Compromise, Custodians, TokenLoss, Move, Destruction };
enum class StepKind { Generate, Establish, Stage, Activate, Halt, Destroy, Custodians, Roster };

// The table of steps: what each does, as docs/ceremonies.md and the transcript say it.
struct StepRow {
  StepKind kind;
  std::string_view name;  // the member of `steps`
  std::string_view does;  // for people
  bool token;             // opens a token: needs its binding and PIN
  bool signer;            // asks the appliance over admin.sock
};
std::span<const StepRow> step_rows();
const StepRow& row_of(StepKind kind);
std::string_view name_of(Purpose purpose);  // "first-keys", "token-loss", …
std::span<const std::string_view> purposes();

struct Step {
  StepKind kind{};
  keymgmt::Role role{};
  keymgmt::Algorithm algorithm{};
  std::string token;     // its name in the configuration
  std::string id;        // CKA_ID, 32 hex digits, drawn when the plan was made: the key is found by it after a crash
  std::string label;     // "<role>-<yyyymmdd>-<n>"
  std::string replaces;  // kid of the active key that it will follow, or "none"
  bool backup = false;   // the key counts only once its backup was shown
  std::string key;       // a label made here, or the kid of a key that exists
  std::string reason;
  std::optional<Quorum> quorum;  // who the custodians are afterwards
  std::string roster;            // "approvers" or "verifiers"
  std::string sha256;            // of the roster's canonical form

  std::string title() const;     // "generate approval-20261127-1 (ed25519) on token approval"
  std::string expected() const;  // what those present should see
};

struct Intent {
  std::string name;
  Purpose purpose{};
  std::string reason;
  UtcTime from, until;
  Quorum quorum;
  std::string administrator;
  std::vector<std::string> witnesses;
  bool rehearsal_required = true;
  std::vector<Step> steps;
  Digest digest;     // of the file's bytes
  std::string text;  // those bytes

  const Step* making(std::string_view label) const;  // the step that generates that key
  std::vector<std::string> initials_wanted() const;  // administrator and witnesses
};

// Strict: unknown, repeated, missing or mistyped members and places that `plan` has not filled in (${…}) fail with
// Invalid, as do two keys of one id or label, and a step about a key that no earlier step made. Fails as read_quorum
// does.
Result<Intent> read_intent(std::string_view text);

}  // namespace countersign::ceremony
