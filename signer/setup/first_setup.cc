#include "signer/setup/first_setup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/durable_file.h"
#include "keymgmt/rotation.h"
#include "signer/config/rotation_times.h"
#include "signer/config/state_directory.h"
#include "signer/custody/holder_run.h"
#include "signer/custody/pin_store.h"
#include "signer/ledger/sqlite_store.h"
#include "signer/setup/first_root.h"
#include "signer/setup/ownership.h"
#include "signer/setup/soft_hsm.h"
#include "signer/setup/state_directory.h"
#include "signer/supervisor/state_lock.h"

namespace countersign::setup {
namespace {

using channel::HeldKey;
using channel::SetupAnswer;

Status refuse_other_modules(const config::Config& config) {
  for (const config::TokenConfig& token : config.tokens) {
    if (is_soft_hsm(token)) continue;
    return Error{
        ErrorCode::Refused,
        "token " + token.name + " is not SoftHSM's: first keys are made in a ceremony with witnesses, not by init",
        "ceremony_needed", "countersign ceremony plan first-keys, then rehearse and run it"};
  }
  return ok();
}

// One run of the holder with both PINs; no second one where the token is there and nobody kept it.
struct Pins {
  int user = -1;
  int so = -1;
};
Result<Pins> open_pins(const config::Config& config, const config::TokenConfig& token, custody::PinStore& pins) {
  ASSIGN_OR_RETURN(const int user, pins.open(token));
  const std::string so_path = so_pin_file(config, token);
  const Result<int> so = is_there(so_path) ? open_private_file(so_path) : Result<int>(-1);
  if (so) return Pins{user, *so};
  close(user);
  return so.error();
}

// Keys are made only on a token whose module was measured, SoftHSM's too. One that was updated is measured again.
Result<SetupAnswer> measured_and_made(const config::Config& config, const config::TokenConfig& token,
                                      const std::string& holder, const keymgmt::Keys& known, custody::PinStore& pins) {
  bool measured = is_there(config.profile_file(token.name));
  for (;;) {
    if (!measured) {
      ASSIGN_OR_RETURN(const Pins open, open_pins(config, token, pins));
      RETURN_IF_ERROR(custody::measure_module(holder, config, token, false, open.user, open.so));
    }
    ASSIGN_OR_RETURN(const Pins open, open_pins(config, token, pins));
    Result<SetupAnswer> made =
        custody::run_setup(holder, "init", token, custody::setup_request(config, token, known), open.user, open.so);
    if (made || !measured || (made.error().reason != "profile_old" && made.error().reason != "profile_missing")) {
      return made;
    }
    measured = false;
  }
}

Result<SetupAnswer> make_token(const config::Config& config, const config::TokenConfig& token,
                               const std::string& holder, const keymgmt::Keys& known, custody::PinStore& pins) {
  RETURN_IF_ERROR(make_soft_hsm_place(token));
  if (token.pin.kind == config::PinSource::Kind::File) {
    if (!is_there(token.pin.name) && has_tokens(token)) {
      return Error{ErrorCode::Refused,
                   "token " + token.name + " is there, but its PIN file " + token.pin.name + " is not", "pin_missing",
                   "bring the file back; a new PIN would not open the token"};
    }
    RETURN_IF_ERROR(make_pin_file(token.pin.name));
  }
  const std::string so_pin_path = so_pin_file(config, token);
  if (!has_tokens(token)) RETURN_IF_ERROR(make_pin_file(so_pin_path));
  return measured_and_made(config, token, holder, known, pins);
}

Result<std::vector<SetupAnswer>> make_tokens(const config::Config& config, const std::string& holder,
                                             const keymgmt::Keys& known) {
  custody::PinStore pins;
  RETURN_IF_ERROR(pins.ask_for_typed(config));
  std::vector<SetupAnswer> answers;
  for (const config::TokenConfig& token : config.tokens) {
    ASSIGN_OR_RETURN(SetupAnswer answer, make_token(config, token, holder, known, pins));
    answers.push_back(std::move(answer));
  }
  return answers;
}

const HeldKey* key_without_record(const std::vector<SetupAnswer>& answers) {
  for (const SetupAnswer& answer : answers) {
    for (const HeldKey& key : answer.keys) {
      if (!key.created) return &key;
    }
  }
  return nullptr;
}

// What the holder found or made and the ledger does not know yet, a role's own token before its standby's.
keymgmt::Keys unknown_keys(const config::Config& config, const std::vector<SetupAnswer>& answers,
                           const keymgmt::Keys& known, UtcTime now) {
  keymgmt::Keys unknown;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    for (const HeldKey& held : answers[i].keys) {
      if (keymgmt::key_of_kid(known, held.key.kid()) != nullptr) continue;
      unknown.push_back(held.generated(config.tokens[i].name, now));
    }
  }
  std::stable_partition(unknown.begin(), unknown.end(),
                        [&](const keymgmt::PublishedKey& key) { return config.role(key.role)->token == key.token; });
  return unknown;
}

// Each step of each new key is a record. `known`: what verifiers may know already.
Status stage_keys(ledger::Store& store, const config::Config& config, const std::vector<SetupAnswer>& answers,
                  UtcTime now) {
  ASSIGN_OR_RETURN(const keymgmt::Keys known, store.keys());
  keymgmt::Keys steps;
  for (const keymgmt::PublishedKey& key : unknown_keys(config, answers, known, now)) {
    ASSIGN_OR_RETURN(const keymgmt::Keys staged, keymgmt::staging(key, known, config::rotation_times(config), now));
    steps.insert(steps.end(), staged.begin(), staged.end());
  }
  return store.put_keys(steps, now);
}

Json report(const config::Config& config, const std::string& ledger, bool created,
            const std::vector<SetupAnswer>& answers, const keymgmt::KeySet& keys) {
  Json::Array tokens;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    tokens.push_back(Json::object({{"name", config.tokens[i].name},
                                   {"label", answers[i].token_label},
                                   {"serial", answers[i].token_serial},
                                   {"created", answers[i].token_created}}));
  }
  Json::Array made;
  for (const keymgmt::PublishedKey& key : keys.keys()) {
    made.push_back(Json::object({{"role", keymgmt::name_of(key.role)},
                                 {"algorithm", keymgmt::name_of(key.key.algorithm())},
                                 {"kid", key.key.kid()},
                                 {"state", keymgmt::name_of(key.state)}}));
  }
  return Json::object({{"ok", true},
                       {"state", config.state},
                       {"ledger", Json::object({{"path", ledger}, {"created", created}})},
                       {"tokens", std::move(tokens)},
                       {"keys", std::move(made)},
                       {"published", Json::object({{"directory", config.publication}, {"version", keys.version()}})}});
}

}  // namespace

