// guard verify: whether an evidence pack is what its signed manifest says, and nothing more.
#include "command/evidence/commands.h"
#include "command/evidence/packed_trust.h"
#include "command/evidence/runpack_file.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/verifying_keys.h"
#include "command/log/opened_log.h"
#include "common/text.h"
#include "gate/document/optional_members.h"
#include "packs/evidence_check.h"
#include "packs/evidence_pack.h"
#include "signer/statement/statement.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"profile", Flag::Kind::Text, "NAME",
     "standard (default), or strict: a key must be named, and the log must prove every document"},
    {"require-signature", Flag::Kind::Switch, "", "as strict asks of the signature"},
    {"allow-unlogged", Flag::Kind::Switch, "",
     "strict without proofs of the log: of a signer that keeps none, or of gait"},
    {"no-signature-check", Flag::Kind::Switch, "", "files and digests only, as gait does where it has no key"},
    {"root", Flag::Kind::Text, "FILE", "the pinned root: the pack's own published keys, as they were when it was made"},
    kVerifyingFlags[0],
    kVerifyingFlags[1],
    kVerifyingFlags[2],
    kVerifyingFlags[3],
    kLogKeyFlag,
    kWitnessFlag,
    kWitnessesRequiredFlag,
};

// gait's words for the signature of a pack.
struct SignatureFinding {
  std::string status;  // missing, skipped, verified, failed
  std::string error;
  std::int64_t valid = 0;
};

std::string_view gait_text(const Error& error) {
  if (error.reason == "signed_digest_mismatch") return "signed_digest mismatch";
  if (error.reason == "unknown_key") return "key id mismatch";
  return error.detail;
}

SignatureFinding judge(const packs::EvidencePack& pack, const Result<keymgmt::KeySet>& keys) {
  if (pack.signatures() == 0) return {"missing", "", 0};
  if (!keys) return {"skipped", "public key not configured", 0};
  const Result<statement::VerifiedDocument> verified =
      statement::VerifiedDocument::verify(statement::StatementType::EvidencePack, pack.manifest(), *keys);
  if (!verified) return {"failed", std::string(gait_text(verified.error())), 0};
  return {"verified", "", 1};
}

// Where a set of keys is known, the signed documents in the pack are verified as well; a single key is one role's.
bool is_key_set(const Arguments& arguments) {
  for (const std::string_view flag : {"public-key", "public-key-env", "private-key", "private-key-env"}) {
    if (!trimmed(arguments.text(flag)).empty()) return false;
  }
  return true;
}

Result<std::optional<packs::EvidenceCheck>> check_documents(const Arguments& arguments, const packs::EvidencePack& pack,
                                                            const Result<keymgmt::KeySet>& keys,
                                                            packs::LogProofs proofs) {
  std::optional<packs::EvidenceCheck> out;
  if (!keys) return out;
  if (!is_key_set(arguments)) {
    if (proofs == packs::LogProofs::Required) {
      out.emplace().failures.push_back(
          packs::no_log_proof("a single key verifies none (--root, --trust, a signer do)"));
    }
    return out;
  }
  std::optional<log::CheckpointTrust> trust;
  if (arguments.given("log-key") || arguments.given("witness")) {
    ASSIGN_OR_RETURN(const auto packed, pack.documents("log_proof"));
    const std::string note(packed.empty() ? "" : packed.front().json.text("checkpoint"));
    ASSIGN_OR_RETURN(trust, checkpoint_trust(arguments, note, *keys));
  }
  out = packs::check_evidence(pack, *keys, trust, proofs);
  return out;
}

// `verified`: whether the documents were looked at, or only missed their proofs.
void add_to(Json& answer, const packs::EvidenceCheck& check, bool verified) {
  if (verified) {
    answer.set("documents_verified", check.documents);
    answer.set("documents_logged", check.logged);
    gate::put(answer, "unverified", check.unverified);
  }
  if (check.passed()) return;
  Json::Array failures;
  for (const packs::EvidenceFailure& each : check.failures) {
    failures.push_back(Json::object({{"path", each.path}, {"code", each.code}, {"message", each.message}}));
  }
  answer.set("evidence_failures", std::move(failures));
}

std::string told(const packs::EvidenceCheck& check, bool verified) {
  std::string text = verified ? "documents     " + std::to_string(check.documents) + " verified, " +
                                    std::to_string(check.logged) + " of them in the log\n"
                              : "";
  if (check.unverified > 0) text += "unverified    " + std::to_string(check.unverified) + " kept as such: report.txt\n";
  for (const packs::EvidenceFailure& each : check.failures) {
    text += "FAILED        " + displayed(each.path) + ": " + displayed(each.message) + "\n";
  }
  return text;
}

Json answer_of(const std::string& path, const packs::EvidencePack& pack, const SignatureFinding& signature, bool good) {
  Json answer = Json::object({{"ok", good}, {"path", path}, {"pack_id", pack.pack_id()}, {"run_id", pack.run_id()}});
  pack.contents().add_to(answer);
  if (!pack.pack_id_is_right()) answer.set("pack_id_mismatch", true);
  answer.set("signature_status", signature.status);
  if (!signature.error.empty()) answer.set("signature_errors", Json::array({signature.error}));
  gate::put(answer, "signatures_total", static_cast<std::int64_t>(pack.signatures()));
  gate::put(answer, "signatures_valid", signature.valid);
  return answer;
}

