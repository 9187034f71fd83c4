#include "keymgmt/publication/signing_request.h"

#include <algorithm>
#include <set>

#include "common/json_fields.h"
#include "keymgmt/publication/contents.h"

namespace countersign::publication {
namespace {

using keymgmt::KeySet;
using keymgmt::PublicKey;
using keymgmt::PublishedKey;

Error differs(std::string detail) {
  return Error{ErrorCode::Refused, "what is to be signed is not what the plan says: " + std::move(detail),
               "request_differs", "Sign nothing; find out who wrote publication.json."};
}

// What was signed, read: the newest root, and the set that it leads to.
struct Present {
  tuf::Root root;
  tuf::Targets targets;
  KeySet keys;
};

Result<KeySet> key_set(const std::string& text) {
  ASSIGN_OR_RETURN(const Json json, Json::parse(text));
  return KeySet::parse(json);
}

Result<Present> read_present(const CustodianFiles& files) {
  if (files.roots.size() != 1) return differs("it follows no one root");
  ASSIGN_OR_RETURN(const tuf::SignedDocument root, tuf::SignedDocument::parse(files.roots.front()));
  ASSIGN_OR_RETURN(const tuf::SignedDocument targets, tuf::SignedDocument::parse(files.targets));
  Present present;
  ASSIGN_OR_RETURN(present.root, tuf::Root::parse(root.signed_part()));
  RETURN_IF_ERROR(root.verify(present.root.keys, present.root.root, "the root before"));
  RETURN_IF_ERROR(targets.verify(present.root.keys, present.root.targets, "the targets before"));
  ASSIGN_OR_RETURN(present.targets, tuf::Targets::parse(targets.signed_part()));
  ASSIGN_OR_RETURN(present.keys, key_set(files.keyset));
  RETURN_IF_ERROR(check_listed(present.targets, present.keys, files.keyset));
  return present;
}

// A published key may only grow older, and never gets its good name back.
Status check_past(const KeySet& before, const KeySet& after) {
  RETURN_IF_ERROR(check_cumulative(before, after));
  for (const PublishedKey& key : before.keys()) {
    const PublishedKey& now = *after.find(key.key.kid());
    if (now.state < key.state) return differs("the key " + key.key.kid() + " comes back from an end");
    if (key.compromised_since && !now.compromised_since) {
      return differs("the key " + key.key.kid() + " is compromised, and is to be believed again");
    }
  }
  return ok();
}

Status check_signers(const tuf::Root& root, const RootSigners& wanted) {
  if (wanted.are(root.root) && wanted.are(root.targets) && !root.trial) return ok();
  return differs("the root names other custodians or another threshold");
}

std::string line_about(const PublishedKey& key) {
  return std::string(keymgmt::name_of(key.role)) + " key " + key.key.kid() + " (" +
         std::string(keymgmt::name_of(key.key.algorithm())) + ", " + std::string(keymgmt::name_of(key.state)) + ")";
}

Result<std::string> signature_text(const Json* member) {
  if (member == nullptr) return std::string();
  if (!member->is_string()) return Error{ErrorCode::Invalid, "a signature is no text"};
  return member->as_string();
}

// The key of a signature, among those that count before or after.
const PublicKey* key_of(const std::string& id, const std::vector<RootSigners>& all) {
  for (const RootSigners& signers : all) {
    for (const PublicKey& key : signers.keys) {
      if (tuf::key_id(key) == id) return &key;
    }
  }
  return nullptr;
}

Status enough(const tuf::SignedDocument& file, const RootSigners& signers, const std::string& what) {
  const std::vector<std::string> ids = file.key_ids();
  const auto good = std::ranges::count_if(
      signers.keys, [&](const PublicKey& key) { return std::ranges::find(ids, tuf::key_id(key)) != ids.end(); });
  if (good >= signers.threshold) return ok();
  return Error{
      ErrorCode::ApprovalRequired,
      what + " is signed by " + std::to_string(good) + " of the " + std::to_string(signers.threshold) +
          " root keys that it needs",
      "signatures_needed",
      "countersign ceremony approve DIR --custodian NAME --root-key KEY; then countersign ceremony resume DIR"};
}

}  // namespace

bool RootSigners::are(const tuf::Signers& signers) const {
  std::vector<std::string> ids;
  for (const PublicKey& key : keys) ids.push_back(tuf::key_id(key));
  std::ranges::sort(ids);
  return signers.threshold == threshold && signers.key_ids == ids;
}

RootSigners signers_of(const tuf::Root& root) {
  ProposalTerms terms = terms_of(root);
  return {std::move(terms.custodians), terms.threshold};
}

Json SigningRequest::to_json() const {
  Json json = Json::object({{"targets", proposal.targets.signed_part()}, {"keyset", proposal.keyset}});
  if (proposal.root) json.set("root", proposal.root->signed_part());
  if (present) json.set("present", present->to_json());
  return json;
}

Result<SigningRequest> SigningRequest::from_json(const Json& json) {
  JsonFields fields(json, "");
  ASSIGN_OR_RETURN(const Json* targets, fields.required("targets"));
  ASSIGN_OR_RETURN(tuf::SignedDocument document, tuf::SignedDocument::of(*targets));
  ASSIGN_OR_RETURN(std::string keyset, fields.text("keyset"));
  SigningRequest request{std::nullopt, {std::nullopt, std::move(document), std::move(keyset)}};
  if (const Json* root = fields.take("root")) {
    ASSIGN_OR_RETURN(request.proposal.root, tuf::SignedDocument::of(*root));
  }
  if (const Json* present = fields.take("present")) {
    ASSIGN_OR_RETURN(request.present, CustodianFiles::from_json(*present));
  }
  RETURN_IF_ERROR(fields.finish());
  return request;
}

Result<std::vector<std::string>> reviewed(const SigningRequest& request, const Agreed& agreed) {
  std::optional<Present> present;
  if (request.present) {
    ASSIGN_OR_RETURN(present, read_present(*request.present));
  }
  if (agreed.before && (!present || !agreed.before->are(present->root.root) || present->root.trial)) {
    return differs("it does not follow a root of the custodians in office");
  }
  const Proposal& proposal = request.proposal;
  ASSIGN_OR_RETURN(const tuf::Targets targets, tuf::Targets::parse(proposal.targets.signed_part()));
  ASSIGN_OR_RETURN(const KeySet keys, key_set(proposal.keyset));
  RETURN_IF_ERROR(check_listed(targets, keys, proposal.keyset));
  std::vector<std::string> lines;
  tuf::Root root;
  if (proposal.root) {
    ASSIGN_OR_RETURN(root, tuf::Root::parse(proposal.root->signed_part()));
    const std::uint64_t next = present ? present->root.version + 1 : 1;
    if (root.version != next) return differs("root version " + std::to_string(root.version) + " skips");
    lines.push_back("root version " + std::to_string(root.version) + ": " + std::to_string(root.root.threshold) +
                    " of " + std::to_string(root.root.key_ids.size()) + " custodians, until " + root.expires.rfc3339());
  } else if (present) {
    root = present->root;
  } else {
    return differs("there is no root");
  }
  RETURN_IF_ERROR(check_signers(root, agreed.after));
  RETURN_IF_ERROR(check_threshold(root.root, "root"));
  RETURN_IF_ERROR(check_online(root, targets, keys));
  if (targets.version != (present ? present->targets.version + 1 : 1)) return differs("targets skip a version");
  lines.push_back("targets version " + std::to_string(targets.version) + ", until " + targets.expires.rfc3339());
  if (present) RETURN_IF_ERROR(check_past(present->keys, keys));
  for (const PublishedKey& key : keys.keys()) {
    if (agreed.before && present->keys.find(key.key.kid()) != nullptr) continue;
    const bool made = std::ranges::any_of(
        agreed.made, [&](const auto& one) { return one.first == key.role && one.second.kid() == key.key.kid(); });
    if (agreed.before && !made) return differs("the key " + key.key.kid() + " was made by no step of this ceremony");
    lines.push_back((made ? "new: " : "taken over: ") + line_about(key));
  }
  return lines;
}

Json CustodianSignature::to_json() const {
  Json json = Json::object({{"custodian", custodian}, {"key_id", key_id}});
  if (!root.empty()) json.set("root", to_base64(root));
  if (!targets.empty()) json.set("targets", to_base64(targets));
  return json;
}

Result<CustodianSignature> CustodianSignature::from_json(const Json& json) {
  JsonFields fields(json, "");
  CustodianSignature signature;
  ASSIGN_OR_RETURN(signature.custodian, fields.text("custodian"));
  ASSIGN_OR_RETURN(signature.key_id, fields.text("key_id"));
  ASSIGN_OR_RETURN(const std::string root, signature_text(fields.take("root")));
  ASSIGN_OR_RETURN(const std::string targets, signature_text(fields.take("targets")));
  RETURN_IF_ERROR(fields.finish());
  ASSIGN_OR_RETURN(signature.root, from_base64(root));
  ASSIGN_OR_RETURN(signature.targets, from_base64(targets));
  return signature;
}

Messages messages_for(const SigningRequest& request, const PublicKey& key, const RootSigners& after) {
  Messages messages;
  if (request.proposal.root) messages.root = request.proposal.root->message();
  if (key_of(tuf::key_id(key), {after}) != nullptr) messages.targets = request.proposal.targets.message();
  return messages;
}

Result<CustodianFiles> assembled(const SigningRequest& request, const std::vector<CustodianSignature>& signatures,
                                 const RootSigners& after) {
  std::vector<RootSigners> all = {after};
  if (request.present) {
    ASSIGN_OR_RETURN(const Present present, read_present(*request.present));
    all.push_back(signers_of(present.root));
  }
  Proposal proposal = request.proposal;
  for (const CustodianSignature& signature : signatures) {
    const PublicKey* key = key_of(signature.key_id, all);
    Status added = key == nullptr ? Status(Error{ErrorCode::VerificationFailed, "it is no root key of theirs"}) : ok();
    if (added && !signature.targets.empty()) added = proposal.targets.add(*key, signature.targets);
    if (added && !signature.root.empty() && proposal.root) added = proposal.root->add(*key, signature.root);
    if (added) continue;
    return Error{
        ErrorCode::VerificationFailed,
        "the signature of " + signature.custodian + " under the key set does not count: " + added.error().detail,
        "signature_invalid", "remove it from publication-signatures and sign again"};
  }
  RETURN_IF_ERROR(enough(proposal.targets, after, "targets.json"));
  if (proposal.root) {
    for (const RootSigners& signers : all) RETURN_IF_ERROR(enough(*proposal.root, signers, "root.json"));
  }
  CustodianFiles files;
  if (proposal.root) files.roots.push_back(proposal.root->text());
  files.targets = proposal.targets.text();
  files.keyset = proposal.keyset;
  return files;
}

}  // namespace countersign::publication
