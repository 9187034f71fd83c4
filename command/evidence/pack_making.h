// An evidence pack from gathered evidence to the signed file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "command/line/arguments.h"
#include "common/json.h"
#include "common/result.h"

namespace countersign::command {

struct MadePack {
  std::string path;
  Json manifest;  // signed
  std::int64_t controls = 0;
  std::int64_t rendered = 0;
  std::int64_t log_proofs = 0;
  std::int64_t unverified = 0;
  bool by_signer = false;             // and not by a key file
  std::vector<std::string> warnings;  // of key-file mode
  std::string notice;
};

// Gathers (pack_evidence.h) what the flags kEvidenceFlags, --case-id, --template, --render-pdf and the key flags of
// `guard pack` say, and has it signed by the signer's trace key, or by the key file. The pack is written to `out`, or
// where that is empty to evidence_pack_<pack_id>.zip beside the runpack. Fails as gathering and signing do.
Result<MadePack> make_pack(const Arguments& arguments, const std::string& out);

}  // namespace countersign::command
