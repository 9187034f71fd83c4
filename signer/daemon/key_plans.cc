// What is planned: what a change would be, judged by the ledger and the configuration, before anything is done.
#include "signer/daemon/key_custody.h"

#include <unistd.h>

#include <algorithm>

#include "common/json_fields.h"
#include "signer/channel/holder_setup.h"
#include "signer/config/role_marks.h"
#include "signer/config/rotation_times.h"
#include "signer/daemon/refusal_log.h"
#include "signer/statement/acknowledgement.h"

namespace countersign::daemon {
namespace {

using keymgmt::Keys;
using keymgmt::KeyState;
using keymgmt::PublishedKey;
using keymgmt::Role;

// A halt that names no key, again within this time, is taken for the same person asking twice.
constexpr std::chrono::minutes kSameHalt{10};
constexpr std::size_t kLongestReason = 500;
constexpr std::size_t kNoncesKept = 4096;

Result<Role> configured_role(const config::Config& config, const std::string& name) {
  const std::optional<Role> role = keymgmt::role_named(name);
  if (role && config.role(*role) != nullptr) return *role;
  return Error{ErrorCode::NotFound, "there is no role " + name.substr(0, 64) + " here", "unknown_role",
               "The configuration lists the roles; `countersign keys list` shows their keys."};
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
               is_halted_role(keys, role) ? "already_halted" : "no_active_key"};
}

Error refused(std::string detail, std::string reason, std::string hint) {
  return Error{ErrorCode::Conflict, std::move(detail), std::move(reason), std::move(hint)};
}

// Root and targets by the custodians of `quorum` from now on.
Status take_over(publication::ProposalTerms& terms, const ceremony::Quorum& quorum) {
  terms.custodians = quorum.root_keys();
  terms.threshold = quorum.threshold;
  terms.trial = false;
  if (!terms.custodians.empty()) return ok();
  return Error{ErrorCode::Refused, "not every custodian has a root key, so they cannot sign a root", "root_key_missing",
               "Give each custodian of the quorum a root_key."};
}

// Who signs root and targets changes where a ceremony says so, and nowhere else.
Status check_root(const publication::CustodianFiles& files, const publication::Repository* present,
                  const std::optional<publication::RootSigners>& agreed) {
  if (files.roots.empty() || (present == nullptr && !agreed)) return ok();
  ASSIGN_OR_RETURN(const tuf::SignedDocument file, tuf::SignedDocument::parse(files.roots.back()));
  ASSIGN_OR_RETURN(const tuf::Root root, tuf::Root::parse(file.signed_part()));
  const publication::RootSigners wanted = agreed ? *agreed : publication::signers_of(present->root());
  const bool trial = !agreed && present->root().trial;
  if (wanted.are(root.root) && wanted.are(root.targets) && root.trial == trial) return ok();
  return Error{ErrorCode::Refused, "the root that was signed names other custodians than were agreed on",
               "root_not_agreed", "Change them in a ceremony: deploy/ceremonies/custodian-add.yaml"};
}

// Whether custodians signed all of them already: a crash came between that and the record.
bool lists_all(const keymgmt::KeySet& keys, const Keys& steps) {
  return !steps.empty() && std::all_of(steps.begin(), steps.end(), [&](const PublishedKey& step) {
    const PublishedKey* listed = keys.find(step.key.kid());
    return listed != nullptr && listed->role == step.role;
  });
}

bool holds(const HolderState& holder, const std::string& kid) {
  const Json* keys = holder.ready.find("keys");
  if (keys == nullptr || !keys->is_array()) return false;
  return std::any_of(keys->as_array().begin(), keys->as_array().end(),
                     [&](const Json& key) { return key.text("kid") == kid; });
}

}  // namespace

