// log show, prove, verify: the log's checkpoint and its proofs.
#include <charconv>

#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/padded.h"
#include "command/log/commands.h"
#include "command/log/log_prover.h"
#include "command/log/opened_log.h"
#include "signer/client/signer_client.h"
#include "signer/log/merkle_tree.h"
#include "signer/log/record_proof.h"

namespace countersign::command {
namespace {

#define LOG_FLAGS kLogFlag, kArchiveFlag, kLogKeyFlag, kWitnessFlag, kWitnessesRequiredFlag, kTrustFlag, kSignerFlag

constexpr Flag kShowFlags[] = {LOG_FLAGS};
constexpr Flag kProveFlags[] = {
    {"index", Flag::Kind::Integer, "N", "the record at this place"},
    {"trace", Flag::Kind::Text, "FILE", "the record of this trace (asks the signer where it is)"},
    {"out", Flag::Kind::Text, "FILE", "write the proof there instead of stdout"},
    LOG_FLAGS,
};
constexpr Flag kVerifyFlags[] = {
    {"old", Flag::Kind::Text, "FILE", "an earlier checkpoint: the log must continue it"},
    {"proof", Flag::Kind::Text, "FILE", "a proof by `log prove`: checked offline, with --log-key or --trust"},
    LOG_FLAGS,
};

Json described(const log::TrustedCheckpoint& trusted) {
  const log::Checkpoint& checkpoint = trusted.checkpoint();
  return Json::object({{"ok", true},
                       {"origin", checkpoint.origin},
                       {"size", checkpoint.size},
                       {"root", to_base64(checkpoint.root.bytes())},
                       {"log_key", trusted.signer().verifier_key()},
                       {"kid", trusted.signer().key().kid()},
                       {"cosigners", Json::array(trusted.cosigners())},
                       {"checkpoint", trusted.note().note()}});
}

std::string text_of_checkpoint(const log::TrustedCheckpoint& trusted) {
  const log::Checkpoint& checkpoint = trusted.checkpoint();
  std::string text = padded("origin", 14) + checkpoint.origin + "\n" + padded("records", 14) +
                     std::to_string(checkpoint.size) + "\n" + padded("root", 14) + to_base64(checkpoint.root.bytes()) +
                     "\n" + padded("log key", 14) + trusted.signer().verifier_key() + "\n";
  for (const std::string& name : trusted.cosigners()) text += padded("cosigned by", 14) + name + "\n";
  return text;
}

Result<std::uint64_t> index_word(const std::string& word) {
  std::uint64_t index = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), index);
  if (error != std::errc() || end != word.data() + word.size()) {
    return Error{ErrorCode::Invalid, "\"" + word + "\" is no index of a record"};
  }
  return index;
}

Result<log::RecordProof> proof_of(const Arguments& arguments, const log::TileSource& source, std::uint64_t index) {
  ASSIGN_OR_RETURN(const std::string note, source.read("checkpoint"));
  ASSIGN_OR_RETURN(const log::CheckpointTrust trust, checkpoint_trust(arguments, note));
  ASSIGN_OR_RETURN(LogProver prover, LogProver::open(source, note, trust));
  return prover.prove(index);
}

Result<int> show(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() > 1) return Error{ErrorCode::Invalid, "log show takes one index at most"};
  const std::unique_ptr<log::TileSource> source = log_source(arguments);
  if (!arguments.positionals().empty()) {
    ASSIGN_OR_RETURN(const std::uint64_t index, index_word(arguments.positionals().front()));
    ASSIGN_OR_RETURN(const log::RecordProof proof, proof_of(arguments, *source, index));
    ASSIGN_OR_RETURN(const Json leaf, Json::parse(proof.leaf));
    std::string text;
    for (const Json::Member& member : leaf.as_object()) {
      text += padded(member.first, 18) +
              (member.second.is_string() ? member.second.as_string() : member.second.compact()) + "\n";
    }
    call.console.answer(call.json ? Json::object({{"ok", true}, {"index", index}, {"record", leaf}}).compact() + "\n"
                                  : text);
    return 0;
  }
  ASSIGN_OR_RETURN(const log::TrustedCheckpoint trusted, trusted_checkpoint(arguments, *source));
  call.console.answer(call.json ? described(trusted).compact() + "\n" : text_of_checkpoint(trusted));
  return 0;
}

// Where the record of a trace stands: only the signer knows.
Result<std::uint64_t> index_of_trace(const Arguments& arguments, const std::string& path) {
  ASSIGN_OR_RETURN(const Json trace, read_document("trace record", path));
  const Json* signature = trace.find("signature");
  client::SignerClient signer(signer_address(arguments).path);
  ASSIGN_OR_RETURN(const std::string answer,
                   signer.get("/v1/log/proof?intent_digest=" + std::string(trace.text("intent_digest")) +
                              "&signed_digest=" + std::string(signature ? signature->text("signed_digest") : "")));
  ASSIGN_OR_RETURN(const Json body, Json::parse(answer));
  if (const Json* index = body.find("index"); index != nullptr && index->is_integer()) {
    return static_cast<std::uint64_t>(index->as_integer());
  }
  const Json* error = body.find("error");  // of a signer that cannot say it now
  if (error == nullptr) return Error{ErrorCode::Internal, "the signer's answer names no record"};
  return Error{ErrorCode::Unavailable, std::string(error->text("message")), std::string(error->text("code")),
               std::string(error->text("hint"))};
}

