// Keys made to see what a module does with them: of the session alone where it makes such, else of the token, destroyed
// with the trial and found by the next probe after an interruption.
#pragma once

#include <p11-kit/pkcs11.h>

#include <memory>
#include <utility>
#include <vector>

#include "common/result.h"
#include "pkcs11/adaptation.h"
#include "pkcs11/attribute.h"
#include "pkcs11/key_pair.h"

namespace countersign::pkcs11 {

// What a trial asks for beside or instead of the profile.
struct TrialWishes {
  struct Flag {
    CK_ATTRIBUTE_TYPE type;
    bool value;
  };
  std::vector<Flag> private_flags{};
  CK_MECHANISM_TYPE allowed = CK_UNAVAILABLE_INFORMATION;  // that one alone, instead of the kind's own
  bool past_dates = false;                                 // START_DATE and END_DATE of the year 2000
};

class TrialKey {
 public:
  // Fails as C_GenerateKeyPair does.
  static Result<TrialKey> make(const std::shared_ptr<Session>& session, KeyKind kind, const Adaptation& adaptation,
                               const TrialWishes& wishes = {});
  // A private key put into the token from outside.
  static Result<TrialKey> import(const std::shared_ptr<Session>& session);
  TrialKey(TrialKey&& other) noexcept
      : session_(std::move(other.session_)),
        private_key_(std::exchange(other.private_key_, CK_INVALID_HANDLE)),
        public_key_(std::exchange(other.public_key_, CK_INVALID_HANDLE)) {}
  TrialKey& operator=(TrialKey&&) = delete;
  ~TrialKey();

  CK_OBJECT_HANDLE private_key() const { return private_key_; }
  CK_OBJECT_HANDLE public_key() const { return public_key_; }
  // Whether the module refused to change that attribute and it still reads as before.
  bool keeps(CK_ATTRIBUTE_TYPE type, bool value) const;
  // C_SignInit, and C_Sign of 32 bytes where that succeeds; the session is renewed after a failure.
  CK_RV sign(CK_MECHANISM_TYPE mechanism) const;

 private:
  TrialKey(std::shared_ptr<Session> session, CK_OBJECT_HANDLE private_key, CK_OBJECT_HANDLE public_key)
      : session_(std::move(session)), private_key_(private_key), public_key_(public_key) {}
  std::shared_ptr<Session> session_;
  CK_OBJECT_HANDLE private_key_;
  CK_OBJECT_HANDLE public_key_;
};

}  // namespace countersign::pkcs11
