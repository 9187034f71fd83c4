#include "pkcs11/token_session.h"

#include <cstdlib>
#include <filesystem>

#include "pkcs11/failure.h"

namespace countersign::pkcs11 {
namespace {

Result<std::shared_ptr<const Module>> load_at(const TokenPlace& place) {
  if (!place.softhsm_conf.empty() && setenv("SOFTHSM2_CONF", place.softhsm_conf.c_str(), 1) != 0) {
    return Error{ErrorCode::Internal, "cannot set SOFTHSM2_CONF"};
  }
  return Module::load(place.module);
}

}  // namespace

Result<TokenSession> TokenSession::open(const TokenPlace& place, SecretBytes pin, Session::Access access) {
  // Before the lock: a module that is refused must not keep others waiting.
  RETURN_IF_ERROR(check_module_file(place.module));
  ASSIGN_OR_RETURN(TokenDirectoryGuard guard, TokenDirectoryGuard::lock(place));
  RETURN_IF_ERROR(guard.before_login());
  ASSIGN_OR_RETURN(const std::shared_ptr<const Module> module, load_at(place));
  Result<TokenInfo> token = find_token(*module, {place.label, place.serial});
  if (!token) {
    if (guard.lost().empty()) return std::move(token).error();
    return std::move(token).error().with_hint("token.object is empty and has no copy in " + guard.directory() + "/" +
                                              guard.lost().front() + ": restore it from a backup");
  }
  Result<std::shared_ptr<Session>> session = Session::login(module, *token, access, std::move(pin));
  // A refused login rewrites token.object too.
  const Status written = guard.after_login();
  if (!session) return std::move(session).error();
  if (!written) return written.error();
  return TokenSession(place, *std::move(token), *std::move(session), guard.restored());
}

Result<KeyPair> TokenSession::generate_key_pair(const KeySpec& spec) const {
  ASSIGN_OR_RETURN(TokenDirectoryGuard guard, TokenDirectoryGuard::lock(place_));
  RETURN_IF_ERROR(guard.before_change());
  ASSIGN_OR_RETURN(KeyPair pair, pkcs11::generate_key_pair(session_, spec));
  // SoftHSM makes keys without a single fsync: published first, a key could be lost with the power.
  RETURN_IF_ERROR(guard.after_change());
  return pair;
}

Status TokenSession::destroy_key_pair(const KeyId& id) const {
  ASSIGN_OR_RETURN(TokenDirectoryGuard guard, TokenDirectoryGuard::lock(place_));
  RETURN_IF_ERROR(guard.before_change());
  RETURN_IF_ERROR(pkcs11::destroy_key_pair(*session_, id));
  RETURN_IF_ERROR(guard.after_change());
  return guard.forget_change();
}

Status TokenSession::write_data_object(std::string_view label, ByteView value,
                                       const std::vector<DataObject>& obsolete) const {
  ASSIGN_OR_RETURN(TokenDirectoryGuard guard, TokenDirectoryGuard::lock(place_));
  RETURN_IF_ERROR(create_data_object(*session_, label, value));
  RETURN_IF_ERROR(guard.after_change());
  for (const DataObject& object : obsolete) RETURN_IF_ERROR(destroy_data_object(*session_, object));
  return obsolete.empty() ? ok() : guard.after_change();
}

Result<TokenInfo> create_guarded_token(const TokenPlace& place, SecretBytes so_pin, SecretBytes user_pin) {
  RETURN_IF_ERROR(check_module_file(place.module));
  ASSIGN_OR_RETURN(TokenDirectoryGuard guard, TokenDirectoryGuard::lock(place));
  if (!guard.directory().empty() && !std::filesystem::exists(guard.directory())) {
    std::error_code error;
    std::filesystem::create_directory(guard.directory(), error);
    std::filesystem::permissions(guard.directory(), std::filesystem::perms::owner_all, error);
    if (error) return Error{ErrorCode::Unavailable, "cannot make " + guard.directory() + ": " + error.message()};
  }
  RETURN_IF_ERROR(guard.before_login());
  RETURN_IF_ERROR(guard.before_change());
  ASSIGN_OR_RETURN(const std::shared_ptr<const Module> module, load_at(place));
  ASSIGN_OR_RETURN(TokenInfo token, create_token(*module, place.label, std::move(so_pin), std::move(user_pin)));
  RETURN_IF_ERROR(guard.after_change());
  // The copy that brings the new token back should the first login be killed.
  RETURN_IF_ERROR(guard.before_login());
  return token;
}

}  // namespace countersign::pkcs11
