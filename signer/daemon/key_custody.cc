#include "signer/daemon/key_custody.h"

#include <algorithm>

#include "common/json_fields.h"
#include "signer/channel/holder_setup.h"
#include "signer/config/role_marks.h"
#include "signer/config/rotation_times.h"
#include "signer/daemon/refusal_log.h"

namespace countersign::daemon {
namespace {

using keymgmt::Keys;
using keymgmt::KeyState;
using keymgmt::PublishedKey;
using keymgmt::Role;

// A halt that names no key, again within this time, is taken for the same person asking twice.
constexpr std::chrono::minutes kSameHalt{10};
constexpr std::size_t kLongestReason = 500;
// Changes take turns; more of them at once are no custodian.
constexpr std::size_t kMostWaiting = 64;

Result<Role> configured_role(const config::Config& config, const std::string& name) {
  const std::optional<Role> role = keymgmt::role_named(name);
  if (role && config.role(*role) != nullptr) return *role;
  return Error{ErrorCode::NotFound, "there is no role " + name.substr(0, 64) + " here", "unknown_role",
               "The configuration lists the roles; `countersign keys list` shows their keys."};
}

bool is_halted(const Keys& keys, Role role) {
  bool compromised = false;
  for (const PublishedKey& key : keys) {
    if (key.role != role) continue;
    if (keymgmt::may_sign(key.state)) return false;
    compromised = compromised || key.compromised_since.has_value();
  }
  return compromised;
}

bool serves_from_standby_token(const config::RoleConfig& role, const Keys& keys) {
  return role.standby_token != role.token && std::any_of(keys.begin(), keys.end(), [&](const PublishedKey& key) {
           return key.role == role.role && keymgmt::may_sign(key.state) && key.token == role.standby_token;
         });
}

// The marks as the ledger wants them. Gives the roles whose mark was another.
Result<std::set<Role>> set_marks(const config::Config& config, const Keys& keys) {
  std::set<Role> changed;
  for (const config::RoleConfig& role : config.roles) {
    const bool halted = config::is_halted(config.state, role.role);
    const std::string token = config::serving_token(config, role.role);
    RETURN_IF_ERROR(config::set_mark(config::halt_mark(config.state, role.role), is_halted(keys, role.role),
                                     "its active key is compromised and none stands by\n"));
    RETURN_IF_ERROR(config::set_mark(config::standby_mark(config.state, role.role),
                                     serves_from_standby_token(role, keys),
                                     "its active key is in the standby token\n"));
    if (halted != config::is_halted(config.state, role.role) || token != config::serving_token(config, role.role)) {
      changed.insert(role.role);
    }
  }
  return changed;
}

// A set is never published with a longer life than the ledger knows of: cut-over gates are reckoned from it.
Keys lifetime_noted(const Keys& keys, std::chrono::nanoseconds lifetime) {
  const auto longest = std::max_element(keys.begin(), keys.end(), [](const PublishedKey& a, const PublishedKey& b) {
    return a.longest_lifetime < b.longest_lifetime;
  });
  if (longest == keys.end() || longest->longest_lifetime >= lifetime) return {};
  Keys noted = {*longest};
  noted.front().longest_lifetime = lifetime;
  return noted;
}

Result<std::string> reason_in(JsonFields& fields) {
  ASSIGN_OR_RETURN(std::string reason, fields.text("reason"));
  const bool plain =
      std::none_of(reason.begin(), reason.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (reason.empty() || reason.size() > kLongestReason || !plain) {
    return fields.wrong("reason", "must be one line of at most 500 bytes that says why");
  }
  return reason;
}

// The keys that a halt without a key means: all that sign for the role.
Result<std::vector<std::string>> keys_to_halt(const Keys& keys, Role role, UtcTime now) {
  std::vector<std::string> kids;
  for (const PublishedKey& key : keys) {
    if (key.role != role || !keymgmt::may_sign(key.state)) continue;
    const bool just_promoted = std::any_of(keys.begin(), keys.end(), [&](const PublishedKey& other) {
      return other.role == role && other.compromised_since == key.not_before && now - key.not_before < kSameHalt;
    });
    if (just_promoted) {
      return Error{
          ErrorCode::Conflict,
          "the role was halted at " + key.not_before.rfc3339() + ", and key " + key.key.kid() + " was promoted",
          "just_promoted", "To halt that key too, name it: --key " + key.key.kid()};
    }
    kids.push_back(key.key.kid());
  }
  if (!kids.empty()) return kids;
  return Error{ErrorCode::Conflict, "no key of the role " + std::string(keymgmt::name_of(role)) + " is active",
               is_halted(keys, role) ? "already_halted" : "no_active_key"};
}

Json kids_in(const Keys& steps, KeyState state, const Keys& before) {
  Json::Array kids;
  for (const PublishedKey& key : steps) {
    const PublishedKey* was = keymgmt::key_of_kid(before, key.key.kid());
    if (key.state == state && (was == nullptr || was->state != state)) kids.emplace_back(key.key.kid());
  }
  return kids;
}

Error refused(std::string detail, std::string reason, std::string hint) {
  return Error{ErrorCode::Conflict, std::move(detail), std::move(reason), std::move(hint)};
}

bool holds(const HolderState& holder, const std::string& kid) {
  const Json* keys = holder.ready.find("keys");
  if (keys == nullptr || !keys->is_array()) return false;
  return std::any_of(keys->as_array().begin(), keys->as_array().end(),
                     [&](const Json& key) { return key.text("kid") == kid; });
}

}  // namespace

Result<std::set<Role>> KeyCustody::settle() {
  ASSIGN_OR_RETURN(Keys keys, store_.keys());
  RETURN_IF_ERROR(store_.put_keys(lifetime_noted(keys, config_.publication_lifetime), now()));
  if (!store_.time_guard().stopped()) {
    ASSIGN_OR_RETURN(keys, store_.keys());
    ASSIGN_OR_RETURN(const Keys due, keymgmt::due_moves(keys, {}, config::rotation_times(config_), now()));
    RETURN_IF_ERROR(store_.put_keys(due, now()));
  }
  ASSIGN_OR_RETURN(keys, store_.keys());
  return set_marks(config_, keys);
}

void KeyCustody::start(Recorder& recorder, EndHolders end_holders) {
  recorder_ = &recorder;
  end_holders_ = std::move(end_holders);
}

Result<KeyCustody::Change> KeyCustody::halt_plan(const Json& body, const Caller& caller) const {
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const std::string name, fields.text("role"));
  Change change;
  ASSIGN_OR_RETURN(change.why.reason, reason_in(fields));
  std::string kid;
  if (body.find("key") != nullptr) {
    ASSIGN_OR_RETURN(kid, fields.text("key"));
  }
  RETURN_IF_ERROR(fields.finish());
  ASSIGN_OR_RETURN(const Role role, configured_role(config_, name));
  Keys keys = ring_.set().keys();
  const UtcTime at = now().whole_seconds();
  std::vector<std::string> kids;
  if (kid.empty()) {
    ASSIGN_OR_RETURN(kids, keys_to_halt(keys, role, at));
  } else {
    const PublishedKey* key = ring_.set().find(kid);
    if (key == nullptr || key->role != role) {
      return Error{ErrorCode::NotFound, "the role " + name + " has no published key " + kid.substr(0, 64),
                   "unknown_key"};
    }
    if (key->compromised_since) {
      return refused("key " + key->key.kid() + " was halted at " + key->compromised_since->rfc3339(), "already_halted",
                     "Nothing needs to be done: it never signs again.");
    }
    kids.push_back(key->key.kid());
  }
  for (const std::string& each : kids) {
    const PublishedKey& key = *keymgmt::key_of_kid(keys, each);
    if (keymgmt::may_sign(key.state)) change.end_holders.insert(role);
    ASSIGN_OR_RETURN(const Keys steps, keymgmt::halting(key, keys, config::rotation_times(config_), at));
    for (const PublishedKey& step : steps) {
      *std::find_if(keys.begin(), keys.end(),
                    [&](const PublishedKey& one) { return one.key.kid() == step.key.kid(); }) = step;
      change.steps.push_back(step);
    }
  }
  change.at_once = true;
  change.why.peer_uid = caller.uid;
  change.why.request_id = caller.request_id;
  change.why.events.push_back(
      outbox_event(config::Event::KeyHalted, caller, at, kids.front(),
                   Json::object({{"role", name}, {"keys", Json::array(kids)}, {"reason", change.why.reason}})));
  return change;
}

void KeyCustody::halt(const Json& body, const Caller& caller, Done done) {
  const auto before = std::make_shared<Keys>();
  carry_out(
      [this, body, caller, before] {
        *before = ring_.set().keys();
        return halt_plan(body, caller);
      },
      [this, before](const Keys& steps) {
        Json::Array compromised;
        std::string since;
        for (const PublishedKey& key : steps) {
          const PublishedKey* was = keymgmt::key_of_kid(*before, key.key.kid());
          if (!key.compromised_since || was->compromised_since) continue;
          compromised.emplace_back(key.key.kid());
          since = key.compromised_since->rfc3339();
        }
        return Json::object({{"halted", true},
                             {"role", keymgmt::name_of(steps.front().role)},
                             {"keys", std::move(compromised)},
                             {"promoted", kids_in(steps, KeyState::Active, *before)},
                             {"compromised_since", since},
                             {"key_set_version", ring_.set().version()}});
      },
      std::move(done));
}

Result<KeyCustody::Change> KeyCustody::stage_plan(const Json& body, const Caller& caller) const {
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const std::string token, fields.text("token"));
  ASSIGN_OR_RETURN(const Json::Array* rows, fields.array("keys"));
  RETURN_IF_ERROR(fields.finish());
  RETURN_IF_ERROR(store_.time_guard().check());
  const UtcTime at = now().whole_seconds();
  Change change;
  change.why.peer_uid = caller.uid;
  change.why.request_id = caller.request_id;
  if (rows->empty()) return fields.wrong("keys", "is empty");
  for (const Json& row : *rows) {
    ASSIGN_OR_RETURN(const channel::HeldKey held, channel::HeldKey::from_json(row));
    const config::RoleConfig* role = config_.role(held.role);
    if (role == nullptr || (role->token != token && role->standby_token != token)) {
      return fields.wrong("token", "is none of the role " + std::string(keymgmt::name_of(held.role)));
    }
    PublishedKey key{.key = held.key,
                     .role = held.role,
                     .state = KeyState::Generated,
                     .token_id = held.token_id,
                     .label = held.label,
                     .created_at = at,
                     .not_before = at,
                     .not_after = std::nullopt,
                     .compromised_since = std::nullopt};
    key.token = token;
    ASSIGN_OR_RETURN(const Keys steps,
                     keymgmt::staging(std::move(key), ring_.set().keys(), config::rotation_times(config_), at));
    change.steps.insert(change.steps.end(), steps.begin(), steps.end());
    // Its holders find it when they start; before the cut-over they must have it.
    if (token == config::serving_token(config_, held.role)) change.end_holders.insert(held.role);
  }
  return change;
}

