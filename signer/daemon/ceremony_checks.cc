// What must be true before a plan is opened: who signed it, who is in office, what the world looks like.
#include <algorithm>

#include "signer/daemon/ceremony_desk.h"

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

std::vector<Approval> of_members(const ceremony::Quorum& quorum, const std::vector<Approval>& approvals) {
  std::vector<Approval> theirs;
  std::ranges::copy_if(approvals, std::back_inserter(theirs),
                       [&](const Approval& approval) { return quorum.find(approval.custodian) != nullptr; });
  return theirs;
}

const Step* new_custodians(const Intent& intent) {
  const auto found = std::ranges::find(intent.steps, StepKind::Custodians, &Step::kind);
  return found == intent.steps.end() ? nullptr : &*found;
}

}  // namespace

Status CeremonyDesk::check_quorum(const Intent& intent, const std::vector<Approval>& approvals) const {
  for (const Approval& approval : approvals) {
    const Step* changed = new_custodians(intent);
    const bool known = intent.quorum.find(approval.custodian) != nullptr ||
                       (changed != nullptr && changed->quorum->find(approval.custodian) != nullptr);
    if (!known) {
      return refused("unknown_custodian", approval.custodian.substr(0, 64) + " is no custodian of this plan");
    }
  }
  const Standing& standing = book_.standing();
  if (standing.quorum && standing.quorum->digest() != intent.quorum.digest()) {
    return refused("other_custodians", "the plan names other custodians than those in office",
                   "make the plan anew: `countersign ceremony plan` fills them in");
  }
  const Step* changed = new_custodians(intent);
  if (!standing.quorum && (changed == nullptr || changed->quorum->digest() != intent.quorum.digest())) {
    return refused("no_custodians", "this appliance has no custodians yet",
                   "the first ceremony enrols them: deploy/ceremonies/custodians-first.yaml");
  }
  RETURN_IF_ERROR(
      ceremony::approved_by(intent.quorum, ceremony::Subject::Plan, intent.text, of_members(intent.quorum, approvals)));
  if (changed == nullptr) return ok();
  RETURN_IF_ERROR(check_root_keys(*changed->quorum));
  // Whoever takes over says so: a roster of people who know nothing of it would lock everybody out.
  RETURN_IF_ERROR(ceremony::approved_by(*changed->quorum, ceremony::Subject::Plan, intent.text,
                                        of_members(*changed->quorum, approvals)));
  return ok();
}

bool CeremonyDesk::takes_root(const ceremony::Quorum& quorum) const {
  const publication::Repository* repository = custody_.repository();
  if (repository == nullptr) return false;
  const publication::RootSigners signers{quorum.root_keys(), quorum.threshold};
  // Custodians without root keys leave a trial its trial root.
  if (repository->root().trial && signers.keys.empty()) return false;
  return repository->root().trial || !signers.are(repository->root().root);
}

Status CeremonyDesk::check_root_keys(const ceremony::Quorum& quorum) const {
  if (!takes_root(quorum) || !quorum.root_keys().empty()) return ok();
  return refused("root_key_missing",
                 "the published keys are signed by custodians, and one of the new ones has no root key",
                 "give each custodian a root_key, and make the plan anew");
}

Status CeremonyDesk::check_world(const Intent& intent) const {
  RETURN_IF_ERROR(store_.time_guard().check());
  const std::string name = "the plan " + intent.name;
  if (now() < intent.from) return refused("too_early", name + " may be run from " + intent.from.rfc3339() + " on");
  if (now() >= intent.until) {
    return refused("too_late", name + " could be run until " + intent.until.rfc3339(), "make and sign a new one");
  }
  for (const Step& step : intent.steps) {
    if (step.kind == StepKind::Generate) {
      const config::RoleConfig* role = config_.role(step.role);
      if (role == nullptr || (role->token != step.token && role->standby_token != step.token)) {
        return refused("unknown_token", "token " + step.token + " is none of the role " +
                                            std::string(keymgmt::name_of(step.role)) + " in the configuration");
      }
      const PublishedKey* active = keymgmt::active_key(ring_.set().keys(), step.role, step.algorithm);
      const std::string found = active == nullptr ? "none" : active->key.kid();
      if (found != step.replaces) {
        return refused("predecessor_mismatch",
                       "the plan expects " + step.replaces + " as the active " +
                           std::string(keymgmt::name_of(step.role)) + " key; it is " + found,
                       "find out what happened since the plan was made, then make and sign a new one");
      }
    }
    if (step.kind != StepKind::Halt && step.kind != StepKind::Destroy) continue;
    const PublishedKey* key = ring_.set().find(step.key);
    if (key == nullptr || key->role != step.role) {
      return refused("predecessor_mismatch",
                     "the role " + std::string(keymgmt::name_of(step.role)) + " has no key " + step.key.substr(0, 64));
    }
  }
  return ok();
}

Status CeremonyDesk::check_approvers() const {
  RETURN_IF_ERROR(ready());
  const std::string& agreed = book_.standing().approvers;
  if (agreed.empty() || agreed == approvers_) return ok();
  return refused("roster_not_agreed", "the configured approvers are not those that the custodians agreed to",
                 "hold the ceremony deploy/ceremonies/roster.yaml, or bring the agreed list back");
}

}  // namespace countersign::daemon
