#include "pkcs11/signing.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "common/digest.h"
#include "pkcs11/failure.h"
#include "pkcs11/key_profile.h"

namespace countersign::pkcs11 {
namespace {

constexpr std::size_t kSignatureSize = 64;  // of both kinds

}  // namespace

CK_RV begin_signing(const Session& session, CK_MECHANISM& mechanism, CK_OBJECT_HANDLE private_key) {
#ifdef __SANITIZE_ADDRESS__
  const __lsan::ScopedDisabler module_only;
#endif
  return session.functions().C_SignInit(session.handle(), &mechanism, private_key);
}

Result<Bytes> sign_on_token(Session& session, KeyKind kind, CK_OBJECT_HANDLE private_key, ByteView message,
                            const std::function<Status()>& before_signing) {
  CK_MECHANISM mechanism{row_of(kind).signing, nullptr, 0};
  CK_RV begun = begin_signing(session, mechanism, private_key);
  if (begun == CKR_OPERATION_ACTIVE) {
    RETURN_IF_ERROR(session.renew());
    begun = begin_signing(session, mechanism, private_key);
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
  const CK_RV signed_ = session.functions().C_Sign(session.handle(), data, input.size(), signature.data(), &size);
  if (signed_ == CKR_OK && size == kSignatureSize) return signature;
  // The standard ends the operation at most errors; SoftHSM and tpm2-pkcs11 leave some open. A session that cannot be
  // renewed fails at its next use.
  const Status renewed = session.renew();
  if (signed_ == CKR_OK) {
    return Error{ErrorCode::Unavailable, "C_Sign gave " + std::to_string(size) + " bytes instead of 64",
                 std::string(kTokenFailed)};
  }
  Error error = failure("C_Sign", signed_);
  if (!renewed) {
    error.reason = kTokenGone;
    error.hint = kTokenGoneHint;
  }
  return error;
}

}  // namespace countersign::pkcs11
