// What custodians sign during a ceremony: the key set and the root, asked for, waited for and handed to the signer.
#include "command/ceremony/ceremony_run.h"
#include "command/ceremony/publication_folder.h"
#include "signer/trial/trial_custodians.h"

namespace countersign::command {
namespace {

bool same_signed_parts(const publication::CustodianFiles& one, const publication::CustodianFiles& other) {
  return one.roots == other.roots && one.targets == other.targets;
}

std::vector<std::string> kids_in(const std::string& keyset) {
  std::vector<std::string> kids;
  const Result<Json> json = Json::parse(keyset);
  const Result<keymgmt::KeySet> set = json ? keymgmt::KeySet::parse(*json) : Result<keymgmt::KeySet>(json.error());
  if (!set) return kids;
  for (const keymgmt::PublishedKey& key : set->keys()) kids.push_back(key.key.kid());
  return kids;
}

// Whether what was asked before still leads from where the signer is to where it would go: only its times are older.
bool still_fits(const publication::SigningRequest& asked, const publication::SigningRequest& proposed) {
  const bool same_past = asked.present.has_value() == proposed.present.has_value() &&
                         (!asked.present || same_signed_parts(*asked.present, *proposed.present));
  return same_past && asked.proposal.root.has_value() == proposed.proposal.root.has_value() &&
         kids_in(asked.proposal.keyset) == kids_in(proposed.proposal.keyset);
}

bool lists_all_already(const publication::SigningRequest& proposed) {
  return proposed.present && !proposed.proposal.root &&
         kids_in(proposed.present->keyset) == kids_in(proposed.proposal.keyset);
}

Json names_of(const std::vector<publication::CustodianSignature>& signatures) {
  Json::Array names;
  for (const publication::CustodianSignature& signature : signatures) names.emplace_back(signature.custodian);
  return Json(std::move(names));
}

// A root that takes over from a trial's is signed by the trial's custodians too, whose keys lie here.
Result<bool> follows_trial(const publication::SigningRequest& request) {
  if (!request.present || request.present->roots.size() != 1) return false;
  ASSIGN_OR_RETURN(const tuf::SignedDocument file, tuf::SignedDocument::parse(request.present->roots.front()));
  ASSIGN_OR_RETURN(const tuf::Root root, tuf::Root::parse(file.signed_part()));
  return root.trial;
}

}  // namespace

Result<Json> CeremonyRun::add_publication(std::size_t number, const Json& asked, Json& body) {
  const bool by_trial = asked.find("quorum") == nullptr;
  if (settings_.rehearsing) {
    RETURN_IF_ERROR(trial::add_signatures(settings_.binding.config.state, signer_, asked, body));
    return Json();
  }
  Result<Json> answer = signer_.change("/v1/keys/propose", asked);
  if (!answer && answer.error().reason == "no_repository") return Json();
  if (!answer) return answer;
  const bool trial = answer->find("trial") != nullptr && answer->find("trial")->as_bool();
  if (trial && by_trial) {
    RETURN_IF_ERROR(trial::add_signatures(settings_.binding.config.state, signer_, asked, body));
    return Json();
  }
  for (const char* member : {"trial", "threshold"}) answer->erase(member);
  ASSIGN_OR_RETURN(const publication::SigningRequest proposed, publication::SigningRequest::from_json(*answer));
  // Signed and stored before an interruption: the root is theirs already, or the set lists the key.
  const bool signed_before = by_trial ? lists_all_already(proposed) : !proposed.proposal.root.has_value();
  if (signed_before) return Json();
  return signed_publication(number, proposed, body);
}

Result<Json> CeremonyRun::signed_publication(std::size_t number, const publication::SigningRequest& proposed,
                                             Json& body) {
  const PublicationFolder folder(settings_.directory);
  const auto step = static_cast<std::int64_t>(number);
  ASSIGN_OR_RETURN(std::optional<PublicationStep> asked, folder.asked());
  if (!asked || asked->step != step || !still_fits(asked->request, proposed)) {
    RETURN_IF_ERROR(folder.ask(step, proposed));
    ASSIGN_OR_RETURN(asked, folder.asked());
    console_.tell("the custodians sign what is to be published: countersign ceremony approve " + settings_.directory +
                  " --custodian NAME --root-key KEY");
  }
  // The console cannot be made to hand on what the plan does not say, whatever lies in the directory.
  const publication::Agreed agreed = agreed_at(settings_.intent, transcript_, number);
  RETURN_IF_ERROR(publication::reviewed(asked->request, agreed));
  ASSIGN_OR_RETURN(std::vector<publication::CustodianSignature> signatures, folder.signatures(asked->digest));
  const Json signed_by = names_of(signatures);
  ASSIGN_OR_RETURN(const bool from_trial, follows_trial(asked->request));
  if (from_trial && asked->request.proposal.root) {
    ASSIGN_OR_RETURN(const auto theirs,
                     trial::root_signatures(settings_.binding.config.state, *asked->request.proposal.root));
    signatures.insert(signatures.end(), theirs.begin(), theirs.end());
  }
  ASSIGN_OR_RETURN(const publication::CustodianFiles files,
                   publication::assembled(asked->request, signatures, agreed.after));
  body.set("publication", files.to_json());
  ASSIGN_OR_RETURN(const tuf::Targets targets, tuf::Targets::parse(asked->request.proposal.targets.signed_part()));
  Json told = Json::object({{"targets_version", static_cast<std::int64_t>(targets.version)},
                            {"targets_sha256", sha256(files.targets).hex()},
                            {"signed_by", signed_by}});
  if (!files.roots.empty()) told.set("root_sha256", sha256(files.roots.back()).hex());
  return told;
}

}  // namespace countersign::command
