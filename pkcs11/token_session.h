// The whole start on one token in the order that docs/softhsm.md demands, under the lock: guard, initialise, find, log
// in, look at what the login wrote, unlock. Nothing else of ours opens a token.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/secret_bytes.h"
#include "pkcs11/data_object.h"
#include "pkcs11/key_pair.h"
#include "pkcs11/token.h"
#include "pkcs11/token_directory.h"

namespace countersign::pkcs11 {

class TokenSession {
 public:
  // Sets SOFTHSM2_CONF for this process to `place.softhsm_conf`, so that the directory guarded is the one opened. Block
  // all signals before. Once per process and module: recovery is a new process.
  // Fails with the reasons of failure.h; `may_retry_start` says which a new process may try again.
  static Result<TokenSession> open(const TokenPlace& place, SecretBytes pin,
                                   Session::Access access = Session::Access::ReadWrite);

  const TokenInfo& token() const { return token_; }
  const std::shared_ptr<Session>& session() const { return session_; }
  const std::string& module_description() const { return session_->module().description(); }
  // Tokens that the guard brought back from their copies at this start.
  const std::vector<std::string>& restored() const { return restored_; }

  Result<KeyPair> find_key_pair(const KeyId& id) const { return pkcs11::find_key_pair(session_, id); }
  Result<std::vector<KeyListing>> list_key_pairs(std::string_view prefix) const {
    return pkcs11::list_key_pairs(*session_, prefix);
  }

  // Under the lock, after a copy of the whole directory; synced before they answer.
  Result<KeyPair> generate_key_pair(const KeySpec& spec) const;
  // As destroy_key_pair, under the lock, after a copy of the whole directory; synced before it answers. The copy that
  // SoftHSM's guard made is removed: it holds what was to be destroyed.
  Status destroy_key_pair(const KeyId& id) const;
  // Writes and syncs the new object before it destroys the obsolete ones, so that one always is readable. Under the
  // lock.
  Status write_data_object(std::string_view label, ByteView value, const std::vector<DataObject>& obsolete) const;
  Result<std::vector<DataObject>> list_data_objects(std::string_view label) const {
    return pkcs11::list_data_objects(*session_, label);
  }

  // The token still is there and the same one. Sign as well: SoftHSM notices a moved directory only then. While another
  // process logs in, SoftHSM fails here falsely for a moment (token_failed): once is no reason to halt a role.
  Status check() const { return session_->check_serial(token_.serial); }

 private:
  TokenSession(TokenPlace place, TokenInfo token, std::shared_ptr<Session> session, std::vector<std::string> restored)
      : place_(std::move(place)),
        token_(std::move(token)),
        session_(std::move(session)),
        restored_(std::move(restored)) {}
  TokenPlace place_;
  TokenInfo token_;
  std::shared_ptr<Session> session_;
  std::vector<std::string> restored_;
};

// Makes a token under the guard: `countersign-holder init` and rehearsals. The name must not exist yet.
Result<TokenInfo> create_guarded_token(const TokenPlace& place, SecretBytes so_pin, SecretBytes user_pin);

}  // namespace countersign::pkcs11
