#include "signer/setup/first_setup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/durable_file.h"
#include "keymgmt/key_set.h"
#include "signer/ledger/sqlite_store.h"
#include "signer/setup/holder_run.h"
#include "signer/setup/soft_hsm.h"
#include "signer/supervisor/pin_store.h"
#include "signer/supervisor/state_lock.h"

namespace countersign::setup {
namespace {

using channel::HeldKey;
using channel::SetupAnswer;

// What cannot be looked at counts as there: nothing is made in its place.
bool is_there(const std::string& path) {
  struct stat facts {};
  return lstat(path.c_str(), &facts) == 0 || errno != ENOENT;
}

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

Status make_state(const std::string& state) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(state).parent_path(), error);
  if (mkdir(state.c_str(), 0700) == 0 || errno == EEXIST) return ok();
  return Error{ErrorCode::Unavailable, "cannot make " + state + ": " + std::strerror(errno)};
}

// Says, while it is there, that keys without a ledger are an unfinished setup of ours and not a lost ledger.
class UnfinishedMark {
 public:
  explicit UnfinishedMark(const std::string& state) : path_(state + "/setup-unfinished") {}
  bool set() const { return is_there(path_); }
  Status put() const { return write_durable(path_, "countersignd init was interrupted; run it again\n", 0600); }
  Status remove() const {
    if (unlink(path_.c_str()) != 0 && errno != ENOENT) {
      return Error{ErrorCode::Unavailable, "cannot remove " + path_ + ": " + std::strerror(errno)};
    }
    return sync_directory(std::filesystem::path(path_).parent_path().string());
  }

 private:
  std::string path_;
};

Result<SetupAnswer> make_token(const config::Config& config, const config::TokenConfig& token,
                               const std::string& holder, supervisor::PinStore& pins) {
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
  ASSIGN_OR_RETURN(const int pin, pins.open(token));
  const Result<int> so_pin = is_there(so_pin_path) ? open_private_file(so_pin_path) : Result<int>(-1);
  if (!so_pin) {
    close(pin);
    return so_pin.error();
  }
  return run_holder(holder, "init", token, setup_request(config, token), pin, *so_pin);
}

Result<std::vector<SetupAnswer>> make_tokens(const config::Config& config, const std::string& holder) {
  supervisor::PinStore pins;
  RETURN_IF_ERROR(pins.ask_for_typed(config));
  std::vector<SetupAnswer> answers;
  for (const config::TokenConfig& token : config.tokens) {
    ASSIGN_OR_RETURN(SetupAnswer answer, make_token(config, token, holder, pins));
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

// Keys the ledger does not know yet become active.
Status register_keys(ledger::Store& store, const std::vector<SetupAnswer>& answers, UtcTime now) {
  ASSIGN_OR_RETURN(const std::vector<keymgmt::PublishedKey> known, store.keys());
  std::vector<keymgmt::PublishedKey> added;
  for (const SetupAnswer& answer : answers) {
    for (const HeldKey& held : answer.keys) {
      const bool registered = std::any_of(known.begin(), known.end(), [&](const keymgmt::PublishedKey& one) {
        return one.key.kid() == held.key.kid();
      });
      if (registered) continue;
      added.push_back(keymgmt::PublishedKey{.key = held.key,
                                            .role = held.role,
                                            .state = keymgmt::KeyState::Active,
                                            .token_id = held.token_id,
                                            .label = held.label,
                                            .created_at = now,
                                            .not_before = now,
                                            .not_after = std::nullopt,
                                            .compromised_since = std::nullopt});
    }
  }
  return added.empty() ? ok() : store.put_keys(added, now);
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
  RETURN_IF_ERROR(make_state(config.state));
  ASSIGN_OR_RETURN(const supervisor::StateLock lock, supervisor::StateLock::take(config.state));
  const std::string path = config.state + "/ledger.db";
  const UnfinishedMark unfinished(config.state);
  const bool fresh = !is_there(path);
  const bool resumed = unfinished.set();
  if (fresh && !resumed) RETURN_IF_ERROR(unfinished.put());
  ASSIGN_OR_RETURN(const std::vector<SetupAnswer> answers, make_tokens(config, holder));
  const HeldKey* lost = fresh && !resumed ? key_without_record(answers) : nullptr;
  if (lost != nullptr) {
    RETURN_IF_ERROR(unfinished.remove());
    return Error{ErrorCode::Refused,
                 "the key " + lost->label + " is there, but the ledger " + path + " that recorded it is not",
                 "ledger_missing", "restore the ledger from its backup; an empty one would forget what was redeemed"};
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<ledger::SqliteStore> store,
                   fresh ? ledger::SqliteStore::create(path, clock) : ledger::SqliteStore::open(path, clock));
  const UtcTime now = clock.now().whole_seconds();
  RETURN_IF_ERROR(register_keys(*store, answers, now));
  ASSIGN_OR_RETURN(std::vector<keymgmt::PublishedKey> registered, store->keys());
  ASSIGN_OR_RETURN(const std::uint64_t version, store->key_set_version());
  const keymgmt::KeySet keys(version, now, std::move(registered));
  if (!config.publication.empty()) RETURN_IF_ERROR(keys.publish(config.publication));
  RETURN_IF_ERROR(unfinished.remove());
  return report(config, path, fresh, answers, keys);
}

}  // namespace countersign::setup
