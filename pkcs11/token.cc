#include "pkcs11/token.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "pkcs11/failure.h"
#include "pkcs11/padded_text.h"

namespace countersign::pkcs11 {
namespace {

constexpr std::size_t kLabelSize = sizeof(CK_TOKEN_INFO::label);

// Cryptoki takes PINs by a pointer to non-const and does not write through it.
CK_UTF8CHAR* unconst(ByteView bytes) {
  return const_cast<CK_UTF8CHAR*>(bytes.data());
}

Result<std::vector<CK_SLOT_ID>> slots_with_tokens(const Module& module) {
  const CK_FUNCTION_LIST& functions = module.functions();
  for (;;) {
    CK_ULONG count = 0;
    // SoftHSM looks for new tokens only when it is asked for the count.
    CK_RV value = functions.C_GetSlotList(CK_TRUE, nullptr, &count);
    if (value != CKR_OK) return failure_at_start("C_GetSlotList", value);
    std::vector<CK_SLOT_ID> slots(count + 1);
    count = slots.size();
    value = functions.C_GetSlotList(CK_TRUE, slots.data(), &count);
    if (value == CKR_BUFFER_TOO_SMALL) continue;
    if (value != CKR_OK) return failure_at_start("C_GetSlotList", value);
    slots.resize(count);
    return slots;
  }
}

TokenInfo info_from(CK_SLOT_ID slot, const CK_TOKEN_INFO& raw) {
  TokenInfo info;
  info.slot = slot;
  info.label = padded_text(raw.label);
  info.serial = padded_text(raw.serialNumber);
  info.manufacturer = padded_text(raw.manufacturerID);
  info.model = padded_text(raw.model);
  info.firmware = std::to_string(raw.firmwareVersion.major) + "." + std::to_string(raw.firmwareVersion.minor);
  info.pin_set = (raw.flags & CKF_USER_PIN_INITIALIZED) != 0;
  info.pin_locked = (raw.flags & CKF_USER_PIN_LOCKED) != 0;
  info.pin_final_try = (raw.flags & CKF_USER_PIN_FINAL_TRY) != 0;
  return info;
}

struct Listing {
  std::vector<TokenInfo> tokens;
  std::size_t silent = 0;  // slots that did not answer
};

Result<Listing> listing(const Module& module) {
  ASSIGN_OR_RETURN(const std::vector<CK_SLOT_ID> slots, slots_with_tokens(module));
  Listing found;
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO raw{};
    if (module.functions().C_GetTokenInfo(slot, &raw) != CKR_OK) {
      ++found.silent;
    } else if ((raw.flags & CKF_TOKEN_INITIALIZED) != 0) {
      found.tokens.push_back(info_from(slot, raw));
    }
  }
  return found;
}

std::string spelled(const TokenName& name) {
  std::string text;
  if (!name.label.empty()) text += " labelled \"" + name.label + "\"";
  if (!name.serial.empty()) text += " with serial number " + name.serial;
  return text;
}

bool carries(const TokenInfo& token, const TokenName& name) {
  return (name.label.empty() || token.label == name.label) && (name.serial.empty() || token.serial == name.serial);
}

}  // namespace

Result<std::vector<TokenInfo>> list_tokens(const Module& module) {
  ASSIGN_OR_RETURN(Listing found, listing(module));
  return std::move(found.tokens);
}

Result<TokenInfo> find_token(const Module& module, const TokenName& name) {
  if (name.label.empty() && name.serial.empty()) {
    return Error{ErrorCode::Invalid, "a token is named by its label, its serial number or both; neither is given"};
  }
  ASSIGN_OR_RETURN(const Listing found, listing(module));
  std::vector<TokenInfo> matches;
  std::ranges::copy_if(found.tokens, std::back_inserter(matches),
                       [&](const TokenInfo& token) { return carries(token, name); });
  if (matches.empty()) {
    return Error{ErrorCode::Unavailable, "the module " + module.path() + " lists no token" + spelled(name),
                 std::string(kTokenNotFound), "`pkcs11-tool --module " + module.path() + " -L` shows what it lists"};
  }
  if (matches.size() > 1) {
    return Error{ErrorCode::Refused, "there is more than one token" + spelled(name), std::string(kTokenAmbiguous),
                 "name its serial number in the configuration"};
  }
  if (name.serial.empty() && found.silent > 0) {
    return Error{ErrorCode::Unavailable, "a slot did not answer, so there may be more than one token" + spelled(name),
                 std::string(kLoginTransient), "name its serial number in the configuration"};
  }
  return matches.front();
}

Result<TokenInfo> token_info(const Module& module, CK_SLOT_ID slot) {
  CK_TOKEN_INFO raw{};
  const CK_RV value = module.functions().C_GetTokenInfo(slot, &raw);
  if (value != CKR_OK) return failure("C_GetTokenInfo", value);
  return info_from(slot, raw);
}

