// attest: has the signer's trace key vouch for a context envelope, a kill-switch state or a rate-limit state, none of
// which gait signs.
#include "command/decision/attestation.h"
#include "command/gate/commands.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/signer_address.h"
#include "command/line/verifying_keys.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/context/context_envelope.h"
#include "gate/state/kill_switch.h"
#include "gate/state/rate_limit.h"
#include "gate/state/state_attestation.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"check", Flag::Kind::Switch, "", "verify the attestation that is there instead"},
    kVerifyingFlags[0],
    kVerifyingFlags[1],
    kTrustFlag,
    kSignerFlag,
};
constexpr std::string_view kEnvelopeSchema = "gait.context.envelope";

// Nothing is vouched for that its own reader would refuse.
Status readable(const std::string& schema, const std::string& text) {
  if (schema == kEnvelopeSchema) {
    const auto envelope = gate::ContextEnvelope::parse(std::string_view(text));
    return envelope ? ok() : Status(envelope.error());
  }
  if (schema == "gait.gate.kill_switch_state") {
    const auto state = gate::KillSwitch::parse(text);
    return state ? ok() : Status(state.error());
  }
  if (schema == "gait.gate.rate_limit_state") {
    const auto state = gate::RateState::parse(text);
    return state ? ok() : Status(state.error());
  }
  return Error{ErrorCode::Invalid, "a document of schema \"" + schema + "\" is not attested", "not_attestable",
               "attest context envelopes, kill-switch states and rate-limit states"};
}

Result<int> check_file(Call& call, const Arguments& arguments, const std::string& path, const Json& document) {
  const Json* attestation = document.find(gate::kAttestationMember);
  Json beside;
  if (document.text("schema_id") == kEnvelopeSchema) {
    ASSIGN_OR_RETURN(beside, read_document("attestation", attestation_path(path)));
    attestation = &beside;
  }
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys, verifying_keys(arguments, keymgmt::Role::Trace));
  RETURN_IF_ERROR(gate::check_attestation(document, attestation, keys, {std::string(gate::kAnyAttester)}));
  const std::string key(attestation->find("signature")->text("key_id"));
  call.console.answer(
      call.json
          ? Json::object({{"ok", true}, {"path", path}, {"schema_id", document.text("schema_id")}, {"key_id", key}})
                    .compact() +
                "\n"
          : "verified      " + path + "\nkey           " + key + "\n");
  return 0;
}

Result<int> attest_file(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() != 1) return Error{ErrorCode::Invalid, "name one file to attest"};
  const std::string path(arguments.positionals().front());
  ASSIGN_OR_RETURN(const std::string text, read_input("file", path));
  const Result<Json> read = Json::parse(text, Json::Limits{.gait = true});
  if (!read || !read->is_object()) return Error{ErrorCode::Invalid, path + " holds no JSON object"};
  Json document = *read;
  const std::string schema(document.text("schema_id"));
  if (arguments.is_on("check")) return check_file(call, arguments, path, document);
  RETURN_IF_ERROR(readable(schema, text));
  client::SignerClient signer(signer_address(arguments).path);
  RETURN_IF_ERROR(attest(signer, document, SystemClock().now()));
  const bool beside = schema == kEnvelopeSchema;
  const std::string out = beside ? attestation_path(path) : path;
  const Json& attestation = *document.find(gate::kAttestationMember);
  RETURN_IF_ERROR(write_output(out, beside ? attestation.gait_file() : document.gait_file()));
  const Json* signature = attestation.find("signature");
  if (call.json) {
    call.console.answer(
        Json::object({{"ok", true},
                      {"path", out},
                      {"schema_id", schema},
                      {"key_id", signature == nullptr ? std::string_view() : signature->text("key_id")}})
            .compact() +
        "\n");
  } else {
    call.console.answer("attested      " + out + "\n");
  }
  return 0;
}

}  // namespace

Command attest_command() {
  return {
      "attest",
      "FILE [--check [--trust DIR]]",
      "Vouches for a context envelope, a kill-switch state or a rate-limit state, or checks that somebody did",
      "The signer's trace key signs the file's digest. A state carries it as its member countersign, an envelope has\n"
      "it beside it, in FILE.countersign.json. gate eval --attested-by KID demands it. --check verifies one that is\n"
      "there, a vetting verdict's as well: exit 2 where it is missing or of another file.",
      "countersign attest context.json",
      kFlags,
      Positionals::Anywhere,
      Shape::Ours,
      attest_file};
}

}  // namespace countersign::command
