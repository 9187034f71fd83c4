// Tokens of a module, and a logged-in session on one.
#pragma once

#include <p11-kit/pkcs11.h>

#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/secret_bytes.h"
#include "pkcs11/adaptation.h"
#include "pkcs11/module.h"

namespace countersign::pkcs11 {

// How the configuration names a token; either may be empty, not both.
struct TokenName {
  std::string label;
  std::string serial;
};

struct TokenInfo {
  CK_SLOT_ID slot = 0;  // never stored: SoftHSM draws slot numbers at random
  std::string label;
  std::string serial;
  std::string manufacturer;
  std::string model;
  std::string firmware;  // "2.6"
  bool pin_set = false;
  bool pin_locked = false;
  bool pin_final_try = false;  // the next wrong PIN locks the token
};

// Initialised tokens, in the module's order. A slot that does not answer is left out: SoftHSM answers falsely while
// another process logs in.
Result<std::vector<TokenInfo>> list_tokens(const Module& module);
// Fails with Invalid for an empty name; with Unavailable (token_not_found) for none, with Refused (token_ambiguous) for
// more than one.
Result<TokenInfo> find_token(const Module& module, const TokenName& name);
// Looks at one token again. Fails with Unavailable.
Result<TokenInfo> token_info(const Module& module, CK_SLOT_ID slot);

// One session, logged in as the user; logged out and closed at the end. Not thread-safe: one owner at a time.
class Session {
 public:
  enum class Access { ReadOnly, ReadWrite };  // ReadWrite to make or destroy objects

  // Wipes `pin` whatever happens. Fails with Refused (pin_refused) for a PIN problem, with Unavailable
  // (login_transient, token_gone, token_failed) otherwise. A token whose next wrong PIN would lock it is refused
  // unasked.
  static Result<std::shared_ptr<Session>> login(std::shared_ptr<const Module> module, const TokenInfo& token,
                                                Access access, SecretBytes pin);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  const CK_FUNCTION_LIST& functions() const { return module_->functions(); }
  CK_SESSION_HANDLE handle() const { return handle_; }
  const Module& module() const { return *module_; }
  CK_SLOT_ID slot() const { return slot_; }

  // How key templates depart from the profile on this module: none until somebody says so.
  const Adaptation& adaptation() const { return adaptation_; }
  void adapt(Adaptation adaptation) { adaptation_ = std::move(adaptation); }

  // A fresh session in place of one with an operation stuck in it; the login stays, since the new one is opened before
  // the old one is closed. Fails with Unavailable.
  Status renew();
  // Whether the token still is the one of that serial number. C_GetTokenInfo alone proves nothing on SoftHSM: sign too.
  Status check_serial(const std::string& serial) const;

 private:
  Session(std::shared_ptr<const Module> module, CK_SLOT_ID slot, Access access, CK_SESSION_HANDLE handle)
      : module_(std::move(module)), slot_(slot), access_(access), handle_(handle) {}
  std::shared_ptr<const Module> module_;
  CK_SLOT_ID slot_;
  Access access_;
  CK_SESSION_HANDLE handle_;
  Adaptation adaptation_;
};

// Makes a token on a free slot, with both PINs: set-up code for trying out, and rehearsals. Call it through
// TokenSession's guard (`create_guarded_token`). Fails with Conflict if a token of that label exists, with NotFound if
// no slot is free, with Invalid for a label over 32 bytes.
Result<TokenInfo> create_token(const Module& module, const std::string& label, SecretBytes so_pin,
                               SecretBytes user_pin);

}  // namespace countersign::pkcs11
