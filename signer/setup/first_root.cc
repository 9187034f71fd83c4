#include "signer/setup/first_root.h"

#include <algorithm>

#include "signer/trial/trial_custodians.h"

namespace countersign::setup {
namespace {

Error refused(std::string reason, std::string detail, std::string hint = "") {
  return Error{ErrorCode::Refused, std::move(detail), std::move(reason), std::move(hint)};
}

}  // namespace

Status sign_trial_key_set(const ledger::Store& store, const config::Config& config, UtcTime now) {
  if (config.role(keymgmt::Role::Publication) == nullptr) return ok();
  Result<publication::Repository> present = publication::Repository::load(config.state);
  if (!present && present.error().code != ErrorCode::NotFound) return present.error();
  ASSIGN_OR_RETURN(const keymgmt::Keys keys, store.keys());
  const bool whole = present && std::all_of(keys.begin(), keys.end(), [&](const keymgmt::PublishedKey& key) {
                       return !keymgmt::is_published(key.state) || present->keys().find(key.key.kid()) != nullptr;
                     });
  if (whole) return ok();
  if (present && !present->root().trial) {
    return Error{ErrorCode::Refused, "the key set is signed by custodians, and a new key is not in it",
                 "ceremony_needed", "Have the custodians sign it in a ceremony."};
  }
  ASSIGN_OR_RETURN(const publication::ProposalTerms terms, trial::trial_terms(config.state));
  ASSIGN_OR_RETURN(publication::Proposal proposal,
                   publication::proposed(present ? &*present : nullptr, keys, terms, now));
  ASSIGN_OR_RETURN(const publication::CustodianFiles files, trial::sign_as_trial(config.state, std::move(proposal)));
  ASSIGN_OR_RETURN(const publication::Repository next,
                   present ? present->with(files) : publication::Repository::begun(files));
  return next.save(config.state);
}

Result<bool> has_root_of_custodians(const config::Config& config, const ceremony::Quorum& quorum) {
  if (config.role(keymgmt::Role::Publication) == nullptr) return false;
  if (!quorum.root_keys().empty()) return true;
  if (config.trial) return false;
  return refused("root_key_missing", "the published keys are signed by the custodians, and one of them has no root key",
                 "give each custodian a root_key, and make the plan anew");
}

Result<publication::SigningRequest> first_request(const keymgmt::Keys& keys, const ceremony::Quorum& quorum,
                                                  UtcTime now) {
  publication::ProposalTerms terms;
  terms.custodians = quorum.root_keys();
  terms.threshold = quorum.threshold;
  ASSIGN_OR_RETURN(publication::Proposal proposal, publication::proposed(nullptr, keys, terms, now));
  return publication::SigningRequest{std::nullopt, std::move(proposal)};
}

Status take_first_root(const publication::CustodianFiles& files, const keymgmt::Keys& keys,
                       const ceremony::Quorum& quorum, const std::string& state) {
  ASSIGN_OR_RETURN(const publication::Repository first, publication::Repository::begun(files));
  const publication::RootSigners custodians{quorum.root_keys(), quorum.threshold};
  if (!custodians.are(first.root().root) || !custodians.are(first.root().targets) || first.root().trial) {
    return refused("root_not_agreed", "the root that was signed names other custodians than the plan");
  }
  const bool same = std::ranges::all_of(first.keys().keys(), [&](const keymgmt::PublishedKey& key) {
    return keymgmt::key_of_kid(keys, key.key.kid()) != nullptr;
  });
  if (!same || first.keys().keys().size() != keys.size()) {
    return refused("publication_differs", "what the custodians signed does not list exactly the keys made here");
  }
  return first.save(state);
}

}  // namespace countersign::setup
