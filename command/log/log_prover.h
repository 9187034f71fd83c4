// Proofs that records stand in the log, made from its tiles and verified before they are given.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "signer/log/checkpoint.h"
#include "signer/log/record_proof.h"
#include "signer/log/tile_source.h"

namespace countersign::command {

class LogProver {
 public:
  // Against the checkpoint of `source`, which outlives this, believed by `trust`. Fails as TrustedCheckpoint::open.
  static Result<LogProver> open(const log::TileSource& source, const std::string& note,
                                const log::CheckpointTrust& trust);

  std::uint64_t size() const { return trusted_.checkpoint().size; }
  // Fails with NotFound, reason "log_behind", for a record that the checkpoint does not cover.
  Result<log::RecordProof> prove(std::uint64_t index);

 private:
  LogProver(const log::TileSource& source, log::TrustedCheckpoint trusted, log::CheckpointTrust trust)
      : source_(&source), trusted_(std::move(trusted)), trust_(std::move(trust)), nodes_(source, size()) {}
  // By itself where its bundle was archived.
  Result<std::string> entry(std::uint64_t index);

  const log::TileSource* source_;
  log::TrustedCheckpoint trusted_;
  log::CheckpointTrust trust_;
  log::TileNodes nodes_;
  std::optional<std::uint64_t> bundle_;  // whose entries are kept
  std::vector<std::string> entries_;
};

// The note of `source` once it covers `records`. Fails with Unavailable, reason "log_behind", where it still does not
// after `patience`; and as the source does.
Result<std::string> covering_checkpoint(const log::TileSource& source, std::uint64_t records,
                                        std::chrono::milliseconds patience);

}  // namespace countersign::command