bool is_halted_role(const Keys& keys, Role role) {
  bool compromised = false;
  for (const PublishedKey& key : keys) {
    if (key.role != role) continue;
    if (keymgmt::may_sign(key.state)) return false;
    compromised = compromised || key.compromised_since.has_value();
  }
  return compromised;
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

Result<KeyCustody::Staging> KeyCustody::staging_of(const Json& body) const {
  JsonFields fields(body, "");
  Staging staging;
  ASSIGN_OR_RETURN(staging.token, fields.text("token"));
  ASSIGN_OR_RETURN(const Json::Array* rows, fields.array("keys"));
  if (const Json* publication = fields.take("publication")) staging.publication = *publication;
  if (const Json* quorum = fields.take("quorum")) {
    ASSIGN_OR_RETURN(staging.quorum, ceremony::read_quorum(*quorum));
  }
  RETURN_IF_ERROR(fields.finish());
  RETURN_IF_ERROR(store_.time_guard().check());
  const UtcTime at = now().whole_seconds();
  for (const Json& row : *rows) {
    ASSIGN_OR_RETURN(const channel::HeldKey held, channel::HeldKey::from_json(row));
    const config::RoleConfig* role = config_.role(held.role);
    if (role == nullptr || (role->token != staging.token && role->standby_token != staging.token)) {
      return fields.wrong("token", "is none of the role " + std::string(keymgmt::name_of(held.role)));
    }
    ASSIGN_OR_RETURN(const Keys steps, keymgmt::staging(held.generated(staging.token, at), ring_.set().keys(),
                                                        config::rotation_times(config_), at));
    staging.steps.insert(staging.steps.end(), steps.begin(), steps.end());
  }
  return staging;
}

void KeyCustody::propose(const Json& body, const Caller&, Done done) {
  const auto propose = [&]() -> Result<Json> {
    ASSIGN_OR_RETURN(const Staging staging, staging_of(body));
    const publication::Repository* repository = publisher_.repository();
    if (repository == nullptr) {
      return refused("there is no root of the published keys yet, so nothing is to be signed", "no_repository",
                     "`countersignd init` makes a trial root; production has a ceremony.");
    }
    Keys keys = ring_.set().keys();
    for (const PublishedKey& step : staging.steps) {
      if (step.state == KeyState::Staged) keys.push_back(step);
    }
    publication::ProposalTerms terms = publication::terms_of(repository->root());
    if (staging.quorum) RETURN_IF_ERROR(take_over(terms, *staging.quorum));
    ASSIGN_OR_RETURN(const publication::Proposal proposal,
                     publication::proposed(repository, keys, terms, now().whole_seconds()));
    Json answer = publication::SigningRequest{repository->signed_files(), proposal}.to_json();
    answer.set("threshold", terms.threshold);
    answer.set("trial", terms.trial);
    return answer;
  };
  done(propose());
}

Result<KeyCustody::Change> KeyCustody::stage_plan(const Json& body, const Caller& caller,
                                                  const std::optional<publication::RootSigners>& agreed) const {
  ASSIGN_OR_RETURN(Staging staging, staging_of(body));
  if (staging.quorum) return Error{ErrorCode::Invalid, "quorum: is for a proposal alone"};
  Change change;
  change.why.peer_uid = caller.uid;
  change.why.request_id = caller.request_id;
  change.steps = std::move(staging.steps);
  const publication::Repository* repository = publisher_.repository();
  if (staging.publication) {
    ASSIGN_OR_RETURN(change.signed_files, publication::CustodianFiles::from_json(*staging.publication));
    RETURN_IF_ERROR(check_root(*change.signed_files, repository, agreed));
    ASSIGN_OR_RETURN(const Json json, Json::parse(change.signed_files->keyset));
    ASSIGN_OR_RETURN(const keymgmt::KeySet listed, keymgmt::KeySet::parse(json));
    for (const PublishedKey& step : change.steps) {
      if (listed.find(step.key.kid()) != nullptr) continue;
      return refused("what the custodians signed does not list the key " + step.key.kid(), "publication_differs",
                     "Ask for a proposal with exactly these keys, and have that signed.");
    }
  } else if (repository != nullptr && !lists_all(repository->keys(), change.steps)) {
    return Error{ErrorCode::Refused, "the key set is signed by custodians, and these keys are not in it",
                 "targets_unsigned",
                 "Have " + std::to_string(repository->root().targets.threshold) +
                     " custodians sign the proposal of POST /v1/keys/propose."};
  } else if (change.steps.empty()) {
    return Error{ErrorCode::Invalid, "keys: is empty"};
  }
  for (const PublishedKey& step : change.steps) {
    // Its holders find it when they start; before the cut-over they must have it.
    if (step.token == config::serving_token(config_, step.role)) change.end_holders.insert(step.role);
  }
  return change;
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
  ASSIGN_OR_RETURN(Change change, cutover_plan(key->key.kid()));
  change.why.peer_uid = caller.uid;
  change.why.request_id = caller.request_id;
  return change;
}

Result<KeyCustody::Change> KeyCustody::cutover_plan(const std::string& kid) const {
  const PublishedKey* key = ring_.set().find(kid);
  Change change;
  ASSIGN_OR_RETURN(change.steps, keymgmt::cutover(kid, ring_.set().keys(), roster_of(key->role),
                                                  config::rotation_times(config_), now().whole_seconds()));
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

Result<KeyCustody::Change> KeyCustody::acknowledge_plan(const Json& body, const Caller& caller) {
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const Json* document, fields.required("acknowledgement"));
  ASSIGN_OR_RETURN(const Json* signature, fields.required("signature"));
  RETURN_IF_ERROR(fields.finish());
  ASSIGN_OR_RETURN(const statement::Acknowledgement said, statement::Acknowledgement::parse(*document));
  RETURN_IF_ERROR(check_roster());
  const config::Verifier* verifier = roster_.find(said.verifier);
  if (verifier == nullptr) {
    return Error{ErrorCode::NotFound, "the roster lists no verifier " + said.verifier.substr(0, 64), "unknown_verifier",
                 "publication.roster names the verifiers and their keys."};
  }
  RETURN_IF_ERROR(statement::verify(said, *signature, verifier->ssh_key, verifier->pem));
  const std::chrono::nanoseconds off = said.at - now();
  if (off > config_.publication_skew || off < -config_.publication_skew) {
    return Error{ErrorCode::Refused,
                 "the clock of " + said.verifier + " is off by " + duration_text(off) + "; " +
                     duration_text(config_.publication_skew) + " is allowed",
                 "clock_skew", "Set its clock: with a wrong one it may believe a key set that has expired."};
  }
  if (std::find(seen_nonces_.begin(), seen_nonces_.end(), said.nonce) != seen_nonces_.end()) {
    return refused("this acknowledgement was given before", "acknowledgement_replayed", "Each has a nonce of its own.");
  }
  const publication::Repository* repository = publisher_.repository();
  if (repository == nullptr || said.keyset != sha256(repository->keyset())) {
    return refused(said.verifier + " acknowledges another key set than the one that is published",
                   "acknowledgement_stale", "`countersign keys sync`, then acknowledge again.");
  }
  seen_nonces_.push_back(said.nonce);
  if (seen_nonces_.size() > kNoncesKept) seen_nonces_.pop_front();
  Change change;
  change.why.peer_uid = caller.uid;
  change.why.request_id = caller.request_id;
  change.why.reason = "acknowledged by " + said.verifier;
  change.steps = keymgmt::acknowledged(said.verifier, verifier->roles, repository->keys(), ring_.set().keys());
  return change;
}

std::optional<KeyCustody::Change> KeyCustody::scheduled_change() {
  const UtcTime at = now().whole_seconds();
  const keymgmt::RotationTimes times = config::rotation_times(config_);
  const Result<Keys> due = keymgmt::due_moves(ring_.set().keys(), rosters(), times, at);
  if (due && !due->empty()) {
    Change change;
    change.steps = *due;
    return change;
  }
  for (const config::RoleConfig& role : config_.roles) {
    if (!role.rotate_every) continue;
    const Result<Keys> steps = keymgmt::scheduled(role.role, *role.rotate_every, ring_.set().keys(), times, at);
    if (!steps) continue;
    for (const PublishedKey& step : *steps) {
      if (!keymgmt::may_sign(step.state)) continue;
      // Where a holder does not have it yet, a second later.
      Result<Change> change = cutover_plan(step.key.kid());
      if (!change) break;
      change->why.peer_uid = ::geteuid();
      change->why.reason = "scheduled rotation";
      return *std::move(change);
    }
  }
  return std::nullopt;
}

}  // namespace countersign::daemon
