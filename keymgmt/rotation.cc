#include "keymgmt/rotation.h"

#include <algorithm>

namespace countersign::keymgmt {
namespace {

const std::vector<std::string> kOpenRoster;

// Its first key becomes active by itself: nothing is taken over from another.
bool never_had_an_active_key(const Keys& all, Role role, Algorithm algorithm) {
  return std::none_of(all.begin(), all.end(), [&](const PublishedKey& key) {
    const bool before_active = key.state < KeyState::Active && !key.compromised_since;
    return key.role == role && key.key.algorithm() == algorithm && !before_active;
  });
}

const PublishedKey* in_state(const Keys& all, Role role, Algorithm algorithm, KeyState state) {
  for (const PublishedKey& key : all) {
    if (key.role == role && key.key.algorithm() == algorithm && key.state == state && !key.compromised_since)
      return &key;
  }
  return nullptr;
}

std::chrono::nanoseconds longest_lifetime(const Keys& all) {
  std::chrono::nanoseconds longest{};
  for (const PublishedKey& key : all) longest = std::max(longest, key.longest_lifetime);
  return longest;
}

struct DueMove {
  KeyState from;
  KeyEvent event;
};
constexpr DueMove kDueMoves[] = {{KeyState::Staged, KeyEvent::StandBy},
                                 {KeyState::Standby, KeyEvent::Activate},
                                 {KeyState::Retiring, KeyEvent::Close}};

Error with_gate(Error error, const PublishedKey& key, const std::vector<std::string>& roster) {
  error.detail = "the key " + key.key.kid() + " is not yet known to every verifier that accepts anything: ";
  if (!key.gate_opens) {
    error.detail += "it was never published";
    return error;
  }
  error.detail += "it can sign from " + key.gate_opens->rfc3339() + " on";
  if (roster.empty()) {
    error.hint = "Wait until then. With a closed roster of verifiers, their acknowledgements open the gate earlier.";
    return error;
  }
  error.detail += ", or when these verifiers acknowledged it:";
  for (const std::string& name : missing_acknowledgements(key, roster)) error.detail += " " + name;
  error.hint = "Wait until then, or have them fetch the key set and acknowledge it.";
  return error;
}

// Replaces the key in `all` and notes the step.
void take(Keys& all, Keys& steps, PublishedKey key) {
  for (PublishedKey& each : all) {
    if (each.key.kid() == key.key.kid()) each = key;
  }
  steps.push_back(std::move(key));
}

// One event on the key of that kid.
Status step(Keys& all, Keys& steps, std::string_view kid, KeyEvent event, const std::vector<std::string>& roster,
            const RotationTimes& times, UtcTime now) {
  const PublishedKey* key = key_of_kid(all, kid);
  if (key == nullptr) return Error{ErrorCode::NotFound, "the ledger knows no key " + std::string(kid), "unknown_key"};
  ASSIGN_OR_RETURN(PublishedKey after, moved(*key, event, facts_about(*key, all, roster, now), all, roster, times));
  take(all, steps, std::move(after));
  return ok();
}

}  // namespace

UtcTime cutover_opens(UtcTime first_published, std::chrono::nanoseconds longest_earlier,
                      std::chrono::nanoseconds skew) {
  if (longest_earlier == std::chrono::nanoseconds(0)) return first_published;
  return first_published + longest_earlier + 2 * skew;
}

UtcTime out_of_use(Role role, UtcTime stopped, const RotationTimes& times) {
  const auto life = role == Role::Approval ? times.approval_life : std::chrono::nanoseconds(0);
  return stopped + life + 2 * times.skew;
}

std::vector<std::string> missing_acknowledgements(const PublishedKey& key, const std::vector<std::string>& roster) {
  std::vector<std::string> missing;
  for (const std::string& name : roster) {
    if (std::find(key.acknowledged.begin(), key.acknowledged.end(), name) == key.acknowledged.end()) {
      missing.push_back(name);
    }
  }
  return missing;
}

KeyFacts facts_about(const PublishedKey& key, const Keys& all, const std::vector<std::string>& roster, UtcTime now) {
  KeyFacts facts;
  facts.now = now;
  facts.proven = true;  // the ledger takes in only keys that their holder read back and tried
  facts.published = key.published_at.has_value() && key.gate_opens.has_value();
  if (key.gate_opens) facts.gate_opens = *key.gate_opens;
  facts.acknowledged = !roster.empty() && missing_acknowledgements(key, roster).empty();
  const PublishedKey* active = active_key(all, key.role, key.key.algorithm());
  facts.other_active = active != nullptr && active->key.kid() != key.key.kid();
  if (key.verify_until) facts.verify_until = *key.verify_until;
  facts.compromised = key.compromised_since.has_value();
  return facts;
}

Result<PublishedKey> moved(const PublishedKey& key, KeyEvent event, const KeyFacts& facts, const Keys& all,
                           const std::vector<std::string>& roster, const RotationTimes& times) {
  Result<KeyState> state = next(key.state, event, facts);
  if (!state) {
    if (state.error().reason == "cutover_too_early") return with_gate(std::move(state).error(), key, roster);
    return state.error();
  }
  PublishedKey after = key;
  after.state = *state;
  if (event == KeyEvent::Stage) {
    after.published_at = facts.now;
    after.not_before = facts.now;  // verifiers that know it as staged must take its first signature
    after.gate_opens = cutover_opens(facts.now, longest_lifetime(all), times.skew);
    after.longest_lifetime = times.set_lifetime;
  }
  if (event == KeyEvent::Activate) after.not_before = facts.now;
  const bool stopped = may_sign(key.state) && !may_sign(*state);
  if (stopped || event == KeyEvent::Withdraw) {
    // Moments are whole seconds here, signatures are not: what it signed in the second that it stops in counts.
    after.not_after = facts.now + std::chrono::seconds(1);
    after.verify_until = out_of_use(key.role, *after.not_after, times);
  }
  if (event == KeyEvent::Compromise) after.compromised_since = facts.now;
  return after;
}

Result<Keys> staging(PublishedKey generated, const Keys& all, const RotationTimes& times, UtcTime now) {
  if (generated.state == KeyState::Generated && key_of_kid(all, generated.key.kid()) != nullptr) {
    return Error{ErrorCode::Conflict, "the key " + generated.key.kid() + " is registered already", "key_known"};
  }
  Keys after = all;
  Keys steps = {generated};
  const std::string kid = generated.key.kid();
  after.push_back(std::move(generated));
  RETURN_IF_ERROR(step(after, steps, kid, KeyEvent::Attest, kOpenRoster, times, now));
  RETURN_IF_ERROR(step(after, steps, kid, KeyEvent::Stage, kOpenRoster, times, now));
  return steps;
}

Result<Keys> cutover(std::string_view kid, const Keys& all, const std::vector<std::string>& roster,
                     const RotationTimes& times, UtcTime now) {
  Keys after = all;
  Keys steps;
  const PublishedKey* key = key_of_kid(after, kid);
  if (key != nullptr && key->state == KeyState::Staged) {
    RETURN_IF_ERROR(step(after, steps, kid, KeyEvent::StandBy, roster, times, now));
    key = key_of_kid(after, kid);
  }
  if (key != nullptr && key->state == KeyState::Standby) {
    if (const PublishedKey* active = active_key(after, key->role, key->key.algorithm())) {
      const std::string outgoing = active->key.kid();
      RETURN_IF_ERROR(step(after, steps, outgoing, KeyEvent::Retire, roster, times, now));
    }
  }
  RETURN_IF_ERROR(step(after, steps, kid, KeyEvent::Activate, roster, times, now));
  return steps;
}

Result<Keys> halting(const PublishedKey& key, const Keys& all, const RotationTimes& times, UtcTime now) {
  Keys after = all;
  Keys steps;
  const bool was_active = may_sign(key.state);
  RETURN_IF_ERROR(step(after, steps, key.key.kid(), KeyEvent::Compromise, kOpenRoster, times, now));
  if (!was_active) return steps;
  const PublishedKey* standby = standby_key(after, key.role, key.key.algorithm());
  if (standby == nullptr) return steps;
  const std::string promoted = standby->key.kid();
  const std::string token = standby->token;
  RETURN_IF_ERROR(step(after, steps, promoted, KeyEvent::Activate, kOpenRoster, times, now));
  if (token == key.token) return steps;
  for (const Algorithm algorithm : kAlgorithms) {
    const PublishedKey* left = active_key(after, key.role, algorithm);
    if (left == nullptr || left->token == token) continue;
    const std::string outgoing = left->key.kid();
    RETURN_IF_ERROR(step(after, steps, outgoing, KeyEvent::Retire, kOpenRoster, times, now));
    const PublishedKey* beside = standby_key(after, key.role, algorithm);
    if (beside == nullptr || beside->token != token) continue;
    const std::string incoming = beside->key.kid();
    RETURN_IF_ERROR(step(after, steps, incoming, KeyEvent::Activate, kOpenRoster, times, now));
  }
  return steps;
}

Result<Keys> due_moves(const Keys& all, const Rosters& rosters, const RotationTimes& times, UtcTime now) {
  Keys after = all;
  Keys steps;
  for (const DueMove& due : kDueMoves) {
    for (const PublishedKey& key : all) {
      const PublishedKey& present = *key_of_kid(after, key.key.kid());
      if (present.state != due.from || present.compromised_since) continue;
      if (due.event == KeyEvent::Activate && !never_had_an_active_key(after, key.role, key.key.algorithm())) continue;
      const Status moved_on = step(after, steps, key.key.kid(), due.event, roster_of(rosters, key.role), times, now);
      const bool not_yet =
          !moved_on && (moved_on.error().reason == "cutover_too_early" || moved_on.error().reason == "still_in_use");
      if (!moved_on && !not_yet) return moved_on.error();
    }
  }
  return steps;
}

std::vector<std::string> roster_of(const Rosters& rosters, Role role) {
  const auto found = rosters.find(role);
  return found == rosters.end() ? kOpenRoster : found->second;
}

Result<Keys> scheduled(Role role, std::chrono::nanoseconds rotate_every, const Keys& all, const RotationTimes& times,
                       UtcTime now) {
  Keys after = all;
  Keys steps;
  for (const Algorithm algorithm : kAlgorithms) {
    const PublishedKey* active = active_key(after, role, algorithm);
    const PublishedKey* standby = standby_key(after, role, algorithm);
    if (active == nullptr || standby == nullptr || now < active->not_before + rotate_every) continue;
    ASSIGN_OR_RETURN(const Keys moves, cutover(standby->key.kid(), after, kOpenRoster, times, now));
    for (const PublishedKey& move : moves) take(after, steps, move);
  }
  return steps;
}

Keys acknowledged(const std::string& verifier, const std::vector<Role>& roles, const KeySet& listed, const Keys& all) {
  Keys steps;
  for (const PublishedKey& key : all) {
    const bool concerned = roles.empty() || std::find(roles.begin(), roles.end(), key.role) != roles.end();
    const bool noted = std::find(key.acknowledged.begin(), key.acknowledged.end(), verifier) != key.acknowledged.end();
    if (!concerned || noted || key.state >= KeyState::Active || key.compromised_since) continue;
    if (listed.find(key.key.kid()) == nullptr) continue;
    steps.push_back(key);
    steps.back().acknowledged.push_back(verifier);
  }
  return steps;
}

const PublishedKey* key_of_kid(const Keys& all, std::string_view kid) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const PublishedKey& key) { return key.key.kid() == kid; });
  return found == all.end() ? nullptr : &*found;
}

const PublishedKey* active_key(const Keys& all, Role role, Algorithm algorithm) {
  return in_state(all, role, algorithm, KeyState::Active);
}

const PublishedKey* standby_key(const Keys& all, Role role, Algorithm algorithm) {
  const PublishedKey* oldest = nullptr;
  for (const PublishedKey& key : all) {
    if (key.role != role || key.key.algorithm() != algorithm || key.state != KeyState::Standby) continue;
    if (key.compromised_since) continue;
    if (oldest == nullptr || key.published_at < oldest->published_at) oldest = &key;
  }
  return oldest;
}

}  // namespace countersign::keymgmt
