#include "command/log/log_prover.h"

#include <thread>

#include "signer/log/merkle_tree.h"

namespace countersign::command {

Result<LogProver> LogProver::open(const log::TileSource& source, const std::string& note,
                                  const log::CheckpointTrust& trust) {
  ASSIGN_OR_RETURN(log::TrustedCheckpoint trusted, log::TrustedCheckpoint::open(note, trust));
  return LogProver(source, std::move(trusted), trust);
}

Result<log::RecordProof> LogProver::prove(std::uint64_t index) {
  if (index >= size()) {
    return Error{
        ErrorCode::NotFound,
        "the log's checkpoint covers " + std::to_string(size()) + " records, not record " + std::to_string(index),
        "log_behind", "A record is covered at most a second after it was signed."};
  }
  log::RecordProof proof;
  proof.index = index;
  proof.size = size();
  ASSIGN_OR_RETURN(proof.leaf, entry(index));
  ASSIGN_OR_RETURN(proof.hashes, log::inclusion_proof(index, size(), nodes_));
  proof.checkpoint = trusted_.note().note();
  RETURN_IF_ERROR(log::LoggedRecord::verify(proof, trust_));
  return proof;
}

Result<std::string> LogProver::entry(std::uint64_t index) {
  if (bundle_ != index / log::kTileWidth) {
    Result<std::vector<std::string>> bundle =
        log::read_bundle(*source_, log::tile_holding(log::TileId::Kind::Entries, 0, index, size()));
    if (!bundle && bundle.error().code == ErrorCode::NotFound) return source_->entry(index);
    if (!bundle) return bundle.error();
    entries_ = *std::move(bundle);
    bundle_ = index / log::kTileWidth;
  }
  return entries_[index % log::kTileWidth];
}

Result<std::string> covering_checkpoint(const log::TileSource& source, std::uint64_t records,
                                        std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (true) {
    Result<std::string> note = source.read("checkpoint");
    if (!note && note.error().reason != "log_behind") return note;
    if (note) {
      ASSIGN_OR_RETURN(const log::SignedNote parsed, log::SignedNote::parse(*note));
      ASSIGN_OR_RETURN(const log::Checkpoint claimed, log::Checkpoint::parse(parsed.text()));
      if (claimed.size >= records) return note;
    }
    if (std::chrono::steady_clock::now() >= until) {
      return Error{ErrorCode::Unavailable, "the log does not cover the newest records yet", "log_behind",
                   "`countersign status` says why it stands still."};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace countersign::command