void KeyCustody::stage(const Json& body, const Caller& caller, Done done) {
  carry_out([this, body, caller] { return stage_plan(body, caller); },
            [](const Keys& steps) {
              Json::Array staged;
              for (const PublishedKey& key : steps) {
                if (key.state != KeyState::Staged) continue;
                staged.push_back(Json::object({{"kid", key.key.kid()},
                                               {"role", keymgmt::name_of(key.role)},
                                               {"gate_opens", key.gate_opens->rfc3339()}}));
              }
              return Json::object({{"staged", std::move(staged)}});
            },
            std::move(done));
}

Result<KeyCustody::Change> KeyCustody::activate_plan(const Json& body, const Caller& caller) const {
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const std::string name, fields.text("kid"));
  RETURN_IF_ERROR(fields.finish());
  RETURN_IF_ERROR(store_.time_guard().check());
  const PublishedKey* key = ring_.set().find(name);
  if (key == nullptr) {
    return Error{ErrorCode::NotFound, "no published key is called " + name.substr(0, 64), "unknown_key",
                 "`countersign keys list` shows the staged keys."};
  }
  const std::string kid = key->key.kid();
  Change change;
  change.why.peer_uid = caller.uid;
  change.why.request_id = caller.request_id;
  ASSIGN_OR_RETURN(change.steps, keymgmt::cutover(kid, ring_.set().keys(), {}, config::rotation_times(config_),
                                                  now().whole_seconds()));
  if (key->token != config::serving_token(config_, key->role)) {
    change.end_holders.insert(key->role);
    return change;
  }
  for (const HolderState& holder : holders_.states()) {
    if (holder.name.role == key->role && !holds(holder, kid)) {
      return refused(
          "a holder of the role " + std::string(keymgmt::name_of(key->role)) + " does not have key " + kid + " yet",
          "key_not_held", "Holders look for keys when they start; ask again when `status` shows them up.");
    }
  }
  return change;
}

