// trace verify: whether a trace is what a published trace key signed.
#include <algorithm>

#include "command/command.h"
#include "command/commands.h"
#include "command/input_file.h"
#include "command/verifying_keys.h"
#include "signer/statement/statement.h"

namespace countersign::command {
namespace {

// What gait says before it knows whether the signature is good.
Json described(const std::string& path, const Json& trace) {
  Json members = Json::object({{"path", path}});
  for (const std::string_view name : {"trace_id", "verdict"}) {
    if (const std::string_view text = trace.text(name); !text.empty()) members.set(name, text);
  }
  return members;
}

// Our reason → gait's text, where gait has one for it; `error_detail` keeps ours.
struct GaitText {
  std::string_view reason;
  std::string_view text;
};
constexpr GaitText kGaitTexts[] = {
    {"signature_missing", "trace signature missing"},
    {"signed_digest_mismatch", "signed_digest mismatch"},
    {"unknown_key", "key id mismatch"},
};

Json failed(Json members, const Error& error) {
  members.set("signature_status", "failed");
  const Json said = gait_error(error);
  for (const auto& [name, value] : said.as_object()) members.set(name, value);
  const auto text = std::ranges::find(kGaitTexts, error.reason, &GaitText::reason);
  if (text != std::end(kGaitTexts)) members.set("error", text->text);
  return members;
}

Result<int> verify(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() != 1) return Error{ErrorCode::Invalid, "expected trace path"};
  const std::string& path = arguments.positionals().front();
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys, verifying_keys(arguments, keymgmt::Role::Trace));
  ASSIGN_OR_RETURN(const Json trace, read_document("trace record", path));

  Json members = described(path, trace);
  const Result<statement::VerifiedDocument> verified =
      statement::VerifiedDocument::verify(statement::StatementType::Trace, trace, keys);
  if (!verified) {
    // gait: a trace that cannot be verified is a failed verification, whatever is wrong with it.
    const Error failure{ErrorCode::VerificationFailed, verified.error().detail, verified.error().reason,
                        verified.error().hint};
    if (call.json) answer_as_gait(call, failed(std::move(members), failure));
    call.console.tell("trace verify error: " + failure.detail);
    return row_of(failure.code).exit_code;
  }
  members.set("ok", true);
  members.set("signature_status", "verified");
  members.set("key_id", verified->key().key.gait_key_id());
  if (call.json) {
    answer_as_gait(call, std::move(members));
  } else {
    call.console.answer("verified      " + path + "\nverdict       " + std::string(trace.text("verdict")) +
                        "\ntrace         " + std::string(trace.text("trace_id")) + "\nsigned        " +
                        verified->signed_at().rfc3339() + "\nkey           " + verified->key().key.kid() + "\n");
  }
  return 0;
}

}  // namespace

Command trace_verify_command() {
  return {"trace verify",
          "PATH [--public-key FILE | --trust DIR | --signer SOCKET]",
          "Checks a trace's signature, digests and key",
          "Without a key flag the signer's published keys are asked for. Exits 0 verified, 2 not, 6 unreadable.",
          "countersign trace verify ./gait-out/trace.json --json",
          kVerifyingFlags,
          Positionals::Anywhere,
          Shape::Gait,
          verify};
}

}  // namespace countersign::command