// Whether some key was named; what is found otherwise is the default signer, where there is one.
bool names_a_key(const Arguments& arguments) {
  for (const std::string_view flag :
       {"public-key", "public-key-env", "private-key", "private-key-env", "trust", "signer", "root"}) {
    if (!trimmed(arguments.text(flag)).empty()) return true;
  }
  return false;
}

Result<keymgmt::KeySet> keys_for(const Arguments& arguments, const packs::EvidencePack& pack) {
  const std::string root(trimmed(arguments.text("root")));
  if (root.empty()) return verifying_keys(arguments, keymgmt::Role::Trace);
  if (!is_key_set(arguments) || arguments.given("trust")) {
    return Error{ErrorCode::Invalid, "set either --root, or --trust, or a public key"};
  }
  ASSIGN_OR_RETURN(const std::string pinned, read_input("root metadata", root));
  ASSIGN_OR_RETURN(const UtcTime made, UtcTime::parse(pack.manifest().text("generated_at")));
  return packed_keys(pack, pinned, made);
}

Result<int> verify(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() != 1) return Error{ErrorCode::Invalid, "expected evidence pack path"};
  const std::string& path = arguments.positionals().front();
  const std::string_view profile = arguments.text("profile", "standard");
  if (profile != "standard" && profile != "strict") {
    return Error{ErrorCode::Invalid,
                 "unsupported --profile value \"" + std::string(profile) + "\" (expected standard or strict)"};
  }
  const bool unchecked = arguments.is_on("no-signature-check");
  const bool strict = profile == "strict" || arguments.is_on("require-signature");
  const auto proofs = profile == "strict" && !arguments.is_on("allow-unlogged") ? packs::LogProofs::Required
                                                                                : packs::LogProofs::WherePresent;
  if (strict && unchecked) return Error{ErrorCode::Invalid, "a strict verification checks the signature"};
  ASSIGN_OR_RETURN(const std::string bytes, read_archive("evidence pack", path));
  ASSIGN_OR_RETURN(const packs::EvidencePack pack, packs::EvidencePack::parse(bytes));
  const Result<keymgmt::KeySet> keys =
      unchecked ? Result<keymgmt::KeySet>(Error{ErrorCode::Invalid, "not asked for"}) : keys_for(arguments, pack);
  // A key that was named and cannot be had is an error; none at all leaves the signature unchecked, which is not ok.
  if (!keys && !unchecked && (keys.error().code != ErrorCode::Invalid || names_a_key(arguments))) return keys.error();
  if (!keys && strict) {
    return Error{ErrorCode::Invalid,
                 "strict verify profile requires --public-key/--public-key-env or private key source"};
  }
  const SignatureFinding signature = judge(pack, keys);
  ASSIGN_OR_RETURN(const std::optional<packs::EvidenceCheck> documents, check_documents(arguments, pack, keys, proofs));
  const bool good = pack.contents().passed() && pack.pack_id_is_right() && (signature.valid > 0 || unchecked) &&
                    (!documents || documents->passed());
  if (call.json) {
    Json answer = answer_of(path, pack, signature, good);
    if (documents) add_to(answer, *documents, is_key_set(arguments));
    answer_as_gait(call, std::move(answer));
  } else {
    call.console.answer((good ? "verified      " : "NOT verified  ") + path + "\npack          " +
                        std::string(pack.pack_id()) + "\nrun           " + std::string(pack.run_id()) +
                        "\nsignature     " + signature.status + "\n" +
                        (documents ? told(*documents, is_key_set(arguments)) : ""));
  }
  if (signature.status == "skipped" && !unchecked) {
    call.console.tell("guard verify: no key is configured, so nobody is known to have signed this pack");
    call.console.tell("hint: name a key (--public-key, --trust) or a signer, or pass --no-signature-check");
  }
  return good ? 0 : row_of(ErrorCode::VerificationFailed).exit_code;
}

}  // namespace

Command guard_verify_command() {
  return {
      "guard verify",
      "PATH [--profile strict [--allow-unlogged]] [--root FILE | --public-key FILE | --trust DIR | --signer SOCKET]",
      "Checks an evidence pack: files, digests, id, signatures and log proofs",
      "Exits 0 verified, 2 where a file is missing, changed or not listed, the id is another, or the signature\n"
      "does not verify, cannot be checked or is missing; 6 unreadable. Without a key flag the signer is asked.\n"
      "With a set of keys (--root, --trust, the signer) each signed document in the pack is verified, and with its\n"
      "proof that it stands in the log. --root needs the pack alone: its published keys must follow from that root\n"
      "and have been fresh when the pack was made; what was revoked since is not known offline. --profile strict also\n"
      "wants the place in the log of every document proven; --allow-unlogged waives that, and nothing else.",
      "countersign guard verify evidence_pack.zip --root root.json --json",
      kFlags,
      Positionals::Anywhere,
      Shape::Gait,
      verify};
}

}  // namespace countersign::command
