// The intent behind a digest, as the signer keeps it for approvers, believed only as far as it hashes to that digest.
#pragma once

#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "signer/client/signer_client.h"

namespace countersign::command {

class RecordedIntent {
 public:
  // GET /v1/requests/{intent_digest}. Fails with NotFound, and with VerificationFailed, reason
  // "intent_digest_mismatch", where what the signer gives does not hash to `digest`.
  static Result<RecordedIntent> fetch(client::SignerClient& signer, const Digest& digest);

  // The normalised intent, exactly what is hashed and approved.
  const Json& digest_form() const { return digest_form_; }
  // The context members that an envelope set: they stand in no intent file.
  std::string context_set_digest() const;
  std::string context_evidence_mode() const;
  std::vector<std::string> context_refs() const;

 private:
  explicit RecordedIntent(Json digest_form) : digest_form_(std::move(digest_form)) {}
  const Json* context() const { return digest_form_.find("context"); }
  Json digest_form_;
};

}  // namespace countersign::command
