#include "command/decision/attestation.h"

#include <variant>

#include "command/line/comma_list.h"
#include "command/line/input_file.h"
#include "command/line/signer_address.h"
#include "gate/state/state_attestation.h"

namespace countersign::command {

Status attest(client::SignerClient& signer, Json& document, UtcTime now) {
  client::SignRequest request;
  request.type = statement::StatementType::StateAttestation;
  request.fields = gate::attestation_fields(document, now);
  ASSIGN_OR_RETURN(auto answer, signer.sign(request));
  if (const auto* refusal = std::get_if<client::Refusal>(&answer)) return refusal->error;
  document.set(gate::kAttestationMember, std::move(std::get<client::Signed>(answer).statement));
  return ok();
}

Status attest_where_named(const Arguments& arguments, Json& document, UtcTime now) {
  const SignerAddress address = signer_address(arguments);
  if (!address.chosen) return ok();
  client::SignerClient signer(address.path);
  return attest(signer, document, now);
}

std::string attestation_path(const std::string& envelope) {
  return envelope + ".countersign.json";
}

Status require_attested(const Arguments& arguments, const std::string& path, const std::string& text) {
  if (!arguments.given(kAttestedByFlag.name)) return ok();
  const Result<Json> document = Json::parse(text, Json::Limits{.gait = true});
  if (!document || !document->is_object()) return ok();  // its own reader refuses it
  const Json* attestation = document->find(gate::kAttestationMember);
  Json beside;
  if (document->text("schema_id") == "gait.context.envelope") {
    ASSIGN_OR_RETURN(beside, read_document("attestation", attestation_path(path)));
    attestation = &beside;
  }
  return require_attested(arguments, path, *document, attestation);
}

Status require_attested(const Arguments& settings, std::string_view name, const Json& document,
                        const Json* attestation) {
  if (!settings.given(kAttestedByFlag.name)) return ok();
  client::SignerClient signer(signer_address(settings).path);
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys, signer.keys());
  const Status checked =
      gate::check_attestation(document, attestation, keys, comma_list(settings.text(kAttestedByFlag.name)));
  if (checked) return ok();
  const Error& error = checked.error();
  return Error{ErrorCode::Invalid, std::string(name) + ": " + error.detail, error.wire_code(), error.hint};
}

}  // namespace countersign::command
