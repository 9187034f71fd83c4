#include "signer/holder/custodian.h"

#include <cstdlib>

#include "pkcs11/custodian_token.h"
#include "signer/holder/held_keys.h"

namespace countersign::holder {

Result<Json> custodian(const channel::CustodianSigning& request, SecretBytes pin) {
  const char* conf = std::getenv("SOFTHSM2_CONF");
  const pkcs11::TokenPlace place{request.module, request.label, request.serial, conf == nullptr ? "" : conf};
  ASSIGN_OR_RETURN(Bytes id, from_hex(request.id));
  ASSIGN_OR_RETURN(const std::vector<Bytes> signatures,
                   pkcs11::sign_as_custodian(place, std::move(pin), kind_of(request.algorithm),
                                             {std::move(id), request.object}, request.messages));
  Json::Array encoded;
  for (const Bytes& signature : signatures) encoded.emplace_back(to_base64(signature));
  return Json::object({{"ok", true}, {"signatures", std::move(encoded)}});
}

}  // namespace countersign::holder