Result<std::shared_ptr<Session>> Session::login(std::shared_ptr<const Module> module, const TokenInfo& token,
                                                Access access, SecretBytes pin) {
  if (token.pin_locked || token.pin_final_try) {
    return Error{ErrorCode::Refused,
                 "the token " + token.label +
                     (token.pin_locked ? " has locked its PIN" : " would lock after one more wrong PIN"),
                 std::string(kPinRefused),
                 token.pin_locked ? "the security officer must set a new PIN"
                                  : "log in once with the vendor's tool to prove the PIN"};
  }
  const CK_FUNCTION_LIST& functions = module->functions();
  const CK_FLAGS flags = CKF_SERIAL_SESSION | (access == Access::ReadWrite ? CKF_RW_SESSION : 0);
  CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;
  const CK_RV opened = functions.C_OpenSession(token.slot, flags, nullptr, nullptr, &handle);
  if (opened != CKR_OK) return failure_at_start("C_OpenSession", opened);
  const CK_RV logged_in = functions.C_Login(handle, CKU_USER, unconst(pin.reveal()), pin.reveal().size());
  pin.wipe();
  if (logged_in != CKR_OK) {
    functions.C_CloseSession(handle);
    return failure_at_start("C_Login", logged_in);
  }
  return std::shared_ptr<Session>(new Session(std::move(module), token.slot, access, handle));
}

Session::~Session() {
  functions().C_Logout(handle_);
  functions().C_CloseSession(handle_);
}

Status Session::renew() {
  const CK_FLAGS flags = CKF_SERIAL_SESSION | (access_ == Access::ReadWrite ? CKF_RW_SESSION : 0);
  CK_SESSION_HANDLE fresh = CK_INVALID_HANDLE;
  const CK_RV opened = functions().C_OpenSession(slot_, flags, nullptr, nullptr, &fresh);
  if (opened != CKR_OK) return failure("C_OpenSession", opened);
  // Closing the last session would log out and end every handle, so the new one is open before.
  functions().C_CloseSession(handle_);
  handle_ = fresh;
  return ok();
}

Status Session::check_serial(const std::string& serial) const {
  ASSIGN_OR_RETURN(const TokenInfo now, token_info(*module_, slot_));
  if (now.serial == serial) return ok();
  return Error{ErrorCode::Unavailable, "the slot now holds the token " + now.serial + " instead of " + serial,
               std::string(kTokenGone), kTokenGoneHint};
}

Result<TokenInfo> create_token(const Module& module, const std::string& label, SecretBytes so_pin,
                               SecretBytes user_pin) {
  if (label.empty() || label.size() > kLabelSize) {
    return Error{ErrorCode::Invalid, "a token's label has 1 to 32 bytes"};
  }
  ASSIGN_OR_RETURN(const std::vector<TokenInfo> present, list_tokens(module));
  if (std::ranges::find(present, label, &TokenInfo::label) != present.end()) {
    return Error{ErrorCode::Conflict, "there is a token labelled \"" + label + "\" already"};
  }
  const CK_FUNCTION_LIST& functions = module.functions();
  ASSIGN_OR_RETURN(const std::vector<CK_SLOT_ID> slots, slots_with_tokens(module));
  const auto free_slot = std::ranges::find_if(slots, [&](CK_SLOT_ID slot) {
    CK_TOKEN_INFO raw{};
    return functions.C_GetTokenInfo(slot, &raw) == CKR_OK && (raw.flags & CKF_TOKEN_INITIALIZED) == 0;
  });
  if (free_slot == slots.end()) {
    return Error{ErrorCode::NotFound, "the module " + module.path() + " has no free slot for a new token"};
  }

  std::array<CK_UTF8CHAR, kLabelSize> padded{};
  padded.fill(' ');
  std::memcpy(padded.data(), label.data(), label.size());
  CK_RV value = functions.C_InitToken(*free_slot, unconst(so_pin.reveal()), so_pin.reveal().size(), padded.data());
  if (value != CKR_OK) return failure("C_InitToken", value);
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  value = functions.C_OpenSession(*free_slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session);
  if (value != CKR_OK) return failure("C_OpenSession", value);
  value = functions.C_Login(session, CKU_SO, unconst(so_pin.reveal()), so_pin.reveal().size());
  so_pin.wipe();
  std::string_view step = "C_Login of the security officer";
  if (value == CKR_OK) {
    step = "C_InitPIN";
    value = functions.C_InitPIN(session, unconst(user_pin.reveal()), user_pin.reveal().size());
    user_pin.wipe();
    functions.C_Logout(session);
  }
  functions.C_CloseSession(session);
  if (value != CKR_OK) return failure(step, value);
  return find_token(module, {label, ""});
}

}  // namespace countersign::pkcs11
