// What a Cryptoki return value means to us. One table (failure.cc) gives each its name, code, sentence and meaning.
// Sources: PKCS#11 2.40 §5.1, and what SoftHSM 2.6.1, tpm2-pkcs11 and kryoptic
// return in practice.
#pragma once

#include <p11-kit/pkcs11.h>

#include <span>
#include <string>
#include <string_view>

#include "common/result.h"

namespace countersign::pkcs11 {

enum class Meaning {
  Fault,             // this call failed; the token may be well
  TokenGone,         // the token, its keys or the login are lost to this process: recover with a new process
  PinProblem,        // never retried: real tokens lock
  TransientAtStart,  // while starting, a new process may succeed (SoftHSM's start-up race)
};

struct FailureRow {
  CK_RV value;
  std::string_view name;  // "CKR_DEVICE_REMOVED"
  ErrorCode code;
  Meaning meaning;
  std::string_view sentence;
};

std::span<const FailureRow> failure_table();
// The row of a value; for a value not in the table a row named "CKR_(unknown)" that counts as a Fault.
const FailureRow& failure_of(CK_RV value);

// Reasons (`Error::reason`) of this component. The supervisor acts on them: see `may_retry_start`.
inline constexpr std::string_view kTokenNotFound = "token_not_found";    // no such token in the module's list
inline constexpr std::string_view kTokenAmbiguous = "token_ambiguous";   // more than one
inline constexpr std::string_view kLoginTransient = "login_transient";   // CKR_GENERAL_ERROR and the like before READY
inline constexpr std::string_view kPinRefused = "pin_refused";           // wrong, locked, expired or not set
inline constexpr std::string_view kDiskNearlyFull = "disk_nearly_full";  // a login would risk an empty token.object
inline constexpr std::string_view kTokenNotWritten = "token_not_written";  // login left token.object empty; restored
inline constexpr std::string_view kTokenGone = "token_gone";               // Meaning::TokenGone while serving
inline constexpr std::string_view kTokenFailed = "token_failed";           // any other failure of the module
inline constexpr std::string_view kModuleRefused = "module_refused";       // missing, writable by others, or no PKCS#11
inline constexpr std::string_view kKeyTooWeak = "key_too_weak";            // an attribute is weaker than the profile
inline constexpr std::string_view kKeyAmbiguous = "key_ambiguous";         // two keys with one id
// What to do about kTokenGone, wherever it is said.
inline constexpr const char* kTokenGoneHint =
    "Check that the token is connected and not re-initialised; the supervisor goes on trying.";

// Whether a failed start may be tried again in a new process: the token was missing, or the failure is SoftHSM's race.
// Never after a PIN error.
bool may_retry_start(const Error& error);

// "C_Sign: the token was removed (CKR_DEVICE_REMOVED)", with the row's code and the reason of its meaning.
// Precondition: value is not CKR_OK.
Error failure(std::string_view function, CK_RV value);
// The same before READY: what may be SoftHSM's start-up race has the reason login_transient.
Error failure_at_start(std::string_view function, CK_RV value);

}  // namespace countersign::pkcs11
