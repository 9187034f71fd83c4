#include "command/approval/recorded_intent.h"

namespace countersign::command {

Result<RecordedIntent> RecordedIntent::fetch(client::SignerClient& signer, const Digest& digest) {
  ASSIGN_OR_RETURN(const Json answer, signer.request_document(digest));
  const Json* form = answer.find("digest_form");
  if (form == nullptr || form->digest() != digest) {
    return Error{ErrorCode::VerificationFailed,
                 "what the signer keeps for intent " + digest.hex() + " is not that intent", "intent_digest_mismatch",
                 "do not approve or run it; tell the security owner"};
  }
  return RecordedIntent(*form);
}

std::string RecordedIntent::context_set_digest() const {
  return context() == nullptr ? std::string() : std::string(context()->text("context_set_digest"));
}

std::string RecordedIntent::context_evidence_mode() const {
  return context() == nullptr ? std::string() : std::string(context()->text("context_evidence_mode"));
}

std::vector<std::string> RecordedIntent::context_refs() const {
  std::vector<std::string> refs;
  const Json* list = context() == nullptr ? nullptr : context()->find("context_refs");
  if (list == nullptr || !list->is_array()) return refs;
  for (const Json& ref : list->as_array()) {
    if (ref.is_string()) refs.push_back(ref.as_string());
  }
  return refs;
}

}  // namespace countersign::command
