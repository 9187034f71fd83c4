// The published keys: what verifiers read, in the order of roles, with states and windows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "keymgmt/lifecycle.h"
#include "keymgmt/public_key.h"
#include "keymgmt/role.h"

namespace countersign::keymgmt {

struct PublishedKey {
  PublicKey key;
  Role role;
  KeyState state;
  std::string token_id;  // hex of CKA_ID: how its holder finds it again
  std::string label;
  UtcTime created_at;
  UtcTime not_before;                // first moment its signatures may carry
  std::optional<UtcTime> not_after;  // open while active
  std::optional<UtcTime> compromised_since;
  // The rest is of the signer's own reckoning (keymgmt/rotation.h); verifiers are told the first two.
  std::optional<UtcTime> published_at{};  // when the first set that lists it was committed to publication
  std::optional<UtcTime> verify_until{};  // when the last thing it signed is out of use; set when it stops signing
  std::optional<UtcTime> gate_opens{};    // the expiry gate of its cut-over; set when it is staged
  std::chrono::nanoseconds longest_lifetime{};  // of the sets that listed it so far
  std::string token{};                          // its token's name in the configuration; empty: the role's own
  std::vector<std::string> acknowledged{};      // who on the roster said that they have it

  // Whether a signature that says it was made at `moment` counts: the state verifies, not_before <= moment < not_after,
  // and the key was never compromised. (A thief dates signatures back, so compromised_since alone saves none; only the
  // log can.)
  bool counts_at(UtcTime moment) const;
};

class KeySet {
 public:
  KeySet() = default;
  // Keys that are not published stay out.
  KeySet(std::uint64_t version, UtcTime issued_at, std::vector<PublishedKey> keys);

  std::uint64_t version() const { return version_; }
  UtcTime issued_at() const { return issued_at_; }
  // When a verifier must stop believing it. Absent where nobody promised an end: a set made by hand.
  const std::optional<UtcTime>& expires_at() const { return expires_at_; }
  void expire_at(UtcTime moment) { expires_at_ = moment; }
  const std::vector<PublishedKey>& keys() const { return keys_; }

  // By kid or any alias (aliases() of PublicKey), without a copy. Null where unknown.
  const PublishedKey* find(std::string_view name) const;
  const PublishedKey* active(Role role, Algorithm algorithm) const;

  Json document() const;  // keyset.json; also the answer of GET /v1/keys
  Json jwks() const;      // RFC 7517 §5, only keys that may verify
  // Strict: unknown, missing or mistyped members, two keys of one kid, and names that do not follow from the key fail
  // with Invalid.
  static Result<KeySet> parse(const Json& document);

 private:
  std::uint64_t version_ = 0;
  UtcTime issued_at_;
  std::optional<UtcTime> expires_at_;
  std::vector<PublishedKey> keys_;
  std::map<std::string, std::size_t, std::less<>> names_;  // kid and aliases → place in keys_
};

}  // namespace countersign::keymgmt
