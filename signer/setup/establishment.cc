#include "signer/setup/establishment.h"

#include <algorithm>

#include "common/json_fields.h"
#include "keymgmt/rotation.h"
#include "signer/ceremonies/ceremony_book.h"
#include "signer/channel/holder_setup.h"
#include "signer/config/rotation_times.h"
#include "signer/config/state_directory.h"
#include "signer/ledger/sqlite_store.h"
#include "signer/setup/first_root.h"
#include "signer/setup/ownership.h"
#include "signer/setup/state_directory.h"
#include "signer/supervisor/state_lock.h"

namespace countersign::setup {
namespace {

using ceremonies::CeremonyBook;
using ceremonies::Standing;
using ceremony::Intent;
using ceremony::Step;

struct Request {
  Intent intent;
  std::vector<ceremony::Approval> approvals;
  std::vector<channel::HeldKey> keys;  // in the plan's order
  bool propose = false;
  std::optional<publication::CustodianFiles> publication;
};

Error refused(std::string reason, std::string detail, std::string hint = "") {
  return Error{ErrorCode::Refused, std::move(detail), std::move(reason), std::move(hint)};
}

Result<Request> read_request(const Json& json) {
  JsonFields fields(json, "");
  ASSIGN_OR_RETURN(const std::string text, fields.text("intent"));
  ASSIGN_OR_RETURN(Intent intent, ceremony::read_intent(text));
  ASSIGN_OR_RETURN(const Json* listed, fields.required("approvals"));
  ASSIGN_OR_RETURN(std::vector<ceremony::Approval> approvals, ceremony::read_approvals(*listed));
  ASSIGN_OR_RETURN(const Json::Array* rows, fields.array("keys"));
  Request request{std::move(intent), std::move(approvals), {}, false, std::nullopt};
  if (json.find("propose") != nullptr) {
    ASSIGN_OR_RETURN(request.propose, fields.boolean("propose"));
  }
  if (const Json* files = fields.take("publication")) {
    ASSIGN_OR_RETURN(request.publication, publication::CustodianFiles::from_json(*files));
  }
  RETURN_IF_ERROR(fields.finish());
  for (const Json& row : *rows) {
    ASSIGN_OR_RETURN(channel::HeldKey key, channel::HeldKey::from_json(row));
    request.keys.push_back(std::move(key));
  }
  return request;
}

// One key for each step that makes one, and each the plan's.
Status check_keys(const Request& request, const config::Config& config) {
  std::size_t next = 0;
  for (const Step& step : request.intent.steps) {
    if (step.kind != ceremony::StepKind::Generate) continue;
    const bool planned = next < request.keys.size() && request.keys[next].token_id == step.id &&
                         request.keys[next].label == step.label && request.keys[next].role == step.role &&
                         request.keys[next].key.algorithm() == step.algorithm;
    if (!planned) return refused("not_the_plans_key", "the key " + step.label + " is not the one that the plan makes");
    const config::RoleConfig* role = config.role(step.role);
    if (role == nullptr || (role->token != step.token && role->standby_token != step.token)) {
      return refused("unknown_token", "token " + step.token + " is none of the role " +
                                          std::string(keymgmt::name_of(step.role)) + " in the configuration");
    }
    ++next;
  }
  if (next != request.keys.size()) return refused("not_the_plans_key", "there are more keys than the plan makes");
  return ok();
}

Status check_plan(const Request& request, UtcTime now) {
  const Intent& intent = request.intent;
  if (intent.purpose != ceremony::Purpose::FirstKeys) {
    return refused("other_purpose", "the plan " + intent.name + " is not one of first keys");
  }
  RETURN_IF_ERROR(ceremony::approved_by(intent.quorum, ceremony::Subject::Plan, intent.text, request.approvals));
  if (now < intent.from) return refused("too_early", "the plan may be run from " + intent.from.rfc3339() + " on");
  if (now >= intent.until) return refused("too_late", "the plan could be run until " + intent.until.rfc3339());
  return ok();
}

// Each key's steps up to staged, in the plan's order.
Result<keymgmt::Keys> steps_of(const config::Config& config, const Request& request, UtcTime now) {
  std::size_t next = 0;
  keymgmt::Keys all;
  for (const Step& step : request.intent.steps) {
    if (step.kind != ceremony::StepKind::Generate) continue;
    const channel::HeldKey& held = request.keys[next++];
    ASSIGN_OR_RETURN(const keymgmt::Keys steps,
                     keymgmt::staging(held.generated(step.token, now), {}, config::rotation_times(config), now));
    all.insert(all.end(), steps.begin(), steps.end());
  }
  return all;
}

keymgmt::Keys staged_of(const keymgmt::Keys& steps) {
  keymgmt::Keys staged;
  std::ranges::copy_if(steps, std::back_inserter(staged),
                       [](const keymgmt::PublishedKey& step) { return step.state == keymgmt::KeyState::Staged; });
  return staged;
}

Status enter_keys(ledger::Store& store, const keymgmt::Keys& steps, const Request& request, UtcTime now) {
  ASSIGN_OR_RETURN(const keymgmt::Keys known, store.keys());
  ledger::KeyChange why;
  why.reason = "ceremony " + request.intent.name;
  for (const keymgmt::PublishedKey& staged : staged_of(steps)) {
    if (keymgmt::key_of_kid(known, staged.key.kid()) != nullptr) continue;
    keymgmt::Keys own;
    std::ranges::copy_if(steps, std::back_inserter(own),
                         [&](const keymgmt::PublishedKey& step) { return step.key.kid() == staged.key.kid(); });
    RETURN_IF_ERROR(store.put_keys(own, now, why));
  }
  return ok();
}

// Root and targets, where keys are published as a repository: what the custodians signed, or a trial's own.
Status take_root(const Request& request, const keymgmt::Keys& steps, const config::Config& config) {
  ASSIGN_OR_RETURN(const bool theirs, has_root_of_custodians(config, request.intent.quorum));
  if (!theirs) return ok();
  if (!request.publication) {
    return refused("targets_unsigned", "the key set of the first keys is signed by nobody",
                   "have the custodians sign it: countersign ceremony approve");
  }
  return take_first_root(*request.publication, staged_of(steps), request.intent.quorum, config.state);
}

// The plan counts as opened from here on, and whoever signed it decides what comes after.
Status record(ledger::Store& store, const Request& request, const std::string& state, UtcTime now) {
  const CeremonyBook book(state);
  Standing standing;
  standing.version = 1;
  standing.quorum = request.intent.quorum;
  standing.by = request.intent.digest.hex();
  RETURN_IF_ERROR(book.write_open(request.intent, request.approvals, now));
  RETURN_IF_ERROR(book.write_standing(standing));
  ledger::Item item;
  item.record.kind = "ceremony";
  item.record.at = now;
  item.record.body = Json::object({{"event", "established"},
                                   {"name", request.intent.name},
                                   {"plan_sha256", request.intent.digest.hex()},
                                   {"standing", standing.to_json()}})
                         .compact();
  item.record.body_digest = sha256(item.record.body);
  item.redeem = CeremonyBook::settling(standing);
  item.redeem.push_back(CeremonyBook::opening(request.intent.digest));
  ASSIGN_OR_RETURN(const auto outcomes, store.commit({&item, 1}));
  return outcomes.front() ? ok() : Status(outcomes.front().error());
}

// What the custodians must sign before; changes nothing.
Result<Json> propose(const config::Config& config, const Request& request, UtcTime now) {
  RETURN_IF_ERROR(check_plan(request, now));
  RETURN_IF_ERROR(check_keys(request, config));
  ASSIGN_OR_RETURN(const bool theirs, has_root_of_custodians(config, request.intent.quorum));
  if (!theirs) return Json::object({{"ok", true}});
  ASSIGN_OR_RETURN(const keymgmt::Keys steps, steps_of(config, request, now));
  ASSIGN_OR_RETURN(const publication::SigningRequest asked,
                   first_request(staged_of(steps), request.intent.quorum, now));
  return Json::object({{"ok", true}, {"request", asked.to_json()}});
}

}  // namespace

Result<Json> establish(const config::Config& config, const Json& json, const Clock& clock) {
  ASSIGN_OR_RETURN(const Request request, read_request(json));
  const UtcTime now = clock.now().whole_seconds();
  if (request.propose) return propose(config, request, now);
  RETURN_IF_ERROR(config::make_state(config));
  ASSIGN_OR_RETURN(const supervisor::StateLock lock, supervisor::StateLock::take(config.state, config.front_uid()));
  const std::string path = config.state + "/ledger.db";
  const UnfinishedMark unfinished(config.state);
  std::unique_ptr<ledger::SqliteStore> store;
  bool done = false;
  if (is_there(path)) {
    ASSIGN_OR_RETURN(store, ledger::SqliteStore::open(path, clock));
    ASSIGN_OR_RETURN(done, store->redeemed(CeremonyBook::opening(request.intent.digest).token_id));
    if (!done && !unfinished.set()) {
      return refused("ledger_there", "there is a ledger in " + path + " that this plan did not make",
                     "first keys are made once; later ones by a rotation");
    }
  }
  if (!done) {
    RETURN_IF_ERROR(check_plan(request, now));
    RETURN_IF_ERROR(check_keys(request, config));
    ASSIGN_OR_RETURN(const keymgmt::Keys steps, steps_of(config, request, now));
    RETURN_IF_ERROR(unfinished.put());
    RETURN_IF_ERROR(take_root(request, steps, config));
    if (store == nullptr) {
      ASSIGN_OR_RETURN(store, ledger::SqliteStore::create(path, clock));
    }
    RETURN_IF_ERROR(enter_keys(*store, steps, request, now));
    if (request.intent.quorum.root_keys().empty()) RETURN_IF_ERROR(sign_trial_key_set(*store, config, now));
    // Verifiers can know a key before it becomes active.
    RETURN_IF_ERROR(publish(*store, config, now));
    ASSIGN_OR_RETURN(const keymgmt::Keys all, store->keys());
    ASSIGN_OR_RETURN(const keymgmt::Keys due, keymgmt::due_moves(all, {}, config::rotation_times(config), now));
    RETURN_IF_ERROR(store->put_keys(due, now));
    RETURN_IF_ERROR(record(*store, request, config.state, now));
  }
  RETURN_IF_ERROR(publish(*store, config, now));
  RETURN_IF_ERROR(unfinished.remove());
  RETURN_IF_ERROR(give_to_users(config));
  Json::Array kids;
  for (const channel::HeldKey& key : request.keys) kids.emplace_back(key.key.kid());
  return Json::object({{"ok", true}, {"plan_sha256", request.intent.digest.hex()}, {"keys", std::move(kids)}});
}

}  // namespace countersign::setup