void KeyCustody::activate(const Json& body, const Caller& caller, Done done) {
  const auto before = std::make_shared<Keys>();
  carry_out(
      [this, body, caller, before] {
        *before = ring_.set().keys();
        return activate_plan(body, caller);
      },
      [this, before](const Keys& steps) {
        return Json::object({{"active", kids_in(steps, KeyState::Active, *before)},
                             {"retiring", kids_in(steps, KeyState::Retiring, *before)},
                             {"key_set_version", ring_.set().version()}});
      },
      std::move(done));
}

void KeyCustody::carry_out(Plan plan, Answer answer, Done done) {
  if (waiting_.size() >= kMostWaiting) {
    return done(Error{ErrorCode::OverLimit, "too many changes of keys wait", "keys_changing", "Ask again."});
  }
  waiting_.push_back([this, plan = std::move(plan), answer = std::move(answer), done = std::move(done)] {
    Result<Change> planned = plan();
    if (!planned) return done(std::move(planned).error());
    begin(*std::move(planned), answer, done);
  });
  take_next();
}

void KeyCustody::take_next() {
  while (!changing_ && !waiting_.empty()) {
    const std::function<void()> next = std::move(waiting_.front());
    waiting_.pop_front();
    next();
  }
}

void KeyCustody::begin(Change plan, Answer answer, Done done) {
  changing_ = true;
  // From here on nothing signed by a key that leaves is recorded; what is recorded already stands before its end.
  for (const PublishedKey& key : plan.steps) {
    if (!keymgmt::may_sign(key.state)) ring_.stop(key.key.kid());
  }
  const auto shared = std::make_shared<Change>(std::move(plan));
  const auto finish = [this, shared, answer = std::move(answer), done](const Status& put, const Status& follow_up) {
    changing_ = false;
    if (put && follow_up) {
      done(answer(shared->steps));
    } else {
      if (!put && !shared->at_once) [[maybe_unused]]
        const Status again = ring_.reload(store_, config_, now());
      done(put ? follow_up.error() : put.error());
    }
    take_next();
  };
  const UtcTime at = now();
  const Status accepted = recorder_->perform([this, shared, at, finish](ledger::Store& store) {
    const Status put = store.put_keys(shared->steps, at, shared->why);
    // Holders end once the record is durable, whatever becomes of the rest.
    Status follow_up = ok();
    if (put) {
      const Result<Keys> keys = store.keys();
      const Result<std::set<Role>> marked = keys ? set_marks(config_, *keys) : Result<std::set<Role>>(keys.error());
      if (!marked) follow_up = marked.error();
    }
    loop_.post([this, shared, put, follow_up, finish] {
      if (put || shared->at_once) {
        for (const Role role : shared->end_holders) end_holders_(role);
      }
      if (!put) return finish(put, follow_up);
      const Status loaded = ring_.reload(store_, config_, now());
      if (!loaded) return finish(put, loaded);
      const Status published = recorder_->perform([this, set = ring_.set(), put, follow_up, finish](ledger::Store&) {
        const Status written = config_.publication.empty() ? ok() : set.publish(config_.publication);
        loop_.post([=] { finish(put, written ? follow_up : written); });
      });
      if (!published) finish(put, published);
    });
  });
  if (!accepted) finish(accepted, accepted);
}

void KeyCustody::publish() {
  if (const Status loaded = ring_.reload(store_, config_, now()); !loaded || config_.publication.empty()) return;
  // What fails here is tried again a minute later; that the set grows old, `status` says.
  [[maybe_unused]] const Status accepted = recorder_->perform([this, set = ring_.set()](ledger::Store&) {
    [[maybe_unused]] const Status written = set.publish(config_.publication);
  });
}

void KeyCustody::every_second() {
  if (changing_ || store_.time_guard().stopped()) return;
  const Result<Keys> due =
      keymgmt::due_moves(ring_.set().keys(), {}, config::rotation_times(config_), now().whole_seconds());
  if (due && !due->empty()) {
    Change change;
    change.steps = *due;
    return begin(
        std::move(change), [](const Keys&) { return Json(); }, [](const Result<Json>&) {});
  }
  if (now() - ring_.set().issued_at() >= config_.publication_refresh) publish();
}

}  // namespace countersign::daemon
