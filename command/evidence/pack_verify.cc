// pack verify: whether a run pack is what its signed manifest says, and nothing more.
#include <optional>

#include "command/evidence/commands.h"
#include "command/evidence/pack_answer.h"
#include "command/evidence/runpack_file.h"
#include "command/line/command.h"
#include "command/line/key_files.h"
#include "common/text.h"
#include "gate/document/optional_members.h"
#include "packs/run_pack.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"path", Flag::Kind::Text, "FILE", "the pack, instead of the word"},
    {"profile", Flag::Kind::Text, "NAME", "standard (default), or strict: a key must be named, and have signed"},
    {"require-signature", Flag::Kind::Switch, "", "as strict asks"},
    {"no-signature-check", Flag::Kind::Switch, "", "files and digests only, as gait does where it has no key"},
};

PackSignatures judge(const packs::RunPack& pack, const std::optional<SourcedPublicKey>& key) {
  const std::size_t total = pack.signatures();
  if (total == 0) return {"missing", {"manifest has no signatures"}};
  if (!key) return {"skipped", {"public key not configured"}, total};
  std::vector<std::string> errors = pack.unsigned_by(key->key);
  if (!errors.empty()) return {"failed", std::move(errors), total};
  return {"verified", {}, total, 1};
}

Json answer_of(const std::string& path, const packs::RunPack& pack, const PackSignatures& signatures, bool good) {
  const PackNames names{pack.pack_id(), pack.manifest().text("pack_type"), pack.run_id()};
  Json found = pack_findings(names, pack.contents(), pack.proof_records(), signatures);
  if (!pack.pack_id_is_right()) found.set("pack_id_mismatch", true);
  gate::put(found, "faults", pack.faults());
  Json answer = pack_answer("verify", good);
  answer.set("path", path);
  names.add_to(answer);
  answer.set("verify", std::move(found));
  return answer;
}

std::string told(const std::string& path, const packs::RunPack& pack, const PackSignatures& signatures, bool good) {
  std::string text = (good ? "verified      " : "NOT verified  ") + path + "\npack          " +
                     displayed(pack.pack_id()) + "\nrun           " + displayed(pack.run_id()) + "\nsignature     " +
                     signatures.status + "\n";
  for (const std::string& fault : pack.faults()) text += "FAILED        " + displayed(fault) + "\n";
  for (const std::string& error : signatures.errors) text += "FAILED        " + displayed(error) + "\n";
  return text;
}

Result<int> verify(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string path, pack_path(arguments));
  if (arguments.positionals().size() > 1) return Error{ErrorCode::Invalid, "expected <pack.zip>"};
  // Only a key that is named: a run pack is of no time, and a published key counts for one.
  ASSIGN_OR_RETURN(std::optional<SourcedPublicKey> key, verify_key(arguments, ""));
  ASSIGN_OR_RETURN(const PackDemand demand, pack_demand(arguments, key.has_value()));
  ASSIGN_OR_RETURN(const std::string bytes, read_archive("pack", path));
  ASSIGN_OR_RETURN(const packs::RunPack pack, packs::RunPack::parse(bytes));
  if (demand.unchecked) key.reset();
  const PackSignatures signatures = judge(pack, key);
  const bool good = pack.contents().passed() && pack.pack_id_is_right() && pack.faults().empty() &&
                    (signatures.status == "verified" || demand.unchecked);
  if (call.json) {
    answer_as_gait(call, answer_of(path, pack, signatures, good));
  } else {
    call.console.answer(told(path, pack, signatures, good));
  }
  return good ? 0 : row_of(ErrorCode::VerificationFailed).exit_code;
}

}  // namespace

Command pack_verify_command() {
  return {
      "pack verify",
      "PATH [--profile strict] [--public-key FILE]",
      "Checks a run pack: files, digests, id, the runpack within, proof records and signatures",
      "Exits 0 verified, 2 where something in it is missing, changed, not listed or of another run, or a signature\n"
      "does not verify, cannot be checked or is missing; 6 unreadable. Without a key flag no signature can be "
      "checked.\n"
      "Run packs are what `mcp proxy --pack-out` makes; `guard verify` checks evidence packs.",
      "countersign pack verify pack.zip --public-key trace_public.key --json",
      kFlags,
      Positionals::Anywhere,
      Shape::Gait,
      verify};
}

}  // namespace countersign::command