Result<Json> set_up(const config::Config& config, const std::string& holder, const Clock& clock) {
  RETURN_IF_ERROR(refuse_other_modules(config));
  RETURN_IF_ERROR(config::make_state(config));
  ASSIGN_OR_RETURN(const supervisor::StateLock lock, supervisor::StateLock::take(config.state, config.front_uid()));
  const std::string path = config.state + "/ledger.db";
  const UnfinishedMark unfinished(config.state);
  const bool fresh = !is_there(path);
  const bool resumed = unfinished.set();
  if (fresh && !resumed) RETURN_IF_ERROR(unfinished.put());
  std::unique_ptr<ledger::SqliteStore> store;
  keymgmt::Keys known;
  if (!fresh) {
    ASSIGN_OR_RETURN(store, ledger::SqliteStore::open(path, clock));
    ASSIGN_OR_RETURN(known, store->keys());
  }
  ASSIGN_OR_RETURN(const std::vector<SetupAnswer> answers, make_tokens(config, holder, known));
  const HeldKey* lost = fresh && !resumed ? key_without_record(answers) : nullptr;
  if (lost != nullptr) {
    RETURN_IF_ERROR(unfinished.remove());
    return Error{ErrorCode::Refused,
                 "the key " + lost->label + " is there, but the ledger " + path + " that recorded it is not",
                 "ledger_missing", "restore the ledger from its backup; an empty one would forget what was redeemed"};
  }
  if (fresh) {
    ASSIGN_OR_RETURN(store, ledger::SqliteStore::create(path, clock));
  }
  const UtcTime now = clock.now().whole_seconds();
  RETURN_IF_ERROR(stage_keys(*store, config, answers, now));
  RETURN_IF_ERROR(sign_trial_key_set(*store, config, now));
  // Verifiers can know a key before it becomes active.
  ASSIGN_OR_RETURN(const keymgmt::KeySet staged, publish(*store, config, now));
  ASSIGN_OR_RETURN(const keymgmt::Keys all, store->keys());
  ASSIGN_OR_RETURN(const keymgmt::Keys due, keymgmt::due_moves(all, {}, config::rotation_times(config), now));
  RETURN_IF_ERROR(store->put_keys(due, now));
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys, publish(*store, config, now));
  RETURN_IF_ERROR(unfinished.remove());
  RETURN_IF_ERROR(give_to_users(config));
  return report(config, path, fresh, answers, keys);
}

}  // namespace countersign::setup
