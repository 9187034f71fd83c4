#include "pkcs11/custodian_token.h"

#include "pkcs11/attribute.h"
#include "pkcs11/failure.h"
#include "pkcs11/signing.h"

namespace countersign::pkcs11 {
namespace {

Result<CK_OBJECT_HANDLE> private_key(const Session& session, const CustodianKeyName& name) {
  Template wanted;
  wanted.number(CKA_CLASS, CKO_PRIVATE_KEY).boolean(CKA_TOKEN, true);
  if (!name.id.empty()) wanted.bytes(CKA_ID, name.id);
  if (!name.label.empty()) wanted.text(CKA_LABEL, name.label);
  ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> found, find_objects(session, wanted));
  const std::string called = name.label.empty() ? "with id " + to_hex(name.id) : "labelled " + name.label;
  if (found.empty()) {
    return Error{ErrorCode::NotFound, "the token holds no private key " + called, "no_key",
                 "`pkcs11-tool --list-objects --login` shows what it holds"};
  }
  if (found.size() > 1) {
    return Error{ErrorCode::Refused, "the token holds several private keys " + called, std::string(kKeyAmbiguous),
                 "name one by id= and object="};
  }
  return found.front();
}

Status log_in_again(const Session& session, const SecretBytes& pin) {
  const auto bytes = pin.reveal();
  const CK_RV value = session.functions().C_Login(session.handle(), CKU_CONTEXT_SPECIFIC,
                                                  const_cast<CK_UTF8CHAR*>(bytes.data()), bytes.size());
  return value == CKR_OK ? ok() : Status(failure("C_Login", value));
}

}  // namespace

Result<std::vector<Bytes>> sign_as_custodian(const TokenPlace& place, SecretBytes pin, KeyKind kind,
                                             const CustodianKeyName& name, const std::vector<Bytes>& messages) {
  const auto bytes = pin.reveal();
  SecretBytes again(Bytes(bytes.begin(), bytes.end()));
  ASSIGN_OR_RETURN(const TokenSession token,
                   TokenSession::open(place, std::move(pin), pkcs11::Session::Access::ReadOnly));
  ASSIGN_OR_RETURN(const CK_OBJECT_HANDLE key, private_key(*token.session(), name));
  // A module that does not know the attribute does not ask for it either.
  const Result<bool> always = read_bool(*token.session(), key, CKA_ALWAYS_AUTHENTICATE);
  const bool each_time = always && *always;
  std::vector<Bytes> signatures;
  for (const Bytes& message : messages) {
    ASSIGN_OR_RETURN(Bytes signature, sign_on_token(*token.session(), kind, key, message, [&]() -> Status {
                       return each_time ? log_in_again(*token.session(), again) : ok();
                     }));
    signatures.push_back(std::move(signature));
  }
  return signatures;
}

}  // namespace countersign::pkcs11
