// What `pack verify` and `voice pack verify` have in common, which are one command in gait: what is demanded of a pack,
// and gait's object gait.pack.output.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "command/line/arguments.h"
#include "common/json.h"
#include "common/result.h"
#include "packs/content_check.h"

namespace countersign::command {

// --path, else the first word. Fails with Invalid where there is neither.
Result<std::string> pack_path(const Arguments& arguments);

struct PackDemand {
  bool signature = false;  // --require-signature, --profile strict: a signature that a key verifies
  bool unchecked = false;  // --no-signature-check: no key, and no failure
};

// `has_key` says whether a key is named, as --profile strict wants. Fails with Invalid where there is none then, on
// another profile, and where a signature is both demanded and left unchecked.
Result<PackDemand> pack_demand(const Arguments& arguments, bool has_key);

struct PackNames {
  std::string_view pack_id;
  std::string_view pack_type;
  std::string_view source_ref;
  void add_to(Json& answer) const;
};

struct PackSignatures {
  std::string status;  // missing, skipped, verified, failed
  std::vector<std::string> errors;
  std::size_t total = 0;
  std::int64_t valid = 0;
};

// {schema_id, schema_version, ok, operation}.
Json pack_answer(std::string_view operation, bool good);

// The member `verify` of the answer: names, files, proof records and signatures.
Json pack_findings(const PackNames& names, const packs::ContentCheck& contents, std::int64_t proof_records,
                   const PackSignatures& signatures);

}  // namespace countersign::command
