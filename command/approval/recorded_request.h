// What the signer knows of an intent that waits for approval: GET /v1/decisions.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "signer/client/signer_client.h"

namespace countersign::command {

class RecordedRequest {
 public:
  // Where the signer has no decision this is empty, with a default life of an hour: the signer will say why it refuses.
  static Result<RecordedRequest> fetch(client::SignerClient& signer, const Digest& intent, const Digest& policy);

  // What an approval lives where its approver names no time.
  std::chrono::nanoseconds default_ttl() const { return default_ttl_; }
  // What an approval has to cover, all of it.
  const std::vector<std::string>& required_scopes() const { return required_scopes_; }
  // Those of the required scopes that `scope` lacks, joined by ", ".
  std::string missing_from(const std::vector<std::string>& scope) const;

 private:
  std::chrono::nanoseconds default_ttl_ = std::chrono::hours(1);
  std::vector<std::string> required_scopes_;
};

}  // namespace countersign::command
