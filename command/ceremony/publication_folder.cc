#include "command/ceremony/publication_folder.h"

#include <filesystem>

#include "common/digest.h"
#include "common/durable_file.h"
#include "common/json_fields.h"

namespace countersign::command {
namespace {

constexpr std::size_t kLargest = std::size_t{4} << 20;
constexpr std::size_t kKeyIdShown = 8;

std::string request_file(const std::string& path) {
  return path + "/publication.json";
}
std::string signatures_folder(const std::string& path) {
  return path + "/publication-signatures";
}

}  // namespace

Result<std::optional<PublicationStep>> PublicationFolder::asked() const {
  const Result<std::string> text = read_file(request_file(path_), kLargest);
  if (!text && text.error().code == ErrorCode::NotFound) return std::optional<PublicationStep>();
  if (!text) return text.error();
  ASSIGN_OR_RETURN(const Json json, Json::parse(*text, {.bytes = kLargest}));
  JsonFields fields(json, "");
  ASSIGN_OR_RETURN(const std::int64_t step, fields.integer("step", 0, 1000));
  ASSIGN_OR_RETURN(const Json* asked, fields.required("request"));
  RETURN_IF_ERROR(fields.finish());
  ASSIGN_OR_RETURN(publication::SigningRequest request, publication::SigningRequest::from_json(*asked));
  return std::optional(PublicationStep{step, std::move(request), sha256(*text).hex()});
}

Status PublicationFolder::ask(std::int64_t step, const publication::SigningRequest& request) const {
  const Json json = Json::object({{"step", step}, {"request", request.to_json()}});
  return write_durable(request_file(path_), json.compact() + "\n", 0644);
}

Result<std::vector<publication::CustodianSignature>> PublicationFolder::signatures(const std::string& digest) const {
  std::vector<publication::CustodianSignature> found;
  std::error_code error;
  for (std::filesystem::directory_iterator at(signatures_folder(path_), error), end; !error && at != end;
       at.increment(error)) {
    ASSIGN_OR_RETURN(const std::string text, read_file(at->path().string()));
    Result<Json> json = Json::parse(text);
    const bool ours = json && json->is_object() && json->text("request_sha256") == digest;
    if (json && !ours) continue;
    if (json) json->erase("request_sha256");
    Result<publication::CustodianSignature> read = json ? publication::CustodianSignature::from_json(*json)
                                                        : Result<publication::CustodianSignature>(json.error());
    if (!read) return Error{ErrorCode::Invalid, at->path().string() + " is no signature: " + read.error().detail};
    found.push_back(*std::move(read));
  }
  return found;
}

Status PublicationFolder::add(const std::string& digest, const publication::CustodianSignature& signature) const {
  std::string name;
  for (const char letter : signature.custodian) name += letter == '/' || letter == '.' ? '_' : letter;
  Json json = signature.to_json();
  json.set("request_sha256", digest);
  return write_durable(signatures_folder(path_) + "/" + name + "." + signature.key_id.substr(0, kKeyIdShown),
                       json.compact() + "\n", 0644);
}

publication::Agreed agreed_at(const ceremony::Intent& intent, const ceremony::Transcript& transcript,
                              std::size_t step) {
  publication::Agreed agreed;
  const ceremony::Quorum* in_office = &intent.quorum;
  for (std::size_t i = 0; i < step && i < intent.steps.size(); ++i) {
    if (intent.steps[i].quorum) in_office = &*intent.steps[i].quorum;
  }
  const ceremony::Step* at = step < intent.steps.size() ? &intent.steps[step] : nullptr;
  const bool changes = at != nullptr && at->kind == ceremony::StepKind::Custodians;
  // Nobody signed a root of theirs yet: first keys, the first custodians, or those in office have no root keys.
  const bool first = (at != nullptr && at->kind == ceremony::StepKind::Establish) ||
                     (changes && at->quorum->digest() == in_office->digest()) || in_office->root_keys().empty();
  const ceremony::Quorum& after = changes ? *at->quorum : *in_office;
  if (!first) agreed.before = publication::RootSigners{in_office->root_keys(), in_office->threshold};
  agreed.after = {after.root_keys(), after.threshold};
  for (const ceremony::Entry& entry : transcript.entries()) {
    const Json* observed = entry.kind == "step" ? entry.json.find("observed") : nullptr;
    const Json* key = observed == nullptr ? nullptr : observed->find("key");
    if (key == nullptr || !key->is_object()) continue;
    const std::optional<keymgmt::Role> role = keymgmt::role_named(key->text("role"));
    const Result<keymgmt::PublicKey> half = keymgmt::PublicKey::from_pem(key->text("pem"));
    if (role && half) agreed.made.emplace_back(*role, *half);
  }
  return agreed;
}

}  // namespace countersign::command
