#include "signer/daemon/key_custody.h"

#include <algorithm>

#include "common/json_fields.h"
#include "signer/ceremonies/ceremony_book.h"
#include "signer/config/role_marks.h"
#include "signer/config/rotation_times.h"
#include "signer/daemon/refusal_log.h"

namespace countersign::daemon {
namespace {

using keymgmt::Keys;
using keymgmt::KeyState;
using keymgmt::PublishedKey;
using keymgmt::Role;

// Changes take turns; more of them at once are no custodian.
constexpr std::size_t kMostWaiting = 64;
constexpr std::chrono::milliseconds kLookAgain{20};
constexpr std::chrono::seconds kPublishAgain{5};  // where it failed

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
    RETURN_IF_ERROR(config::set_mark(config::halt_mark(config.state, role.role), is_halted_role(keys, role.role),
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

Json kids_in(const Keys& steps, KeyState state, const Keys& before) {
  Json::Array kids;
  for (const PublishedKey& key : steps) {
    const PublishedKey* was = keymgmt::key_of_kid(before, key.key.kid());
    if (key.state == state && (was == nullptr || was->state != state)) kids.emplace_back(key.key.kid());
  }
  return kids;
}

}  // namespace

Result<std::set<Role>> KeyCustody::settle() {
  ASSIGN_OR_RETURN(roster_, config::read_roster(config_.publication_roster));
  ceremonies::CeremonyBook book(config_.state);
  const Status read = book.load(store_);
  agreed_roster_ = read ? book.standing().verifiers : "unreadable";  // no digest: no roster is that
  ASSIGN_OR_RETURN(Keys keys, store_.keys());
  RETURN_IF_ERROR(store_.put_keys(lifetime_noted(keys, config_.publication_lifetime), now()));
  if (!store_.time_guard().stopped()) {
    ASSIGN_OR_RETURN(keys, store_.keys());
    ASSIGN_OR_RETURN(const Keys due, keymgmt::due_moves(keys, rosters(), config::rotation_times(config_), now()));
    RETURN_IF_ERROR(store_.put_keys(due, now()));
  }
  ASSIGN_OR_RETURN(keys, store_.keys());
  return set_marks(config_, keys);
}

void KeyCustody::start(Recorder& recorder, EndHolders end_holders) {
  recorder_ = &recorder;
  end_holders_ = std::move(end_holders);
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

void KeyCustody::hand_over(const Json& publication, const publication::RootSigners& agreed, const Caller& caller,
                           Done done) {
  const Json body = Json::object({{"token", ""}, {"keys", Json::Array{}}, {"publication", publication}});
  carry_out([this, body, caller, agreed] { return stage_plan(body, caller, agreed); },
            [](const Keys&) {
              return Json::object({{"handed_over", true}});
            },
            std::move(done));
}

void KeyCustody::stage(const Json& body, const Caller& caller, Done done) {
  carry_out([this, body, caller] { return stage_plan(body, caller, std::nullopt); },
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
    if (planned->signed_files) {
      // Before the record: no timestamp is signed from here on that does not lead to these keys.
      if (const Status stored = publisher_.accept(*planned->signed_files); !stored) return done(stored.error());
    }
    if (planned->steps.empty() && !planned->signed_files) return done(answer(planned->steps));
    begin(*std::move(planned), answer, done);
  });
  take_next();
}

void KeyCustody::take_next() {
  // What custodians signed must not be stored under the hands of the thread that stores the repository.
  if (publisher_.writing() && !waiting_.empty()) return loop_.after(kLookAgain, [this] { take_next(); });
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
  const auto release = [this] {
    changing_ = false;
    take_next();
  };
  const auto finish = [this, shared, answer = std::move(answer), done](const Status& put, const Status& follow_up,
                                                                       const Status& published) {
    // A halt stands, published or not; the rest is worth nothing unpublished.
    if (put && follow_up && (published || shared->at_once)) {
      Json said = answer(shared->steps);
      if (said.is_object()) said.set("published", published.has_value());
      done(std::move(said));
    } else {
      if (!put && !shared->at_once) [[maybe_unused]]
        const Status again = ring_.reload(store_, config_, now());
      done(!put ? put.error() : !follow_up ? follow_up.error() : published.error());
    }
  };
  const UtcTime at = now();
  const Status accepted = recorder_->perform([this, shared, at, finish, release](ledger::Store& store) {
    const Status put = store.put_keys(shared->steps, at, shared->why);
    // Holders end once the record is durable, whatever becomes of the rest.
    Status follow_up = ok();
    if (put) {
      const Result<Keys> keys = store.keys();
      const Result<std::set<Role>> marked = keys ? set_marks(config_, *keys) : Result<std::set<Role>>(keys.error());
      if (!marked) follow_up = marked.error();
    }
    loop_.post([this, shared, put, follow_up, finish, release] {
      if (put || shared->at_once) {
        for (const Role role : shared->end_holders) end_holders_(role);
      }
      const Status loaded = put ? ring_.reload(store_, config_, now()) : ok();
      if (put && loaded) {
        tried_ = now();
        // The next change, above all a halt, does not wait for a publication.
        publisher_.publish([=](const Status& published) { finish(put, follow_up, published); });
      } else {
        finish(put, loaded ? follow_up : loaded, ok());
      }
      release();
    });
  });
  if (!accepted) {
    finish(accepted, accepted, ok());
    release();
  }
}

void KeyCustody::publish(Done done) {
  tried_ = now();
  const auto finish = [this, done = std::move(done)](const Status& published) {
    if (published) {
      Json answer = Json::object({{"key_set_version", ring_.set().version()}});
      const publication::Repository* repository = publisher_.repository();
      const std::optional<UtcTime> expires = repository == nullptr ? std::nullopt : repository->expires();
      if (expires) answer.set("expires_at", expires->rfc3339());
      done(std::move(answer));
    } else {
      done(published.error());
    }
  };
  if (const Status loaded = ring_.reload(store_, config_, now()); !loaded) return finish(loaded);
  publisher_.publish(finish);
}

void KeyCustody::republish(const Json& body, const Caller&, Done done) {
  if (const Status only = JsonFields(body, "").finish(); !only) return done(only.error());
  if (waiting_.size() >= kMostWaiting) {
    return done(Error{ErrorCode::OverLimit, "too many changes of keys wait", "keys_changing", "Ask again."});
  }
  waiting_.push_back([this, done = std::move(done)] { publish(done); });
  take_next();
}

void KeyCustody::acknowledge(const Json& body, const Caller& caller, Done done) {
  const Json* document = body.find("acknowledgement");
  const std::string name(document == nullptr ? std::string_view() : document->text("verifier"));
  carry_out(
      [this, body, caller] { return acknowledge_plan(body, caller); },
      [this, name](const Keys& steps) {
        Json::Array acknowledged;
        for (const PublishedKey& key : steps) acknowledged.emplace_back(key.key.kid());
        Json::Array waiting;
        for (const PublishedKey& key : ring_.set().keys()) {
          const std::vector<std::string> roster = roster_of(key.role);
          if (key.state != KeyState::Staged || roster.empty()) continue;
          waiting.push_back(Json::object(
              {{"kid", key.key.kid()}, {"missing", Json::array(keymgmt::missing_acknowledgements(key, roster))}}));
        }
        return Json::object(
            {{"verifier", name}, {"acknowledged", std::move(acknowledged)}, {"waiting", std::move(waiting)}});
      },
      std::move(done));
}

Status KeyCustody::check_roster() const {
  if (agreed_roster_.empty() || agreed_roster_ == roster_.digest()) return ok();
  return Error{ErrorCode::Refused, "the configured verifiers are not those that the custodians agreed to",
               "roster_not_agreed",
               "hold the ceremony deploy/ceremonies/roster.yaml with of=verifiers, or bring the agreed roster back"};
}

std::vector<std::string> KeyCustody::roster_of(Role role) const {
  return check_roster() ? roster_.closed_for(role) : std::vector<std::string>();
}

void KeyCustody::every_second() {
  if (changing_ || publisher_.publishing() || store_.time_guard().stopped()) return;
  const auto nobody = [](const Result<Json>&) {};
  if (std::optional<Change> change = scheduled_change()) {
    return begin(
        *std::move(change), [](const Keys&) { return Json(); }, nobody);
  }
  // A date in the future is of a clock that has been set right since; what it says would outlive its time.
  const UtcTime issued = ring_.set().issued_at();
  const bool due = now() - issued >= config_.publication_refresh || issued > now();
  const bool again = publisher_.trouble() && now() - tried_ >= kPublishAgain;
  if (due || again) publish(nobody);
}

}  // namespace countersign::daemon
