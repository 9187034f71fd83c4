#include "command/log/opened_log.h"

#include "command/line/input_file.h"
#include "common/text.h"
#include "signer/log/merkle_tree.h"
#include "signer/log/record_proof.h"
#include "signer/transport/http_client.h"

namespace countersign::command {
namespace {

class SocketSource : public log::TileSource {
 public:
  explicit SocketSource(std::string path) : path_(path), client_(std::move(path)) {}
  Result<std::string> read(const std::string& path) const override {
    ASSIGN_OR_RETURN(transport::HttpAnswer answer, client_.get("/v1/log/" + path));
    if (answer.status == 200) return std::move(answer.body);
    const Result<Json> body = Json::parse(answer.body);
    const Json* error = body ? body->find("error") : nullptr;
    const std::string message(error == nullptr ? "" : error->text("message"));
    return Error{answer.status == 404 ? ErrorCode::NotFound : ErrorCode::Unavailable,
                 message.empty() ? path + " is not served at " + path_ : message,
                 std::string(error == nullptr ? "" : error->text("code")),
                 std::string(error == nullptr ? "" : error->text("hint"))};
  }

  // From the ledger, which keeps what the bundle held.
  Result<std::string> entry(std::uint64_t index) const override {
    ASSIGN_OR_RETURN(const transport::HttpAnswer answer, client_.get("/v1/log/proof?index=" + std::to_string(index)));
    const Result<Json> body = answer.status == 200 ? Json::parse(answer.body) : TileSource::entry(index).error();
    if (!body) return body.error();
    ASSIGN_OR_RETURN(log::RecordProof proof, log::RecordProof::parse(*body));
    return std::move(proof.leaf);
  }

 private:
  std::string path_;
  mutable transport::HttpClient client_;
};

// "KEY,KEY" or "@FILE".
Result<std::vector<log::NoteKey>> note_keys(std::string_view text) {
  std::string list(text);
  if (text.starts_with('@')) {
    ASSIGN_OR_RETURN(list, read_input("verifier keys", std::string(text.substr(1))));
  }
  std::vector<log::NoteKey> keys;
  std::string word;
  list += '\n';
  for (const char c : list) {
    if (c != ',' && c != '\n') {
      word += c;
      continue;
    }
    const std::string key_text(trimmed(word));
    word.clear();
    if (key_text.empty() || key_text.starts_with('#')) continue;
    ASSIGN_OR_RETURN(log::NoteKey key, log::NoteKey::parse(key_text));
    keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace

Result<std::uint64_t> records_in(const Arguments& arguments, std::string_view flag) {
  const std::int64_t given = arguments.integer(flag).value_or(0);
  if (given >= 0) return static_cast<std::uint64_t>(given);
  return Error{ErrorCode::Invalid,
               "--" + std::string(flag) + " takes a number of records, not " + std::to_string(given)};
}

std::unique_ptr<log::TileSource> log_source(const Arguments& arguments) {
  const std::string folder(trimmed(arguments.text("log")));
  std::unique_ptr<log::TileSource> source;
  if (!folder.empty()) {
    source = std::make_unique<log::FolderSource>(folder);
  } else {
    source = std::make_unique<SocketSource>(signer_address(arguments).path);
  }
  const std::string archive(trimmed(arguments.text("archive")));
  if (archive.empty()) return source;
  return std::make_unique<log::ArchivedSource>(std::move(source), archive);
}

Result<log::CheckpointTrust> checkpoint_trust(const Arguments& arguments, const std::string& note) {
  if (arguments.given("log-key")) {
    return checkpoint_trust(arguments, note, Error{ErrorCode::Invalid, "no key set is needed"});
  }
  return checkpoint_trust(arguments, note, verifying_keys(arguments, keymgmt::Role::Log));
}

Result<log::CheckpointTrust> checkpoint_trust(const Arguments& arguments, const std::string& note,
                                              const Result<keymgmt::KeySet>& keys) {
  log::CheckpointTrust trust;
  if (arguments.given("log-key")) {
    ASSIGN_OR_RETURN(trust.log_keys, note_keys(arguments.text("log-key")));
  } else {
    if (!keys) return keys.error();
    ASSIGN_OR_RETURN(trust, log::trust_in(*keys, note));
  }
  ASSIGN_OR_RETURN(trust.witnesses, note_keys(arguments.text("witness")));
  const std::int64_t required =
      arguments.integer("witnesses-required").value_or(static_cast<std::int64_t>(trust.witnesses.size()));
  if (required < 0 || static_cast<std::size_t>(required) > trust.witnesses.size()) {
    return Error{ErrorCode::Invalid, "--witnesses-required must be 0 to the number of --witness keys"};
  }
  trust.required = static_cast<std::size_t>(required);
  return trust;
}

Result<log::TrustedCheckpoint> trusted_checkpoint(const Arguments& arguments, const log::TileSource& source) {
  ASSIGN_OR_RETURN(const std::string note, source.read("checkpoint"));
  ASSIGN_OR_RETURN(const log::CheckpointTrust trust, checkpoint_trust(arguments, note));
  return log::TrustedCheckpoint::open(note, trust);
}

Status check_consistency(const log::TileSource& source, const log::Checkpoint& older, const log::Checkpoint& newer) {
  const std::string sizes = std::to_string(older.size) + " and " + std::to_string(newer.size);
  if (older.origin != newer.origin) {
    return Error{ErrorCode::VerificationFailed,
                 "the checkpoints are of two logs: " + older.origin + " and " + newer.origin, "origin_mismatch"};
  }
  if (newer.size < older.size) {
    return Error{ErrorCode::VerificationFailed, "the log went back: checkpoints of " + sizes + " records",
                 "log_rolled_back", "Keep both checkpoints: together they prove it."};
  }
  const log::TileNodes nodes(source, newer.size);
  ASSIGN_OR_RETURN(const std::vector<Digest> proof, log::consistency_proof(older.size, newer.size, nodes));
  if (log::verify_consistency(older.size, older.root, newer.size, newer.root, proof)) return ok();
  return Error{ErrorCode::VerificationFailed, "the checkpoints of " + sizes + " records do not fit together",
               "log_forked",
               "Keep both checkpoints and the log's files. `countersign log fsck` says whether the files "
               "are damaged; if not, two histories were signed."};
}

}  // namespace countersign::command
