// guard verify: whether an evidence pack is what its signed manifest says, and nothing more.
#include "command/command.h"
#include "command/commands.h"
#include "command/runpack_file.h"
#include "command/verifying_keys.h"
#include "common/text.h"
#include "gate/optional_members.h"
#include "packs/evidence_pack.h"
#include "signer/statement/statement.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"profile", Flag::Kind::Text, "NAME", "standard (default), or strict: a key must be named"},
    {"require-signature", Flag::Kind::Switch, "", "as strict asks of the signature"},
    {"no-signature-check", Flag::Kind::Switch, "", "files and digests only, as gait does where it has no key"},
    kVerifyingFlags[0],
    kVerifyingFlags[1],
    kVerifyingFlags[2],
    kVerifyingFlags[3],
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
       {"public-key", "public-key-env", "private-key", "private-key-env", "trust", "signer"}) {
    if (!trimmed(arguments.text(flag)).empty()) return true;
  }
  return false;
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
  if (strict && unchecked) return Error{ErrorCode::Invalid, "a strict verification checks the signature"};
  const Result<keymgmt::KeySet> keys = unchecked ? Result<keymgmt::KeySet>(Error{ErrorCode::Invalid, "not asked for"})
                                                 : verifying_keys(arguments, keymgmt::Role::Trace);
  // A key that was named and cannot be had is an error; none at all leaves the signature unchecked, which is not ok.
  if (!keys && !unchecked && (keys.error().code != ErrorCode::Invalid || names_a_key(arguments))) return keys.error();
  if (!keys && strict) {
    return Error{ErrorCode::Invalid,
                 "strict verify profile requires --public-key/--public-key-env or private key source"};
  }
  ASSIGN_OR_RETURN(const std::string bytes, read_archive("evidence pack", path));
  ASSIGN_OR_RETURN(const packs::EvidencePack pack, packs::EvidencePack::parse(bytes));
  const SignatureFinding signature = judge(pack, keys);
  const bool good = pack.contents().passed() && pack.pack_id_is_right() && (signature.valid > 0 || unchecked);
  if (call.json) {
    answer_as_gait(call, answer_of(path, pack, signature, good));
  } else {
    call.console.answer((good ? "verified      " : "NOT verified  ") + path + "\npack          " +
                        std::string(pack.pack_id()) + "\nrun           " + std::string(pack.run_id()) +
                        "\nsignature     " + signature.status + "\n");
  }
  if (signature.status == "skipped" && !unchecked) {
    call.console.tell("guard verify: no key is configured, so nobody is known to have signed this pack");
    call.console.tell("hint: name a key (--public-key, --trust) or a signer, or pass --no-signature-check");
  }
  return good ? 0 : row_of(ErrorCode::VerificationFailed).exit_code;
}

}  // namespace

Command guard_verify_command() {
  return {"guard verify",
          "PATH [--profile strict] [--public-key FILE | --trust DIR | --signer SOCKET]",
          "Checks an evidence pack: files, digests, id and signature",
          "Exits 0 verified, 2 where a file is missing, changed or not listed, the id is another, or the signature\n"
          "does not verify, cannot be checked or is missing; 6 unreadable. Without a key flag the signer is asked.",
          "countersign guard verify evidence_pack.zip --json",
          kFlags,
          Positionals::Anywhere,
          Shape::Gait,
          verify};
}

}  // namespace countersign::command
