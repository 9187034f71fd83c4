#include "signer/ledger/sqlite_decisions.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "signer/ledger/findings.h"
#include "signer/ledger/leaf.h"

namespace countersign::ledger {
namespace {

constexpr const char* kKeepPlace = "INSERT INTO decisions(bucket, intent, idx) VALUES(?, ?, ?)";
constexpr const char* kHasPlace = "SELECT 1 FROM decisions WHERE bucket = ? AND intent = ? AND idx = ?";
constexpr const char* kPlaces = "SELECT idx FROM decisions WHERE bucket = ? AND intent = ? ORDER BY idx DESC";
constexpr const char* kDecisionOf = "SELECT at, peer_uid, effects FROM records WHERE idx = ?";

std::uint64_t bucket_of(std::uint64_t index) {
  return index / kDecisionBucket;
}

Result<Decision> decision_at(Connection& connection, std::uint64_t index) {
  Query row(connection, kDecisionOf, index);
  if (!row.next()) {
    if (!row.good()) return row.failure("read a decision");
    return truncated("record " + std::to_string(index) + " is missing");
  }
  ASSIGN_OR_RETURN(std::optional<Decision> decision, decision_of(row.text(2)));
  if (!decision) return corrupt("record " + std::to_string(index) + " has no decision");
  decision->log_index = index;
  decision->at = row.time(0);
  decision->peer_uid = static_cast<std::uint32_t>(row.integer(1));
  return *std::move(decision);
}

Result<std::vector<std::uint64_t>> places_in(Connection& connection, std::uint64_t bucket, std::int64_t intent) {
  std::vector<std::uint64_t> found;
  Query rows(connection, kPlaces, bucket, intent);
  while (rows.next()) found.push_back(rows.number(0));
  if (!rows.good()) return rows.failure("read the decisions");
  return found;
}

}  // namespace

Status keep_places(Connection& connection, std::span<const DecisionPlace> places) {
  std::vector<DecisionPlace> sorted(places.begin(), places.end());
  std::sort(sorted.begin(), sorted.end(), [](const DecisionPlace& a, const DecisionPlace& b) {
    return std::tuple(bucket_of(a.index), a.intent, a.index) < std::tuple(bucket_of(b.index), b.intent, b.index);
  });
  for (const DecisionPlace& place : sorted) {
    RETURN_IF_ERROR(Query(connection, kKeepPlace, bucket_of(place.index), place.intent, place.index).run());
  }
  return ok();
}

Result<bool> has_place(Connection& connection, const DecisionPlace& place) {
  Query row(connection, kHasPlace, bucket_of(place.index), place.intent, place.index);
  const bool found = row.next();
  if (!row.good()) return row.failure("read the decisions");
  return found;
}

Result<std::optional<Decision>> newest_decision(Connection& connection, const Newest& newest, std::uint64_t size,
                                                const Digest& intent,
                                                const std::function<bool(const Decision&)>& wanted) {
  const std::int64_t key = intent_key(intent);
  std::vector<std::uint64_t> places = newest.decisions_on(key);
  for (std::uint64_t bucket = bucket_of(size) + 1;;) {
    for (const std::uint64_t index : places) {
      ASSIGN_OR_RETURN(Decision decision, decision_at(connection, index));
      if (decision.intent_digest == intent && wanted(decision)) return std::optional<Decision>(std::move(decision));
    }
    if (bucket == 0) return std::optional<Decision>();
    ASSIGN_OR_RETURN(places, places_in(connection, --bucket, key));
  }
}

}  // namespace countersign::ledger
