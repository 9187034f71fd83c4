#include "signer/trial/trial_custodians.h"

#include <filesystem>

#include "common/digest.h"
#include "common/durable_file.h"
#include "common/secret_source.h"
#include "keymgmt/custodian_key.h"

namespace countersign::trial {
namespace {

constexpr int kCustodians = 3;
constexpr int kThreshold = 2;
constexpr std::size_t kPassphraseBytes = 24;
constexpr mode_t kPrivate = 0600;

std::string folder_of(const std::string& state) {
  return state + "/trial-custodians";
}
std::string key_path(const std::string& state, int number) {
  return folder_of(state) + "/custodian-" + std::to_string(number) + ".pem";
}
std::string passphrase_path(const std::string& state) {
  return folder_of(state) + "/passphrase";
}

bool is_there(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

Result<SecretBytes> passphrase(const std::string& state) {
  return secret_from("file:" + passphrase_path(state), "");
}

Error missing(Error error) {
  if (error.code != ErrorCode::NotFound) return error;
  return Error{ErrorCode::Refused, std::move(error.detail), "custodian_missing",
               "Bring the files back; a trial root cannot be made anew without its verifiers noticing."};
}

Result<std::vector<keymgmt::CustodianKey>> custodians(const std::string& state, int count) {
  const Result<SecretBytes> secret = passphrase(state);
  if (!secret) return missing(secret.error());
  std::vector<keymgmt::CustodianKey> keys;
  for (int i = 1; i <= count; ++i) {
    Result<keymgmt::CustodianKey> key = keymgmt::CustodianKey::from_file(key_path(state, i), *secret);
    if (!key) return missing(std::move(key).error());
    keys.push_back(*std::move(key));
  }
  return keys;
}

// Made beside, then named: a crash leaves all of them or none.
Status make_custodians(const std::string& state) {
  const std::string making = folder_of(state) + ".new";
  std::error_code error;
  std::filesystem::remove_all(making, error);
  std::filesystem::create_directory(making, error);
  if (error) return Error{ErrorCode::Unavailable, "cannot make " + making + ": " + error.message()};
  std::filesystem::permissions(making, std::filesystem::perms::owner_all, error);
  RETURN_IF_ERROR(write_durable(making + "/passphrase", to_hex(random_bytes(kPassphraseBytes)) + "\n", kPrivate));
  ASSIGN_OR_RETURN(const SecretBytes secret, secret_from("file:" + making + "/passphrase", ""));
  for (int i = 1; i <= kCustodians; ++i) {
    const keymgmt::CustodianKey key = keymgmt::CustodianKey::generate(keymgmt::Algorithm::Ed25519);
    ASSIGN_OR_RETURN(const std::string pem, key.encrypted_pem(secret));
    RETURN_IF_ERROR(write_durable(making + "/custodian-" + std::to_string(i) + ".pem", pem, kPrivate));
  }
  std::filesystem::rename(making, folder_of(state), error);
  if (error) return Error{ErrorCode::Unavailable, "cannot name " + folder_of(state) + ": " + error.message()};
  return sync_directory(state);
}

Status sign(tuf::SignedDocument& document, const keymgmt::CustodianKey& key) {
  ASSIGN_OR_RETURN(const Bytes signature, key.sign(view_of(document.message())));
  return document.add(key.public_key(), signature);
}

Result<tuf::SignedDocument> document_in(const Json& answer, std::string_view name) {
  const Json* part = answer.find(name);
  if (part == nullptr) return Error{ErrorCode::Internal, "the signer's proposal has no " + std::string(name)};
  return tuf::SignedDocument::of(*part);
}

}  // namespace

Result<publication::ProposalTerms> trial_terms(const std::string& state) {
  if (!is_there(folder_of(state))) RETURN_IF_ERROR(make_custodians(state));
  publication::ProposalTerms terms;
  ASSIGN_OR_RETURN(const std::vector<keymgmt::CustodianKey> keys, custodians(state, kCustodians));
  for (const keymgmt::CustodianKey& key : keys) terms.custodians.push_back(key.public_key());
  terms.threshold = kThreshold;
  terms.trial = true;
  return terms;
}

Result<publication::CustodianFiles> sign_as_trial(const std::string& state, publication::Proposal proposal) {
  ASSIGN_OR_RETURN(const std::vector<keymgmt::CustodianKey> keys, custodians(state, kThreshold));
  publication::CustodianFiles files;
  for (const keymgmt::CustodianKey& key : keys) {
    RETURN_IF_ERROR(sign(proposal.targets, key));
    if (proposal.root) RETURN_IF_ERROR(sign(*proposal.root, key));
  }
  if (proposal.root) files.roots.push_back(proposal.root->text());
  files.targets = proposal.targets.text();
  files.keyset = proposal.keyset;
  return files;
}

Result<std::vector<publication::CustodianSignature>> root_signatures(const std::string& state,
                                                                     const tuf::SignedDocument& root) {
  ASSIGN_OR_RETURN(const std::vector<keymgmt::CustodianKey> keys, custodians(state, kThreshold));
  std::vector<publication::CustodianSignature> signatures;
  for (const keymgmt::CustodianKey& key : keys) {
    ASSIGN_OR_RETURN(Bytes signature, key.sign(view_of(root.message())));
    signatures.push_back({"trial", tuf::key_id(key.public_key()), std::move(signature), {}});
  }
  return signatures;
}

Status add_signatures(const std::string& state, client::SignerClient& signer, const Json& keys, Json& body) {
  const Result<Json> answer = signer.change("/v1/keys/propose", keys);
  if (!answer) return answer.error().reason == "no_repository" ? ok() : Status(answer.error());
  const Json* trial = answer->find("trial");
  if (trial == nullptr || !trial->is_bool() || !trial->as_bool()) {
    return Error{ErrorCode::Refused, "the key set is signed by custodians, who have not signed the new key",
                 "ceremony_needed", "Stage it in a ceremony: countersign ceremony plan --help"};
  }
  ASSIGN_OR_RETURN(tuf::SignedDocument targets, document_in(*answer, "targets"));
  publication::Proposal proposal{std::nullopt, std::move(targets), std::string(answer->text("keyset"))};
  if (answer->find("root") != nullptr) {
    ASSIGN_OR_RETURN(proposal.root, document_in(*answer, "root"));
  }
  ASSIGN_OR_RETURN(const publication::CustodianFiles files, sign_as_trial(state, std::move(proposal)));
  body.set("publication", files.to_json());
  return ok();
}

}  // namespace countersign::trial