Result<int> prove(Call& call, const Arguments& arguments) {
  if (arguments.given("index") == arguments.given("trace") || !arguments.positionals().empty()) {
    return Error{ErrorCode::Invalid, "log prove takes --index N or --trace FILE", "index_missing"};
  }
  std::uint64_t index = 0;
  if (arguments.given("trace")) {
    ASSIGN_OR_RETURN(index, index_of_trace(arguments, std::string(arguments.text("trace"))));
  } else {
    ASSIGN_OR_RETURN(index, index_word(std::string(arguments.text("index"))));
  }
  const std::unique_ptr<log::TileSource> source = log_source(arguments);
  ASSIGN_OR_RETURN(const log::RecordProof proof, proof_of(arguments, *source, index));
  const std::string text = proof.to_json().compact() + "\n";
  const std::string out(arguments.text("out"));
  if (out.empty()) {
    call.console.answer(text);
    return 0;
  }
  RETURN_IF_ERROR(prepare_output("proof", out));
  RETURN_IF_ERROR(write_output(out, text));
  call.console.answer(
      call.json ? Json::object({{"ok", true}, {"index", index}, {"size", proof.size}, {"path", out}}).compact() + "\n"
                : out + "\n");
  return 0;
}

Result<int> verify_proof(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string text, read_input("proof", std::string(arguments.text("proof"))));
  ASSIGN_OR_RETURN(const Json json, Json::parse(text));
  ASSIGN_OR_RETURN(const log::RecordProof proof, log::RecordProof::parse(json));
  ASSIGN_OR_RETURN(const log::CheckpointTrust trust, checkpoint_trust(arguments, proof.checkpoint));
  ASSIGN_OR_RETURN(const log::LoggedRecord record, log::LoggedRecord::verify(proof, trust));
  Json answer = described(record.checkpoint());
  answer.set("index", proof.index);
  answer.set("record", record.leaf());
  call.console.answer(call.json ? answer.compact() + "\n"
                                : "record " + std::to_string(proof.index) + " stands in the log\n" +
                                      text_of_checkpoint(record.checkpoint()));
  return 0;
}

Result<int> verify(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "log verify takes flags only"};
  if (arguments.given("proof")) return verify_proof(call, arguments);
  const std::unique_ptr<log::TileSource> source = log_source(arguments);
  ASSIGN_OR_RETURN(const log::TrustedCheckpoint trusted, trusted_checkpoint(arguments, *source));
  // The tiles lead to the root even where nothing earlier is known: from the first record.
  const log::TileNodes nodes(*source, trusted.checkpoint().size);
  ASSIGN_OR_RETURN(const Digest root, log::root_of(trusted.checkpoint().size, nodes));
  if (root != trusted.checkpoint().root) {
    return Error{ErrorCode::VerificationFailed, "the log's tiles do not lead to its checkpoint", "log_damaged",
                 "`countersign log fsck` names the files."};
  }
  Json answer = described(trusted);
  if (arguments.given("old")) {
    ASSIGN_OR_RETURN(const std::string note, read_input("checkpoint", std::string(arguments.text("old"))));
    ASSIGN_OR_RETURN(const log::CheckpointTrust trust, checkpoint_trust(arguments, note));
    ASSIGN_OR_RETURN(const log::TrustedCheckpoint older, log::TrustedCheckpoint::open(note, trust));
    RETURN_IF_ERROR(check_consistency(*source, older.checkpoint(), trusted.checkpoint()));
    answer.set("continues", older.checkpoint().size);
  }
  call.console.answer(call.json ? answer.compact() + "\n" : "verified\n" + text_of_checkpoint(trusted));
  return 0;
}

}  // namespace

Command log_show_command() {
  return {"log show",
          "[INDEX] [--log DIR]",
          "Shows the log's checkpoint and key, or one record of it",
          "Everything shown is verified. Without --log-key or --trust the log's key is the one that the signer names.",
          "countersign log show 42 --json",
          kShowFlags,
          Positionals::Anywhere,
          Shape::Ours,
          show};
}

Command log_prove_command() {
  return {"log prove",
          "--index N | --trace FILE [--out FILE]",
          "Writes the proof that a record stands in the log",
          "The proof is one JSON object that anybody can check offline with the log's key (`log verify --proof`,\n"
          "`trace verify --log-proof`). It is made from the log's tiles and verified before it is given.",
          "countersign log prove --trace trace.json --out trace.proof.json",
          kProveFlags,
          Positionals::Anywhere,
          Shape::Ours,
          prove};
}

Command log_verify_command() {
  return {"log verify",
          "[--old CHECKPOINT] [--proof FILE] [--log DIR]",
          "Checks the log's checkpoint, and that it continues an earlier one",
          "Checks the signatures of log and witnesses and that the tiles lead to the root; with --old that nothing of\n"
          "the earlier checkpoint was changed; with --proof one record's place. Exits 0 verified, 2 not.",
          "countersign log verify --log /srv/log --log-key @log.vkey --old last-week.checkpoint",
          kVerifyFlags,
          Positionals::Anywhere,
          Shape::Ours,
          verify};
}

}  // namespace countersign::command
