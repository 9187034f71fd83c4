// What the signer puts before custodians, and what they give back. A custodian signs the key set of the appliance, so
// the request carries what it follows, as it was signed by those before: whoever made the request cannot slip in a key,
// a signer or a past that the reviewed plan does not have.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "keymgmt/publication/repository.h"

namespace countersign::publication {

// Who signs root and targets: at least `threshold` of these keys.
struct RootSigners {
  std::vector<keymgmt::PublicKey> keys;
  int threshold = 0;
  bool are(const tuf::Signers& signers) const;  // exactly these, at that threshold
};
RootSigners signers_of(const tuf::Root& root);

struct SigningRequest {
  std::optional<CustodianFiles> present;  // the newest root, targets and key set; none for a first repository
  Proposal proposal;
  Json to_json() const;                                       // {"present"?,"root"?,"targets","keyset"}
  static Result<SigningRequest> from_json(const Json& json);  // strict; fails with Invalid
};

// What the plan says that custodians reviewed.
struct Agreed {
  // Who signs until now; none where the plan brings the first custodians into office, who take over what they find.
  std::optional<RootSigners> before;
  RootSigners after;
  std::vector<std::pair<keymgmt::Role, keymgmt::PublicKey>> made;  // keys that this ceremony made
};

// What signing it would do, a line each, for a person who reads before signing. Fails with Refused (request_differs)
// where it is not what was agreed: another past, other signers, a key that no step made, a key that is dropped, comes
// back or was compromised and is not any more, an online signer that is no publication key. Fails as the checks of
// contents.h.
Result<std::vector<std::string>> reviewed(const SigningRequest& request, const Agreed& agreed);

// One custodian's signatures, as PublicKey::verify takes them. Whoever leaves signs the root alone.
struct CustodianSignature {
  std::string custodian;
  std::string key_id;  // TUF's, of the key that signed
  Bytes root;          // empty: not signed
  Bytes targets;
  Json to_json() const;
  static Result<CustodianSignature> from_json(const Json& json);  // strict; fails with Invalid
};

// The messages that a custodian with `key` signs: root (where there is a new one), targets (where the key is one of
// `after`); empty: not theirs to sign.
struct Messages {
  std::string root, targets;
};
Messages messages_for(const SigningRequest& request, const keymgmt::PublicKey& key, const RootSigners& after);

// The files with every signature that verifies under a key of before or after. Fails with ApprovalRequired
// (signatures_needed), saying how many are there, below the threshold of the new root, or of the old one where the root
// is a new one; with VerificationFailed (signature_invalid) for one that is not its key's.
Result<CustodianFiles> assembled(const SigningRequest& request, const std::vector<CustodianSignature>& signatures,
                                 const RootSigners& after);

}  // namespace countersign::publication
