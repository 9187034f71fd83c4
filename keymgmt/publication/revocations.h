// revoked.json: what the signer alone may say about published keys without the custodians, which is that they end. It
// closes windows and says since when a key is compromised; it cannot name a key that the custodians did not sign, nor
// open a window again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/json.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "keymgmt/rotation.h"

namespace countersign::publication {

struct Revocation {
  keymgmt::KeyState state = keymgmt::KeyState::Retired;  // retiring, retired or destroyed
  std::optional<UtcTime> not_after;
  std::optional<UtcTime> verify_until;
  std::optional<UtcTime> compromised_since;
  bool operator==(const Revocation&) const = default;
};

class Revocations {
 public:
  // Of the ledger's keys: those that sign no more.
  explicit Revocations(const keymgmt::Keys& keys);
  Revocations() = default;

  Json document() const;  // {"schema_id":"countersign.revoked","schema_version":"1.0.0","keys":{kid: {…}}}
  // Strict. Fails with Invalid.
  static Result<Revocations> parse(const Json& document);

  // The set that is left. Windows only get shorter; the set's version and times stay.
  keymgmt::KeySet applied_to(const keymgmt::KeySet& keys) const;
  // With what `earlier` took away as well: what was once taken stays taken.
  Revocations with(const Revocations& earlier) const;

  bool operator==(const Revocations&) const = default;

 private:
  std::map<std::string, Revocation, std::less<>> keys_;
};

}  // namespace countersign::publication
