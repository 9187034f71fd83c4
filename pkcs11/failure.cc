#include "pkcs11/failure.h"

#include <algorithm>

// One row: the macro's value and name cannot drift apart.
#define ROW(name, code, meaning, sentence)                   \
  FailureRow {                                               \
    name, #name, ErrorCode::code, Meaning::meaning, sentence \
  }

namespace countersign::pkcs11 {
namespace {

// By value, as PKCS#11 lists them. What our calls cannot return (wrapping, one-time passwords, operation states) is
// left to the unknown row.
constexpr FailureRow kTable[] = {
    ROW(CKR_CANCEL, Unavailable, Fault, "the call was cancelled"),
    ROW(CKR_HOST_MEMORY, Unavailable, Fault, "the module ran out of memory"),
    ROW(CKR_SLOT_ID_INVALID, Unavailable, TokenGone, "the slot no longer exists"),
    ROW(CKR_GENERAL_ERROR, Unavailable, TransientAtStart, "the module failed without saying why"),
    ROW(CKR_FUNCTION_FAILED, Unavailable, Fault, "the module could not do it; its disk may be full"),
    ROW(CKR_ARGUMENTS_BAD, Internal, Fault, "the module did not accept an argument"),
    ROW(CKR_NEED_TO_CREATE_THREADS, Unavailable, Fault, "the module needs threads of its own"),
    ROW(CKR_CANT_LOCK, Unavailable, Fault, "the module cannot use the system's locks"),
    ROW(CKR_ATTRIBUTE_READ_ONLY, Refused, Fault, "the attribute cannot be changed"),
    ROW(CKR_ATTRIBUTE_SENSITIVE, Refused, Fault, "the attribute is sensitive"),
    ROW(CKR_ATTRIBUTE_TYPE_INVALID, Refused, Fault, "the token does not know the attribute"),
    ROW(CKR_ATTRIBUTE_VALUE_INVALID, Refused, Fault, "the token does not accept the value of an attribute"),
    ROW(CKR_ACTION_PROHIBITED, Refused, Fault, "the token's policy prohibits it"),
    ROW(CKR_DATA_INVALID, Internal, Fault, "the token did not accept the data"),
    ROW(CKR_DATA_LEN_RANGE, Internal, Fault, "the token did not accept the length of the data"),
    ROW(CKR_DEVICE_ERROR, Unavailable, TokenGone, "the device failed"),
    ROW(CKR_DEVICE_MEMORY, Unavailable, Fault, "the device has no memory left"),
    ROW(CKR_DEVICE_REMOVED, Unavailable, TokenGone, "the token was removed"),
    ROW(CKR_FUNCTION_CANCELED, Unavailable, Fault, "the call was cancelled"),
    ROW(CKR_FUNCTION_NOT_SUPPORTED, Refused, Fault, "the module does not offer the function"),
    ROW(CKR_KEY_HANDLE_INVALID, Unavailable, TokenGone, "the key is no longer there"),
    ROW(CKR_KEY_SIZE_RANGE, Refused, Fault, "the token does not offer keys of that size"),
    ROW(CKR_KEY_TYPE_INCONSISTENT, Refused, Fault, "the key does not fit the mechanism"),
    ROW(CKR_KEY_FUNCTION_NOT_PERMITTED, Refused, Fault, "the key's attributes do not permit it"),
    ROW(CKR_KEY_UNEXTRACTABLE, Refused, Fault, "the key cannot be extracted"),
    ROW(CKR_MECHANISM_INVALID, Refused, Fault, "the token or the key does not allow the mechanism"),
    ROW(CKR_MECHANISM_PARAM_INVALID, Internal, Fault, "the token did not accept the mechanism's parameter"),
    ROW(CKR_OBJECT_HANDLE_INVALID, Unavailable, TokenGone,
        "the object is no longer there: destroyed, or the token was moved or made anew"),
    ROW(CKR_OPERATION_ACTIVE, Unavailable, Fault, "an earlier operation is still open in the session"),
    ROW(CKR_OPERATION_NOT_INITIALIZED, Unavailable, Fault, "the session lost the operation"),
    ROW(CKR_PIN_INCORRECT, Refused, PinProblem, "the PIN is wrong"),
    ROW(CKR_PIN_INVALID, Refused, PinProblem, "the PIN holds characters that the token does not take"),
    ROW(CKR_PIN_LEN_RANGE, Refused, PinProblem, "the PIN is too long or too short for the token"),
    ROW(CKR_PIN_EXPIRED, Refused, PinProblem, "the PIN has expired"),
    ROW(CKR_PIN_LOCKED, Refused, PinProblem, "the PIN is locked"),
    ROW(CKR_SESSION_CLOSED, Unavailable, TokenGone, "the session was closed"),
    ROW(CKR_SESSION_COUNT, Unavailable, Fault, "the token offers no more sessions"),
    ROW(CKR_SESSION_HANDLE_INVALID, Unavailable, TokenGone, "the session is no longer there"),
    ROW(CKR_SESSION_READ_ONLY, Internal, Fault, "the session may only read"),
    ROW(CKR_SESSION_EXISTS, Conflict, Fault, "a session is open on the token"),
    ROW(CKR_SESSION_READ_ONLY_EXISTS, Conflict, Fault, "a session that may only read is open on the token"),
    ROW(CKR_SESSION_READ_WRITE_SO_EXISTS, Conflict, Fault, "the security officer is logged in"),
    ROW(CKR_TEMPLATE_INCOMPLETE, Refused, Fault, "the token wants more attributes than the profile has"),
    ROW(CKR_TEMPLATE_INCONSISTENT, Refused, Fault, "the token does not accept the profile's attributes together"),
    ROW(CKR_TOKEN_NOT_PRESENT, Unavailable, TokenGone, "the token is not there"),
    ROW(CKR_TOKEN_NOT_RECOGNIZED, Unavailable, TokenGone, "the token is not recognised"),
    ROW(CKR_TOKEN_WRITE_PROTECTED, Refused, Fault, "the token is write-protected"),
    ROW(CKR_USER_ALREADY_LOGGED_IN, Conflict, Fault, "this process is logged in already"),
    ROW(CKR_USER_NOT_LOGGED_IN, Unavailable, TokenGone, "the login was lost"),
    ROW(CKR_USER_PIN_NOT_INITIALIZED, Refused, PinProblem, "the token has no user PIN yet"),
    ROW(CKR_USER_TYPE_INVALID, Internal, Fault, "the token does not know that kind of user"),
    ROW(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, Conflict, Fault, "another user is logged in"),
    ROW(CKR_USER_TOO_MANY_TYPES, Conflict, Fault, "the token takes no further login"),
    ROW(CKR_RANDOM_NO_RNG, Unavailable, Fault, "the token has no source of randomness"),
    ROW(CKR_CURVE_NOT_SUPPORTED, Refused, Fault, "the token does not offer the curve"),
    ROW(CKR_DOMAIN_PARAMS_INVALID, Refused, Fault, "the token does not offer the curve"),
    ROW(CKR_BUFFER_TOO_SMALL, Internal, Fault, "the answer is longer than the standard allows"),
    ROW(CKR_INFORMATION_SENSITIVE, Refused, Fault, "the information is sensitive"),
    ROW(CKR_CRYPTOKI_NOT_INITIALIZED, Unavailable, TokenGone, "the module is not initialised"),
    ROW(CKR_CRYPTOKI_ALREADY_INITIALIZED, Conflict, Fault, "the module is initialised already"),
    ROW(CKR_MUTEX_BAD, Unavailable, Fault, "the module's lock is broken"),
    ROW(CKR_MUTEX_NOT_LOCKED, Unavailable, Fault, "the module's lock is broken"),
    ROW(CKR_EXCEEDED_MAX_ITERATIONS, Unavailable, Fault, "the token gave up making the key"),
    ROW(CKR_FIPS_SELF_TEST_FAILED, Unavailable, Fault, "the device failed its self-test"),
    ROW(CKR_LIBRARY_LOAD_FAILED, Unavailable, Fault, "the module could not load a library of its own"),
    ROW(CKR_PIN_TOO_WEAK, Refused, PinProblem, "the token finds the PIN too weak"),
    ROW(CKR_PUBLIC_KEY_INVALID, Refused, Fault, "the public key is not valid"),
    ROW(CKR_FUNCTION_REJECTED, Refused, Fault, "the token's owner rejected the call"),
};

constexpr FailureRow kUnknown = {CKR_VENDOR_DEFINED, "CKR_(unknown)", ErrorCode::Unavailable, Meaning::Fault,
                                 "the module gave a value that the standard does not list"};

std::string hex_of(CK_RV value) {
  std::string digits;
  do {
    digits.insert(digits.begin(), "0123456789abcdef"[value & 15]);
    value >>= 4;
  } while (value != 0);
  return "0x" + digits;
}

std::string_view reason_of(Meaning meaning) {
  switch (meaning) {
    case Meaning::Fault:
    case Meaning::TransientAtStart:
      return kTokenFailed;
    case Meaning::TokenGone:
      return kTokenGone;
    case Meaning::PinProblem:
      return kPinRefused;
  }
  return kTokenFailed;
}

}  // namespace

std::span<const FailureRow> failure_table() {
  return kTable;
}

const FailureRow& failure_of(CK_RV value) {
  const FailureRow* row = std::ranges::find(kTable, value, &FailureRow::value);
  return row == std::end(kTable) ? kUnknown : *row;
}

Error failure(std::string_view function, CK_RV value) {
  const FailureRow& row = failure_of(value);
  return Error{row.code,
               std::string(function) + ": " + std::string(row.sentence) + " (" + std::string(row.name) + ", " +
                   hex_of(value) + ")",
               std::string(reason_of(row.meaning)), row.meaning == Meaning::TokenGone ? kTokenGoneHint : ""};
}

Error failure_at_start(std::string_view function, CK_RV value) {
  Error error = failure(function, value);
  if (failure_of(value).meaning == Meaning::TransientAtStart) error.reason = kLoginTransient;
  return error;
}

bool may_retry_start(const Error& error) {
  constexpr std::string_view kRetried[] = {kTokenNotFound, kTokenGone, kLoginTransient, kTokenNotWritten};
  return std::ranges::find(kRetried, error.reason) != std::end(kRetried);
}

}  // namespace countersign::pkcs11
