// A brokered credential: what is asked of the broker, what it answers, and whether that suffices (reference:
// gait-formats §10). No secret is ever part of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/decision/evaluate.h"
#include "gate/intent/intent.h"

namespace countersign::gate {

struct CredentialRequest {
  std::string tool_name;
  std::string identity;
  std::string workspace;
  std::string session_id;
  std::string request_id;
  std::string run_id;
  std::string job_id;
  std::string reference;
  std::vector<std::string> scope;  // a set; words of the command line keep their case
  std::string target_binding;      // digest of the normalised targets

  // What a broker command reads on its stdin: the ten members by gait's names.
  Json json() const;
  // JCS digest of those, with the scope in lower case.
  Digest digest() const;
};

// `reference` and `scopes` of the command line: the one replaces the rules', the others are added to them.
CredentialRequest credential_request(const Intent& intent, const BrokerNeed& need, std::string_view reference,
                                     const std::vector<std::string>& scopes);

// What a broker says of the credential it issued.
struct CredentialReceipt {
  std::string issued_by;
  std::string source;
  std::string access_type;
  std::string issuer;
  std::string subject;
  std::string owner;
  std::vector<std::string> scope;
  std::string credential_ref;
  std::string target_binding;
  std::string run_binding;
  std::string job_binding;
  std::string request_digest;
  UtcTime issued_at;   // zero: not said
  UtcTime expires_at;  // zero: not said
  std::int64_t ttl_seconds = 0;
  bool of_provider = false;  // in the form of a cloud or vault (provider_receipt.h): it is the requester's

  // A broker command's answer: one JSON object. Fails with Invalid: no credential_ref, one over 256 bytes or with line
  // breaks or tabs, mistyped members.
  static Result<CredentialReceipt> parse(std::string_view text);
};

// gait's normal form, in place: texts trimmed, names in lower case, times completed by the ttl; what the broker
// `broker` left out (who issued it, scope, bindings, the request's digest) is taken from itself and the request.
void complete(CredentialReceipt& receipt, std::string_view broker, const CredentialRequest& request);

// The codes, reason and violation in one, of what is wrong with a completed receipt; empty where it suffices.
std::vector<std::string> objections(const CredentialReceipt& receipt, const CredentialRequest& request,
                                    const BrokerNeed& need, const Intent& intent);

// gait's stub broker: nothing is issued. Lives for 300 s.
CredentialReceipt stub_receipt(const CredentialRequest& request, UtcTime now);

// The decision with a credential that suffices (broker_credential_present), or blocked by `codes`.
Decision after_credential(Decision decision, const std::vector<std::string>& codes);

// gait's evidence record without schema_id, schema_version and producer_version, which the signer of it sets.
Json credential_evidence_fields(const CredentialReceipt& receipt, const CredentialRequest& request, UtcTime created_at,
                                std::string_view trace_id);

}  // namespace countersign::gate
