// Where the decisions on an intent stand: the table `decisions` for the older records, Newest for those after.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "common/result.h"
#include "signer/ledger/newest.h"
#include "signer/ledger/sqlite_connection.h"
#include "signer/ledger/store.h"

namespace countersign::ledger {

// Sorts and writes them. They must all be of complete blocks of kDecisionBlock records, and none written before.
Status keep_places(Connection& connection, std::span<const DecisionPlace> places);

// Whether the table has the place.
Result<bool> has_place(Connection& connection, const DecisionPlace& place);

// The newest decision on `intent` that `wanted` says yes to, in a ledger of `size` records. Asks once for each 16,384
// records of the ledger. Fails with Refused, reason "ledger_corrupt", where a place holds no decision.
Result<std::optional<Decision>> newest_decision(Connection& connection, const Newest& newest, std::uint64_t size,
                                                const Digest& intent,
                                                const std::function<bool(const Decision&)>& wanted);

}  // namespace countersign::ledger
