// One person's dealings with the broker's queue: what waits for people, and how they answer. The commands, the inbox in
// the terminal and its page all go through here.
#pragma once

#include <cstdint>
#include <string>

#include "command/broker/broker_connection.h"
#include "command/line/arguments.h"
#include "common/json.h"
#include "common/result.h"

namespace countersign::command {

// How long an approval is to last; an empty mode leaves it to the broker's approvals.default.
struct ApprovalChoice {
  std::string mode;       // "", "once", "allowlist", "uses", "until", "break_glass"
  std::int64_t uses = 0;  // of "uses"
  std::string until;      // of "until"; RFC 3339
  std::string reason;     // the token's reason_code; the request's id where it is empty
};

// What a person says of a proposed server.
struct ProposalDecision {
  bool approved = false;
  bool override_vetting = false;
  std::string reason;
  std::int64_t version = 0;  // that they looked at: another one is not decided on; 0 for whichever there is
};

class BrokerDesk {
 public:
  // `arguments` say where the broker and the signer are, who approves and by which key (--broker, --signer, --approver,
  // --ssh-key, --proof).
  explicit BrokerDesk(Arguments arguments) : arguments_(std::move(arguments)), broker_(arguments_) {}

  // {"requests","proposals","quarantine","break_glass"}: what waits for people, emergencies that nobody reviewed yet
  // among it.
  Result<Json> inbox();
  // The requests that wait no more, the newest first, and the proposals that were decided.
  Result<Json> history();
  // All that is known of one: arguments (secrets masked), what changed since the last approved call, the definition.
  Result<Json> request(const std::string& id);
  // With its vetting report.
  Result<Json> proposal(const std::string& id);

  // Mints an approval token of the signer with the person's own key and hands it to the broker, after it was made sure
  // that the intent the signer knows is the request. The answer's "status" is "approved", or "pending" where others
  // have to approve too. Fails as the signer and the broker refuse, and with VerificationFailed, reason
  // "intent_mismatch".
  Result<Json> approve(const std::string& id, const ApprovalChoice& choice);
  Result<Json> reject(const std::string& id, const std::string& reason);
  // Of a break-glass that somebody looked at afterwards.
  Result<Json> review(const std::string& id, const std::string& reason);
  // To approve is to mint an approval token, as of a request. "ok" in the answer is false where a second person is
  // needed.
  Result<Json> decide_proposal(const std::string& id, const ProposalDecision& decision);

  // --approver, else $COUNTERSIGN_APPROVER; empty where neither is given.
  std::string approver() const;
  BrokerConnection& broker() { return broker_; }

 private:
  // Checks that the intent at the signer is what the person was shown.
  using Check = Status (*)(const Json& args, const Json& prepared);
  Result<Json> minted(const Json& prepared, const std::string& reason, const std::string& otherwise, Check check) const;
  Arguments arguments_;
  BrokerConnection broker_;
};

// An id is 16 hex digits: nothing that leads to another path of the socket. Fails with Invalid.
Status check_request_id(const std::string& id);

}  // namespace countersign::command
