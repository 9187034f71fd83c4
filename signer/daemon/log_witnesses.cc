#include "signer/daemon/log_witnesses.h"

#include <charconv>

#include "common/text.h"
#include "signer/transport/http_client.h"

namespace countersign::daemon {
namespace {

constexpr transport::HttpClient::Timeouts kTimeouts{std::chrono::seconds(1), std::chrono::seconds(3)};
constexpr int kConflict = 409;

Error missing(const log::NoteKey& key, const std::string& why) {
  return Error{ErrorCode::Unavailable, "witness " + key.name() + ": " + why, "witness_missing",
               "The log waits and goes on by itself once the witness answers."};
}

Result<std::string> request_body(std::uint64_t seen, const std::string& note, const log::Checkpoint& checkpoint,
                                 const ledger::Store& store) {
  ASSIGN_OR_RETURN(const std::vector<Digest> proof, store.consistency_proof(seen, checkpoint.size));
  std::string body = "old " + std::to_string(seen) + "\n";
  for (const Digest& hash : proof) body += to_base64(hash.bytes()) + "\n";
  return body + "\n" + note;
}

// A witness's line counts if it is by its key and verifies.
Result<log::NoteSignature> good_line(const log::NoteKey& key, const std::string& lines,
                                     const log::Checkpoint& checkpoint) {
  const Result<std::vector<log::NoteSignature>> parsed = log::parse_signature_lines(lines);
  if (!parsed) return missing(key, "its answer is no cosignature: " + parsed.error().detail);
  for (const log::NoteSignature& each : *parsed) {
    if (each.name != key.name() || each.id != key.id()) continue;
    if (log::SignedNote(checkpoint.text(), {each}).cosigned_by(key)) return each;
    return missing(key, "its cosignature does not verify");
  }
  return missing(key, "its answer holds no cosignature by its key");
}

}  // namespace

Result<LogWitnesses> LogWitnesses::of(const config::LogConfig& config) {
  LogWitnesses made;
  made.required_ = static_cast<std::size_t>(config.witnesses_required);
  for (const config::LogConfig::Witness& each : config.witnesses) {
    ASSIGN_OR_RETURN(log::NoteKey key, log::NoteKey::parse(each.key));
    if (key.type() != log::NoteSignatureType::Cosignature) {
      return Error{ErrorCode::Invalid, "log.witnesses: " + key.name() + " is no cosigner's key (type 4)"};
    }
    made.witnesses_.push_back({std::move(key), each.socket});
  }
  return made;
}

Result<log::NoteSignature> LogWitnesses::ask(Witness& witness, const std::string& note,
                                             const log::Checkpoint& checkpoint, const ledger::Store& store) {
  transport::HttpClient client(witness.socket, kTimeouts);
  // What it saw may be more, or less, than we think: then it says so once.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (witness.seen > checkpoint.size) {
      return missing(witness.key, "it has seen a checkpoint of " + std::to_string(witness.seen) +
                                      " records, more than this log has: was an older ledger put in place?");
    }
    ASSIGN_OR_RETURN(const std::string body, request_body(witness.seen, note, checkpoint, store));
    const Result<transport::HttpAnswer> answer =
        client.post("/add-checkpoint", body, transport::HttpClient::Repeat::Safe);
    if (!answer) return missing(witness.key, answer.error().detail);
    if (answer->status == 200) {
      Result<log::NoteSignature> line = good_line(witness.key, answer->body, checkpoint);
      if (line) witness.seen = checkpoint.size;
      return line;
    }
    std::uint64_t size = 0;
    const std::string_view text = trimmed(answer->body);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    const bool told = answer->status == kConflict && error == std::errc() && end == text.data() + text.size();
    if (!told || size == witness.seen) {
      return missing(witness.key, "it refuses the checkpoint with status " + std::to_string(answer->status));
    }
    witness.seen = size;
  }
  return missing(witness.key, "it does not agree on what it has seen");
}

Result<std::string> LogWitnesses::cosigned(const std::string& note, const log::Checkpoint& checkpoint,
                                           const ledger::Store& store) {
  if (witnesses_.empty()) return note;
  ASSIGN_OR_RETURN(log::SignedNote whole, log::SignedNote::parse(note));
  std::size_t had = 0;
  std::string why;
  for (Witness& witness : witnesses_) {
    Result<log::NoteSignature> line = ask(witness, note, checkpoint, store);
    if (line) {
      whole.add(*std::move(line));
      ++had;
    } else {
      why += (why.empty() ? "" : "; ") + line.error().detail;
    }
  }
  if (had >= required_) return whole.note();
  return Error{ErrorCode::Unavailable,
               std::to_string(had) + " of " + std::to_string(required_) + " required witnesses cosigned: " + why,
               "witness_missing", "The log waits and goes on by itself once they answer."};
}

}  // namespace countersign::daemon
