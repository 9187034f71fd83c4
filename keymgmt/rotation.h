// How the keys of a role take each other's place (docs/key-lifecycle.md, "Cut-over" and "Compromise"). Plans only: each
// gives the keys as they are after every step, in order, for the ledger to record in one transaction. Nothing here
// reads a clock or a disk, so a plan made again from the ledger after a crash is the same plan.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "keymgmt/key_set.h"

namespace countersign::keymgmt {

using Keys = std::vector<PublishedKey>;

// What the configuration says about time.
struct RotationTimes {
  std::chrono::nanoseconds set_lifetime{};   // E: how long a set may be believed
  std::chrono::nanoseconds skew{};           // S: how far a verifier's clock may be off
  std::chrono::nanoseconds approval_life{};  // L of approvals: the longest life of a token
};

// The expiry gate: from first publication + the longest life of any earlier set + 2 × skew on, every verifier that
// still accepts anything holds a set with the key (reference: INV-PUB). Without an earlier set nobody can lack it.
UtcTime cutover_opens(UtcTime first_published, std::chrono::nanoseconds longest_earlier, std::chrono::nanoseconds skew);
// When nothing that a key signed until `stopped` is in use any more: a token lives L; traces and releases have no such
// life of their own, they verify in the window for good.
UtcTime out_of_use(Role role, UtcTime stopped, const RotationTimes& times);

// The verifiers that must acknowledge a key, by role; a role that is absent has an open roster, and only its expiry
// gate counts.
using Rosters = std::map<Role, std::vector<std::string>>;
std::vector<std::string> roster_of(const Rosters& rosters, Role role);

// Who of `roster` has not said that they have the key.
std::vector<std::string> missing_acknowledgements(const PublishedKey& key, const std::vector<std::string>& roster);

// What the ledger says about one key. `roster` empty: an open roster, only the expiry gate counts.
KeyFacts facts_about(const PublishedKey& key, const Keys& all, const std::vector<std::string>& roster, UtcTime now);

// One event on one key: its new state, and what follows from it (windows, gates). Fails as next() does; a refusal of
// the cut-over gate says when it opens and who has not acknowledged.
Result<PublishedKey> moved(const PublishedKey& key, KeyEvent event, const KeyFacts& facts, const Keys& all,
                           const std::vector<std::string>& roster, const RotationTimes& times);

// A key that was read back and proven, from generated to staged: from the next set on verifiers know it.
Result<Keys> staging(PublishedKey generated, const Keys& all, const RotationTimes& times, UtcTime now);
// The key `kid` becomes active (over standby where it is staged) and the active one of its role and algorithm retires.
Result<Keys> cutover(std::string_view kid, const Keys& all, const std::vector<std::string>& roster,
                     const RotationTimes& times, UtcTime now);
// The key is compromised as of `now`; where it was active, the oldest standby of its role and algorithm takes its place
// at once. Where the active key stood in another token than its standby, the role moves as a whole: what else it had
// active retires for its own standby.
Result<Keys> halting(const PublishedKey& key, const Keys& all, const RotationTimes& times, UtcTime now);
// What is due by the clock alone: staged keys whose gate opened stand by, the first of a role that never had an active
// key becomes active, retiring keys out of use are retired.
Result<Keys> due_moves(const Keys& all, const Rosters& rosters, const RotationTimes& times, UtcTime now);
// What is due because a role's key is as old as `rotate_every` lets it become: its oldest standby takes over. Where
// none stands by nothing is due; custodians must make one.
Result<Keys> scheduled(Role role, std::chrono::nanoseconds rotate_every, const Keys& all, const RotationTimes& times,
                       UtcTime now);
// `verifier` holds the set that lists these keys: it is noted on each of the roles that still waits for its cut-over.
Keys acknowledged(const std::string& verifier, const std::vector<Role>& roles, const KeySet& listed, const Keys& all);

// Null where there is none.
const PublishedKey* key_of_kid(const Keys& all, std::string_view kid);
const PublishedKey* active_key(const Keys& all, Role role, Algorithm algorithm);
const PublishedKey* standby_key(const Keys& all, Role role, Algorithm algorithm);  // the oldest, not compromised

}  // namespace countersign::keymgmt
