#include "signer/daemon/ceremony_desk.h"

#include <algorithm>

#include "common/json_fields.h"
#include "keymgmt/ceremony/transcript.h"
#include "signer/channel/holder_setup.h"
#include "signer/daemon/refusal_log.h"

namespace countersign::daemon {
namespace {

using ceremony::Approval;
using ceremony::Intent;
using ceremony::Step;
using ceremony::StepKind;
using keymgmt::PublishedKey;

Error refused(std::string reason, std::string detail, std::string hint = "") {
  return Error{ErrorCode::Refused, std::move(detail), std::move(reason), std::move(hint)};
}

// A key that a step names: by the label of the step that made it, or by kid.
const PublishedKey* key_of(const Intent& intent, const std::string& name, const KeyRing& ring) {
  const Step* making = intent.making(name);
  if (making == nullptr) return ring.set().find(name);
  for (const PublishedKey& key : ring.set().keys()) {
    if (key.token_id == making->id) return &key;
  }
  return nullptr;
}

Json about(const PublishedKey& key) {
  return Json::object({{"kid", key.key.kid()}, {"state", keymgmt::name_of(key.state)}});
}

}  // namespace

Status CeremonyDesk::ready() const {
  if (read_) return ok();
  RETURN_IF_ERROR(book_.load(store_));
  read_ = true;
  return ok();
}

void CeremonyDesk::record(std::string_view event, const Intent& intent, std::vector<ledger::Redemption> redeem,
                          Json details, const Caller& caller, Done done) {
  ledger::Item item;
  item.record.kind = "ceremony";
  item.record.at = now().whole_seconds();
  item.record.peer_uid = caller.uid;
  item.record.request_id = caller.request_id;
  details.set("event", event);
  details.set("name", intent.name);
  details.set("plan_sha256", intent.digest.hex());
  item.record.body = details.compact();
  item.record.body_digest = sha256(item.record.body);
  item.redeem = std::move(redeem);
  item.events.push_back(outbox_event(config::Event::Ceremony, caller, item.record.at, intent.digest.hex(), details));
  busy_ = true;
  recorder_.record(std::move(item), [this, done = std::move(done)](const Result<ledger::Committed>& outcome) {
    busy_ = false;
    read_ = false;  // from the disk again: what is there is what counts
    if (!outcome && outcome.error().reason == "approval_token_consumed") {
      return done(Error{ErrorCode::Conflict, "this was done before; a plan is used once", "plan_used"});
    }
    if (!outcome) return done(outcome.error());
    done(Json::object({{"log_index", outcome->log_index}}));
  });
}

void CeremonyDesk::open(const Json& body, const Caller& caller, Done done) {
  const auto opened = [&]() -> Result<std::pair<Intent, std::vector<Approval>>> {
    JsonFields fields(body, "");
    ASSIGN_OR_RETURN(const std::string text, fields.text("intent"));
    ASSIGN_OR_RETURN(const Json* listed, fields.required("approvals"));
    RETURN_IF_ERROR(fields.finish());
    RETURN_IF_ERROR(ready());
    ASSIGN_OR_RETURN(Intent intent, ceremony::read_intent(text));
    ASSIGN_OR_RETURN(std::vector<Approval> approvals, ceremony::read_approvals(*listed));
    return std::pair(std::move(intent), std::move(approvals));
  }();
  if (!opened) return done(opened.error());
  const auto& [intent, approvals] = *opened;
  const auto answer = [&](bool resumed) {
    return Json::object({{"sha256", intent.digest.hex()}, {"name", intent.name}, {"resumed", resumed}});
  };
  if (book_.open() && book_.open()->intent.digest == intent.digest) return done(answer(true));
  const Status may = [&]() -> Status {
    if (busy_) return Error{ErrorCode::Conflict, "another ceremony is just being opened or closed", "ceremony_open"};
    ASSIGN_OR_RETURN(const bool used, book_.used(store_, intent.digest));
    if (used) {
      return Error{ErrorCode::Conflict, "the plan " + intent.name + " was used before; each is used once", "plan_used",
                   "make and sign a new one"};
    }
    RETURN_IF_ERROR(check_quorum(intent, approvals));
    if (book_.open()) {
      return Error{ErrorCode::Conflict, "the ceremony " + book_.open()->intent.name + " is open", "ceremony_open",
                   "resume it to its end, or abandon it: countersign ceremony resume DIR --abandon REASON"};
    }
    RETURN_IF_ERROR(check_world(intent));
    return book_.write_open(intent, approvals, now());
  }();
  if (!may) return done(may.error());
  record("opened", intent, {CeremonyBook::opening(intent.digest)},
         Json::object({{"purpose", ceremony::name_of(intent.purpose)}, {"reason", intent.reason}}), caller,
         [done, told = answer(false)](Result<Json> recorded) { done(recorded ? Result<Json>(told) : recorded); });
}

Result<const OpenCeremony*> CeremonyDesk::open_one(std::string_view plan) {
  RETURN_IF_ERROR(ready());
  if (book_.open() && book_.open()->intent.digest.hex() == plan) return &*book_.open();
  return Error{ErrorCode::NotFound, "no ceremony of that plan is open", "no_ceremony",
               "`countersign ceremony status` shows which is"};
}

void CeremonyDesk::step(std::string_view plan, const Json& body, const Caller& caller, Done done) {
  const Result<const OpenCeremony*> found = open_one(plan);
  if (!found) return done(found.error());
  const Intent& intent = (*found)->intent;
  const Json* number = body.find("step");
  if (number == nullptr || !number->is_integer() || number->as_integer() < 0 ||
      number->as_integer() >= static_cast<std::int64_t>(intent.steps.size())) {
    return done(Error{ErrorCode::Invalid, "step is not the number of a step of this plan"});
  }
  const Step& step = intent.steps[static_cast<std::size_t>(number->as_integer())];
  if (step.kind != StepKind::Custodians && step.kind != StepKind::Roster) {
    return key_step(intent, step, body, caller, std::move(done));
  }
  Standing next = book_.standing();
  Json answer = Json::object({{"version", next.version}});
  const bool custodians = step.kind == StepKind::Custodians;
  std::string& roster = step.roster == "approvers" ? next.approvers : next.verifiers;
  const bool settled =
      custodians ? next.quorum && next.quorum->digest() == step.quorum->digest() : roster == step.sha256;
  if (settled) return done(answer);
  if (custodians) next.quorum = step.quorum;
  if (!custodians) roster = step.sha256;
  next.version += 1;
  next.by = intent.digest.hex();
  answer.set("version", next.version);
  if (!custodians) {
    // Acknowledgements go by it from the moment that it is recorded.
    return settle(intent, next, std::move(answer), caller, [this, next, done](Result<Json> settled) {
      if (settled) custody_.agree(next.verifiers);
      done(std::move(settled));
    });
  }
  if (!takes_root(*step.quorum)) {
    return settle(intent, std::move(next), std::move(answer), caller, std::move(done));
  }
  const Json* publication = body.find("publication");
  if (publication == nullptr) {
    return done(refused("targets_unsigned", "the new custodians come into office with a root that they signed",
                        "have the proposal of POST /v1/keys/propose signed by the old quorum and the new one"));
  }
  // The root first: custodians in office who cannot sign would lock everybody out; the other way round, asking again
  // finds the root done.
  const publication::RootSigners agreed{step.quorum->root_keys(), step.quorum->threshold};
  custody_.hand_over(
      *publication, agreed, caller,
      [this, intent, next = std::move(next), answer = std::move(answer), caller, done](const Result<Json>& taken) {
        if (!taken) return done(taken.error());
        settle(intent, next, answer, caller, done);
      });
}

void CeremonyDesk::settle(const Intent& intent, Standing standing, Json answer, const Caller& caller, Done done) {
  const Status written = busy_ ? Status(Error{ErrorCode::Conflict, "a step is under way", "ceremony_open"})
                               : book_.write_standing(standing);
  if (!written) return done(written.error());
  record(
      "settled", intent, CeremonyBook::settling(standing), Json::object({{"standing", standing.to_json()}}), caller,
      [done, answer = std::move(answer)](Result<Json> recorded) { done(recorded ? Result<Json>(answer) : recorded); });
}

void CeremonyDesk::key_step(const Intent& intent, const Step& step, const Json& body, const Caller& caller, Done done) {
  const PublishedKey* key = key_of(intent, step.key, ring_);
  switch (step.kind) {
    case StepKind::Stage: {
      const Step& making = *intent.making(step.key);
      if (key != nullptr) {
        Json known = about(*key);
        if (key->gate_opens) known.set("gate_opens", key->gate_opens->rfc3339());
        // The attempt before may have failed after the record: the step is done once verifiers can have the key.
        return custody_.republish(Json::object({}), caller, [known, done](const Result<Json>& published) {
          done(published ? Result<Json>(known) : Result<Json>(published.error()));
        });
      }
      const Json* described = body.find("key");
      const Result<channel::HeldKey> held = described == nullptr
                                                ? Result<channel::HeldKey>(Error{ErrorCode::Invalid, "key is missing"})
                                                : channel::HeldKey::from_json(*described);
      if (!held) return done(held.error());
      const bool planned = held->token_id == making.id && held->label == making.label && held->role == making.role &&
                           held->key.algorithm() == making.algorithm;
      if (!planned) return done(refused("not_the_plans_key", "the key is not the one that the plan makes"));
      if (making.backup && body.text("backup").empty()) {
        return done(refused("backup_missing", "the plan demands a backup of " + making.label + " before it is staged",
                            "make it, and name where it is"));
      }
      Json request = Json::object({{"token", making.token}, {"keys", Json::Array{held->to_json()}}});
      // What the custodians signed of POST /v1/keys/propose, where the published keys have a root.
      if (const Json* publication = body.find("publication")) request.set("publication", *publication);
      return custody_.stage(request, caller, [this, kid = held->key.kid(), done](Result<Json> staged) {
        const PublishedKey* now_known = staged ? ring_.set().find(kid) : nullptr;
        if (now_known == nullptr) return done(std::move(staged));
        Json known = about(*now_known);
        if (now_known->gate_opens) known.set("gate_opens", now_known->gate_opens->rfc3339());
        done(known);
      });
    }
    case StepKind::Activate:
      if (key == nullptr) return done(refused("key_not_staged", "the key " + step.key + " is not known here"));
      if (key->state == keymgmt::KeyState::Active) return done(about(*key));
      return custody_.activate(Json::object({{"kid", key->key.kid()}}), caller, std::move(done));
    case StepKind::Halt: {
      if (key == nullptr) return done(refused("unknown_key", "the key " + step.key + " is not known here"));
      if (key->compromised_since) return done(about(*key));
      return custody_.halt(
          Json::object({{"role", keymgmt::name_of(step.role)}, {"key", key->key.kid()}, {"reason", step.reason}}),
          caller, std::move(done));
    }
    case StepKind::Destroy: {
      if (key == nullptr) return done(refused("unknown_key", "the key " + step.key + " is not known here"));
      if (key->token != step.token) {
        return done(refused("wrong_token", "the key " + step.key + " is in token " + key->token));
      }
      if (key->state == keymgmt::KeyState::Destroyed) return done(about(*key));
      if (body.text("phase") == "may") {
        const Status may = custody_.may_destroy(key->key.kid());
        Json answer = about(*key);
        answer.set("id", key->token_id);
        return done(may ? Result<Json>(answer) : Result<Json>(may.error()));
      }
      return custody_.destroy(key->key.kid(), intent.name, caller, std::move(done));
    }
    case StepKind::Generate:
    case StepKind::Establish:
    case StepKind::Custodians:
    case StepKind::Roster:
      return done(Error{ErrorCode::Invalid, "that step is not the signer's"});
  }
}

void CeremonyDesk::close(std::string_view plan, const Json& body, const Caller& caller, Done done) {
  const Result<const OpenCeremony*> found = open_one(plan);
  if (!found) return done(found.error());
  const Intent& intent = (*found)->intent;
  Json details;
  const Status may = [&]() -> Status {
    if (busy_) return Error{ErrorCode::Conflict, "a step is under way", "ceremony_open"};
    JsonFields fields(body, "");
    ASSIGN_OR_RETURN(const std::string outcome, fields.text("outcome"));
    details.set("outcome", outcome);
    if (outcome == "abandoned") {
      ASSIGN_OR_RETURN(const std::string reason, fields.text("reason"));
      details.set("reason", reason);
      RETURN_IF_ERROR(fields.finish());
      return book_.write_end(intent, outcome, now());
    }
    if (outcome != "completed") return fields.wrong("outcome", "is not completed or abandoned");
    ASSIGN_OR_RETURN(const std::string text, fields.text("transcript"));
    ASSIGN_OR_RETURN(const Json* listed, fields.required("approvals"));
    RETURN_IF_ERROR(fields.finish());
    ASSIGN_OR_RETURN(const ceremony::Transcript transcript, ceremony::Transcript::parse(text));
    const bool whole = transcript.torn() == 0 && transcript.ended() &&
                       transcript.entries().front().json.text("intent_sha256") == intent.digest.hex();
    if (!whole) return refused("transcript_broken", "the transcript is not the whole one of this plan");
    const auto steps = std::ranges::count(transcript.entries(), std::string("step"), &ceremony::Entry::kind);
    if (steps != static_cast<std::ptrdiff_t>(intent.steps.size())) {
      return refused("steps_missing", "the transcript has " + std::to_string(steps) + " of " +
                                          std::to_string(intent.steps.size()) + " steps");
    }
    ASSIGN_OR_RETURN(const std::vector<Approval> approvals, ceremony::read_approvals(*listed));
    ASSIGN_OR_RETURN(const std::vector<std::string> by,
                     ceremony::approved_by(intent.quorum, ceremony::Subject::Transcript, text, approvals));
    details.set("signed_by", Json::array(by));
    details.set("transcript_sha256", sha256(text).hex());
    RETURN_IF_ERROR(book_.write_transcript(intent.digest, text));
    return book_.write_end(intent, outcome, now());
  }();
  if (!may) return done(may.error());
  record("closed", intent, {CeremonyBook::closing(intent.digest)}, details, caller,
         [done, details](Result<Json> recorded) { done(recorded ? Result<Json>(details) : recorded); });
}

Result<Json> CeremonyDesk::list() {
  RETURN_IF_ERROR(ready());
  Json open;
  if (book_.open()) {
    open = Json::object({{"sha256", book_.open()->intent.digest.hex()},
                         {"name", book_.open()->intent.name},
                         {"purpose", ceremony::name_of(book_.open()->intent.purpose)},
                         {"opened_at", book_.open()->opened_at.rfc3339()}});
  }
  return Json::object({{"open", std::move(open)},
                       {"ended", Json(Json::Array(book_.ended()))},
                       {"standing", book_.standing().to_json()}});
}

Result<Json> CeremonyDesk::show(std::string_view plan) {
  RETURN_IF_ERROR(ready());
  if (book_.open() && book_.open()->intent.digest.hex() == plan) {
    return Json::object({{"state", "open"},
                         {"intent", book_.open()->intent.text},
                         {"approvals", ceremony::approvals_json(book_.open()->approvals)},
                         {"opened_at", book_.open()->opened_at.rfc3339()}});
  }
  for (const Json& ended : book_.ended()) {
    if (ended.text("sha256") == plan) return ended;
  }
  return Error{ErrorCode::NotFound, "no ceremony of that plan is known here", "no_ceremony"};
}

}  // namespace countersign::daemon
