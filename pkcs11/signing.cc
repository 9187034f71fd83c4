#include "pkcs11/signing.h"

#include "common/digest.h"
#include "pkcs11/failure.h"
#include "pkcs11/key_profile.h"

namespace countersign::pkcs11 {
namespace {

constexpr std::size_t kSignatureSize = 64;  // of both kinds

}  // namespace

Result<Bytes> sign_on_token(Session& session, KeyKind kind, CK_OBJECT_HANDLE private_key, ByteView message,
                            const std::function<Status()>& before_signing) {
  const CK_FUNCTION_LIST& functions = session.functions();
  CK_MECHANISM mechanism{row_of(kind).signing, nullptr, 0};
  CK_RV begun = functions.C_SignInit(session.handle(), &mechanism, private_key);
  if (begun == CKR_OPERATION_ACTIVE) {
    RETURN_IF_ERROR(session.renew());
    begun = functions.C_SignInit(session.handle(), &mechanism, private_key);
  }
  if (begun != CKR_OK) return failure("C_SignInit", begun);
  if (before_signing) RETURN_IF_ERROR(before_signing());

  const Digest digest = kind == KeyKind::P256 ? sha256(message) : Digest();
  const ByteView input = kind == KeyKind::P256 ? digest.bytes() : message;
  // SoftHSM takes a null pointer for a bad argument and leaves the session stuck, also when the length is zero.
  std::uint8_t nothing = 0;
  std::uint8_t* data = input.empty() ? &nothing : const_cast<std::uint8_t*>(input.data());
  Bytes signature(kSignatureSize);
  CK_ULONG size = signature.size();
  const CK_RV signed_ = functions.C_Sign(session.handle(), data, input.size(), signature.data(), &size);
  if (signed_ == CKR_OK && size == kSignatureSize) return signature;
  // The standard ends the operation at most errors; SoftHSM and tpm2-pkcs11 leave some open. A session that cannot be
  // renewed fails at its next use.
  const Status renewed = session.renew();
  if (signed_ == CKR_OK) {
    return Error{ErrorCode::Unavailable, "C_Sign gave " + std::to_string(size) + " bytes instead of 64",
                 std::string(kTokenFailed)};
  }
  Error error = failure("C_Sign", signed_);
  if (!renewed) error.reason = kTokenGone;
  return error;
}

}  // namespace countersign::pkcs11
