#include "keymgmt/lifecycle.h"

#include <array>
#include <string>

namespace countersign::keymgmt {
namespace {

using State = KeyState;
using Event = KeyEvent;

// docs/key-lifecycle.md, "States". A staged or standby key verifies: no signature of it exists yet, and verifiers that
// hold an older key set must accept the first one made after cutover.
constexpr StateRow kStates[] = {
    {State::Generated, "generated", "pre-activation", false, false, false},
    {State::Attested, "attested", "pre-activation", false, false, false},
    {State::Staged, "staged", "pre-activation", false, true, true},
    {State::Standby, "standby", "pre-activation", false, true, true},
    {State::Active, "active", "active", true, true, true},
    {State::Retiring, "retiring", "deactivated", false, true, true},
    {State::Retired, "retired", "deactivated", false, true, true},
    {State::Destroyed, "destroyed", "destroyed", false, true, true},
};

constexpr std::pair<Event, std::string_view> kEvents[] = {
    {Event::Attest, "attest"},     {Event::Stage, "stage"},           {Event::StandBy, "stand_by"},
    {Event::Activate, "activate"}, {Event::Retire, "retire"},         {Event::Close, "close"},
    {Event::Withdraw, "withdraw"}, {Event::Compromise, "compromise"}, {Event::Destroy, "destroy"},
};

constexpr Guard kAlways{"–", [](const KeyFacts&) { return true; }, "", ""};
constexpr Guard kProven{
    "read back from its token as the profile demands, proven by a signature, backed up where demanded",
    [](const KeyFacts& facts) { return facts.proven; }, "key_not_proven",
    "was not read back from its token and proven"};
// docs/key-lifecycle.md, "Cut-over": either alone is enough.
constexpr Guard kKnown{
    "published, and the cut-over gate has opened or each verifier of the closed roster acknowledged",
    [](const KeyFacts& facts) { return facts.published && (facts.acknowledged || facts.now >= facts.gate_opens); },
    "cutover_too_early", "is not yet known to every verifier that accepts anything"};
constexpr Guard kOnlyOne{"no other key of the role and algorithm is active",
                         [](const KeyFacts& facts) { return !facts.other_active; }, "two_active_keys",
                         "cannot be active beside another key of its role and algorithm"};
constexpr Guard kOutOfUse{"its last signature is out of use",
                          [](const KeyFacts& facts) { return facts.now >= facts.verify_until; }, "still_in_use",
                          "signed what is still in use"};

constexpr std::array kTransitions = {
    Transition{State::Generated, Event::Attest, State::Attested, &kProven},
    Transition{State::Generated, Event::Destroy, State::Destroyed, &kAlways},  // abandoned before anybody could see it
    Transition{State::Attested, Event::Destroy, State::Destroyed, &kAlways},
    Transition{State::Attested, Event::Stage, State::Staged, &kAlways},
    Transition{State::Staged, Event::StandBy, State::Standby, &kKnown},
    Transition{State::Standby, Event::Activate, State::Active, &kOnlyOne},
    Transition{State::Active, Event::Retire, State::Retiring, &kAlways},
    Transition{State::Retiring, Event::Close, State::Retired, &kOutOfUse},
    Transition{State::Retired, Event::Destroy, State::Destroyed, &kAlways},
    // Never used: verifiers refuse a set that drops a published key, so it leaves by the same door.
    Transition{State::Staged, Event::Withdraw, State::Retired, &kAlways},
    Transition{State::Standby, Event::Withdraw, State::Retired, &kAlways},
    // What was published signs never again; what was not stays where it is, and only its end is left.
    Transition{State::Generated, Event::Compromise, State::Generated, &kAlways},
    Transition{State::Attested, Event::Compromise, State::Attested, &kAlways},
    Transition{State::Staged, Event::Compromise, State::Retired, &kAlways},
    Transition{State::Standby, Event::Compromise, State::Retired, &kAlways},
    Transition{State::Active, Event::Compromise, State::Retired, &kAlways},
    Transition{State::Retiring, Event::Compromise, State::Retired, &kAlways},
    Transition{State::Retired, Event::Compromise, State::Retired, &kAlways},
    Transition{State::Destroyed, Event::Compromise, State::Destroyed, &kAlways},
};

constexpr bool allowed(State from, State to) {
  for (const Transition& each : kTransitions) {
    if (each.from == from && each.to == to && from != to) return true;
  }
  return false;
}

constexpr bool compromise_is_always_told() {
  for (const StateRow& row : kStates) {
    bool found = false;
    for (const Transition& each : kTransitions) {
      found = found || (each.from == row.state && each.event == Event::Compromise && each.guard == &kAlways &&
                        each.to != State::Active);
    }
    if (!found) return false;
  }
  return true;
}

constexpr int ways_to(State to) {
  int count = 0;
  for (const Transition& each : kTransitions) count += each.to == to ? 1 : 0;
  return count;
}

constexpr int states_that_sign() {
  int count = 0;
  for (const StateRow& row : kStates) count += row.signs ? 1 : 0;
  return count;
}

static_assert(ways_to(State::Active) == 1 && allowed(State::Standby, State::Active), "a key signs only from standby");
static_assert(ways_to(State::Standby) == 1 && allowed(State::Staged, State::Standby), "standby means published");
static_assert(!allowed(State::Active, State::Destroyed), "an active key retires before it is destroyed");
static_assert(compromise_is_always_told(), "a compromise can be told of any key at any time");
static_assert(states_that_sign() == 1, "active keys alone sign");

constexpr const StateRow& row_of(State state) {
  for (const StateRow& row : kStates) {
    if (row.state == state) return row;
  }
  __builtin_unreachable();
}
static_assert(row_of(State::Active).signs);

Error conflict(std::string detail, std::string_view reason) {
  return Error{ErrorCode::Conflict, std::move(detail), std::string(reason)};
}

}  // namespace

Result<State> next(State state, Event event, const KeyFacts& facts) {
  for (const Transition& each : kTransitions) {
    if (each.from != state || each.event != event) continue;
    if (facts.compromised && event != Event::Destroy) {
      return conflict("the key is compromised: only its destruction is left", "key_compromised");
    }
    if (!each.guard->met(facts)) return conflict("the key " + std::string(each.guard->refusal), each.guard->reason);
    return each.to;
  }
  return conflict("a key that is " + std::string(name_of(state)) + " cannot " + std::string(name_of(event)),
                  "key_state");
}

std::span<const StateRow> key_states() {
  return kStates;
}

std::span<const Transition> transitions() {
  return kTransitions;
}

std::string_view name_of(State state) {
  return row_of(state).name;
}

std::string_view name_of(Event event) {
  for (const auto& [each, name] : kEvents) {
    if (each == event) return name;
  }
  __builtin_unreachable();
}

std::optional<State> key_state_named(std::string_view name) {
  for (const StateRow& row : kStates) {
    if (row.name == name) return row.state;
  }
  return std::nullopt;
}

std::optional<Event> key_event_named(std::string_view name) {
  for (const auto& [event, each] : kEvents) {
    if (each == name) return event;
  }
  return std::nullopt;
}

bool may_become(State from, State to) {
  return allowed(from, to);
}

bool may_sign(State state) {
  return row_of(state).signs;
}

bool is_published(State state) {
  return row_of(state).published;
}

bool verifies(State state) {
  return row_of(state).verifies;
}

}  // namespace countersign::keymgmt
