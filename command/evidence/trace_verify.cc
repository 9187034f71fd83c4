// trace verify: whether a trace is what a published trace key signed.
#include "command/evidence/commands.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/trace_answer.h"
#include "command/line/verifying_keys.h"
#include "command/log/opened_log.h"
#include "common/text.h"
#include "signer/log/record_proof.h"
#include "signer/transport/http_client.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"path", Flag::Kind::Text, "FILE", "the trace, instead of the argument"},
    {"require-log", Flag::Kind::Switch, "", "the trace's record must stand in the transparency log"},
    {"log-proof", Flag::Kind::Text, "FILE",
     "its proof by `log prove`; else the signer is asked (implies --require-log)"},
    kLogKeyFlag,
    kWitnessFlag,
    kWitnessesRequiredFlag,
    kTrustFlag,
    kSignerFlag,
};

// --log-proof, else what the signer says of it.
Result<log::RecordProof> proof_for(const Arguments& arguments, const statement::VerifiedDocument& trace) {
  if (arguments.given("log-proof")) {
    ASSIGN_OR_RETURN(const std::string text, read_input("proof", std::string(arguments.text("log-proof"))));
    ASSIGN_OR_RETURN(const Json json, Json::parse(text));
    return log::RecordProof::parse(json);
  }
  transport::HttpClient client(signer_address(arguments).path);
  ASSIGN_OR_RETURN(const transport::HttpAnswer answer,
                   client.get("/v1/log/proof?intent_digest=" + std::string(trace.document().text("intent_digest")) +
                              "&signed_digest=" + trace.signed_digest().hex()));
  ASSIGN_OR_RETURN(const Json body, Json::parse(answer.body));
  if (answer.status == 200) return log::RecordProof::parse(body);
  const Json* error = body.find("error");
  return Error{answer.status == 503 ? ErrorCode::Unavailable : ErrorCode::VerificationFailed,
               "the log has no proof of the trace: " + std::string(error ? error->text("message") : ""),
               std::string(error ? error->text("code") : "not_in_log")};
}

// Whoever holds a stolen key, or a holder gone wrong, can sign; only what is in the log was also recorded.
Status check_logged(const Arguments& arguments, const statement::VerifiedDocument& trace) {
  ASSIGN_OR_RETURN(const log::RecordProof proof, proof_for(arguments, trace));
  ASSIGN_OR_RETURN(const log::CheckpointTrust trust, checkpoint_trust(arguments, proof.checkpoint));
  ASSIGN_OR_RETURN(const log::LoggedRecord record, log::LoggedRecord::verify(proof, trust));
  const Json* signature = trace.document().find("signature");
  ASSIGN_OR_RETURN(const Bytes bytes, from_base64(signature == nullptr ? "" : signature->text("sig")));
  return record.is_of(trace.signed_digest(), sha256(bytes), trace.key().key.kid());
}

Result<std::string> trace_path(const Arguments& arguments) {
  const std::string path(trimmed(arguments.text("path")));
  const std::vector<std::string>& words = arguments.positionals();
  if (words.size() + (path.empty() ? 0 : 1) != 1) return Error{ErrorCode::Invalid, "expected trace path"};
  return path.empty() ? words.front() : path;
}

Result<int> verify(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string path, trace_path(arguments));
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys, verifying_keys(arguments, keymgmt::Role::Trace));
  ASSIGN_OR_RETURN(const Json trace, read_document("trace record", path));

  TraceCheck check = check_trace(path, trace, keys);
  if (!check.verified) {
    const Error& failure = check.verified.error();
    if (call.json) answer_as_gait(call, check.members);
    call.failure = failure;
    call.console.tell("trace verify error: " + failure.detail);
    return row_of(failure.code).exit_code;
  }
  if (arguments.is_on("require-log") || arguments.given("log-proof")) {
    if (const Status logged = check_logged(arguments, *check.verified); !logged) {
      if (call.json) {
        Json members = gait_error(logged.error());
        members.set("path", path);
        members.set("signature_status", "verified");
        members.set("log_status", "failed");
        answer_as_gait(call, std::move(members));
      }
      call.failure = logged.error();
      call.console.tell("trace verify error: " + logged.error().detail);
      return row_of(logged.error().code).exit_code;
    }
    check.members.set("log_status", "verified");
  }
  if (call.json) {
    answer_as_gait(call, check.members);
  } else {
    call.console.answer("verified      " + path + "\nverdict       " + std::string(trace.text("verdict")) +
                        "\ntrace         " + std::string(trace.text("trace_id")) + "\nsigned        " +
                        check.verified->signed_at().rfc3339() + "\nkey           " + check.verified->key().key.kid() +
                        "\n");
  }
  return 0;
}

}  // namespace

Command trace_verify_command() {
  return {"trace verify",
          "PATH [--public-key FILE | --trust DIR | --signer SOCKET] [--require-log [--log-proof FILE]]",
          "Checks a trace's signature, digests and key",
          "Without a key flag the signer's published keys are asked for. Exits 0 verified, 2 not, 6 unreadable.",
          "countersign trace verify ./gait-out/trace.json --json",
          kFlags,
          Positionals::Anywhere,
          Shape::Gait,
          verify};
}

}  // namespace countersign::command
