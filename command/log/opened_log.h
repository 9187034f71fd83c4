// The log a command looks at: a folder of files (--log), or what the signer serves; and whose signatures it believes.
#pragma once

#include <memory>
#include <string>

#include "command/line/arguments.h"
#include "command/line/signer_address.h"
#include "command/line/verifying_keys.h"
#include "common/result.h"
#include "signer/log/checkpoint.h"
#include "signer/log/tile_source.h"

namespace countersign::command {

inline constexpr Flag kLogFlag = {"log", Flag::Kind::Text, "DIR", "the log's folder or a copy of it, not the signer"};
inline constexpr Flag kLogKeyFlag = {"log-key", Flag::Kind::Text, "KEYS",
                                     "verifier keys NAME+ID+KEY of the log, comma-separated; or @FILE, one a line"};
inline constexpr Flag kWitnessFlag = {"witness", Flag::Kind::Text, "KEYS", "verifier keys of witnesses, as --log-key"};
inline constexpr Flag kWitnessesRequiredFlag = {"witnesses-required", Flag::Kind::Integer, "N",
                                                "so many of the witnesses must have signed (all named, if not given)"};

inline constexpr Flag kArchiveFlag = {"archive", Flag::Kind::Text, "DIR",
                                      "where `log archive` put older entries of the log"};

// How many records a flag says, 0 where it is not given. Fails with Invalid on a negative number.
Result<std::uint64_t> records_in(const Arguments& arguments, std::string_view flag);

// --log DIR, else the signer's socket; what is not there, from --archive DIR.
std::unique_ptr<log::TileSource> log_source(const Arguments& arguments);

// --log-key, else the log keys of --trust DIR or of the signer under the origin of `note`: pinned where --log-key or
// --trust is given, believed on the signer's word otherwise. Fails with Invalid, and as verifying_keys.
Result<log::CheckpointTrust> checkpoint_trust(const Arguments& arguments, const std::string& note);
// The same, with the log keys of `keys` where --log-key is not given.
Result<log::CheckpointTrust> checkpoint_trust(const Arguments& arguments, const std::string& note,
                                              const Result<keymgmt::KeySet>& keys);

// The checkpoint of `source`, trusted. Fails as TrustedCheckpoint::open.
Result<log::TrustedCheckpoint> trusted_checkpoint(const Arguments& arguments, const log::TileSource& source);

// That `newer` continues `older` of the same log, proven by the tiles of `source`. Fails with VerificationFailed,
// reason "log_forked" or "log_rolled_back" (the newer one is smaller).
Status check_consistency(const log::TileSource& source, const log::Checkpoint& older, const log::Checkpoint& newer);

}  // namespace countersign::command
