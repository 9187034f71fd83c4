// What the tests of this folder share.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "pkcs11/token_session.h"
#include "tests/support/soft_token.h"

namespace countersign::pkcs11 {

inline SecretBytes secret(std::string_view text) {
  return SecretBytes(Bytes(text.begin(), text.end()));
}

inline TokenPlace place_of(const test::SoftToken& token, const std::string& module = test::kSoftHsmModule) {
  return {module, token.label(), token.serial(), token.conf()};
}

inline KeySpec spec_of(KeyKind kind, const std::string& label = "trace-20260101-1") {
  return {kind, random_key_id(), label};
}

// Whether OpenSSL, from the raw public key alone, accepts the signature: Ed25519, or ECDSA with SHA-256 as r||s.
bool openssl_verifies(KeyKind kind, const Bytes& public_key, ByteView message, const Bytes& signature);

// A token, and a session on it.
class OpenToken : public ::testing::Test {
 protected:
  Result<TokenSession> open() { return TokenSession::open(place_of(token_), token_.secret_pin()); }
  test::SoftToken token_;
};

#define ASSERT_OK(result) ASSERT_TRUE((result).has_value()) << (result).error().detail
#define EXPECT_OK(result) EXPECT_TRUE((result).has_value()) << (result).error().detail

}  // namespace countersign::pkcs11
