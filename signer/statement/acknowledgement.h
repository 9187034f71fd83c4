// A verifier's word that it holds a key set and will never go back behind it (docs/key-lifecycle.md, "Cut-over").
// Signed with a key of the verifier's own, which the roster names; it carries the verifier's clock, so that a wrong one
// shows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"

namespace countersign::statement {

inline constexpr std::string_view kAcknowledgementNamespace = "countersign-acknowledgement";

struct Acknowledgement {
  std::string verifier;  // its name in the roster
  Digest keyset;         // of keyset.json as the custodians signed it
  std::uint64_t targets_version = 0;
  std::uint64_t timestamp_version = 0;
  UtcTime at;         // the verifier's clock
  std::string nonce;  // 32 hex digits of its choice

  // {"schema_id":"countersign.acknowledgement","verifier","keyset_sha256","targets_version","timestamp_version","at",
  // "nonce"}
  Json document() const;
  // Strict. Fails with Invalid.
  static Result<Acknowledgement> parse(const Json& document);
  // What is signed: the RFC 8785 form of document().
  std::string message() const { return document().canonical(); }
};

// `signature`: {"kind":"ssh","signature": armoured SSHSIG} against `ssh_key`, a public key line, or
// {"kind":"key","signature": base64 (Ed25519 64 bytes, P-256 DER)} against `pem`. Fails with VerificationFailed, reason
// "acknowledgement_invalid", also where the roster names a key of the other kind; with Invalid.
Status verify(const Acknowledgement& acknowledgement, const Json& signature, std::string_view ssh_key,
              std::string_view pem);

}  // namespace countersign::statement
