// The bytes that the tree commits to, and the list of what an item did beyond being recorded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "signer/ledger/store.h"

namespace countersign::ledger {

// What the item redeemed, decided, minted and executed, as compact JSON in a fixed order; empty where it did nothing.
// The derived tables are checked against it, and could be built again from it. Fails with Invalid on bad UTF-8.
Result<std::string> effects_of(const Item& item);

// {"at","body_digest","content_digest",["effects_digest",]"index","kid","kind","peer_uid","request_digest","role",
// "signature_digest","type"}: RFC 8785 canonical form. `content_digest` is SHA-256 of the body's bytes; record.body is
// not looked at. Whoever reads the log reads this, so what a caller wrote stands here by digest alone; `peer_uid` is
// the number of the local account. Fails with Invalid on bad UTF-8.
Result<std::string> leaf_of(const Record& record, const Digest& content_digest, std::uint64_t index,
                            std::string_view effects);

// The decision in `effects`, if there is one; `at`, `peer_uid` and `log_index` are the record's.
Result<std::optional<Decision>> decision_of(std::string_view effects);

// The token in `effects`, if one was minted. Fails with Invalid on anything that effects_of does not make.
Result<std::optional<MintedToken>> minted_of(std::string_view effects);

// The intent that the decision in `effects` is about, without parsing the rest; nothing where there is no decision.
std::optional<Digest> decided_intent(std::string_view effects);

struct SingleUses {
  std::vector<Redemption> redeemed;
  std::optional<Digest> executed;
};
// Fails with Invalid on anything that effects_of does not make.
Result<SingleUses> single_uses_of(std::string_view effects);

}  // namespace countersign::ledger
