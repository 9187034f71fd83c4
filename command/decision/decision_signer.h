// Who stands behind a decision of `gate eval`: the signer, which redeems the approvals with it, or key files, which do
// as gait does.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "command/line/arguments.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/trace/trace.h"
#include "keymgmt/key_set.h"
#include "signer/client/signer_client.h"

namespace countersign::command {

// A decision to be signed.
struct DecisionToSign {
  gate::TraceInputs trace;
  const gate::Decision& real;  // the policy's; another than trace.decision where it is simulated
  bool simulated = false;
  std::vector<Json> redeem;     // the approvals it rests on
  const Json& intent_document;  // as the file has it
  std::string idempotency_key;
};

// What there is of one call.
struct CallEvidence {
  std::string runpack;  // its archive
  Json trace;
  std::vector<Json> approval_audits;
  std::vector<Json> delegation_audits;
  std::vector<Json> credential_evidence;
};

// A pack as it is written to a file.
struct SealedPack {
  std::string archive;
  std::string pack_id;
};

// What presented tokens may say. The approval role signs all of them; gait has a key for each.
enum class TokenKind { Approval, Delegation, ApprovedScript };

// For who runs at once what is allowed: the permit is marked executed as it is signed (client::SignRequest::execute).
// `meanwhile` is told the trace's id before the signer has answered.
struct Spending {
  std::function<void(const std::string& trace_id)> meanwhile;
};

class DecisionSigner {
 public:
  virtual ~DecisionSigner() = default;

  // The keys that verify tokens of this kind; empty where none is named.
  virtual Result<keymgmt::KeySet> keys(TokenKind kind) = 0;
  // Fails with Invalid where none is named: the profile oss-prod takes no other key in its place.
  virtual Status require_keys(TokenKind kind) const = 0;
  // The signed trace; a refusal names the approvals that are turned down.
  virtual Result<std::variant<Json, client::Refusal>> trace(const DecisionToSign& decision) = 0;
  // An audit or other record beside the trace, from the fields that statement::Statement takes. gait signs none.
  virtual Result<Json> record(statement::StatementType type, Json fields) = 0;

  // The say token of an allow that was just signed. Fails as the signer refuses.
  virtual Result<Json> say_token(const statement::SayTokenFields& fields) = 0;

  // What was decided of one call in a signed archive: the signer's is an evidence pack (packs/evidence_pack.h), that of
  // key files gait's run pack (packs/run_pack.h). Fails with Invalid where the runpack cannot be read.
  virtual Result<SealedPack> pack(const CallEvidence& evidence) = 0;

  // Vouches for a state file that is about to be written; key files do not.
  virtual Status attest(Json& state, UtcTime now) = 0;

  // Whether decisions are recorded: otherwise approvals are not single-use and simulations may be signed.
  virtual bool has_ledger() const = 0;
  // For the member `warnings`, and for people alone.
  virtual std::vector<std::string> warnings() const = 0;
  virtual std::string notice() const = 0;
};

// What the profile oss-prod asks of the flags (gait-formats §15): no simulation, and with key files gait's prod mode
// and a private key. Fails with Invalid.
Status check_profile_flags(const Arguments& arguments);

// Key files where a key flag is given, otherwise the signer, which is not reached yet. Fails with Invalid where a key
// file cannot be used.
Result<std::unique_ptr<DecisionSigner>> decision_signer(const Arguments& arguments);

// The signer at the other end of `signer`, which outlives it: a service has one connection for many decisions.
// With `spending` each allow is spent as it is signed, by its caller and once.
std::unique_ptr<DecisionSigner> decision_signer(client::SignerClient& signer, const Spending* spending = nullptr);

}  // namespace countersign::command
