// The record of a call as its agent's platform writes it down: what `voice pack build` makes a pack of (docs/voice.md).
#pragma once

#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "packs/call_parts.h"

namespace countersign::packs {

struct CallRecord {
  UtcTime created_at;
  std::string producer_version;
  std::string call_id;
  std::string runpack_path;  // as written: relative to the record's folder, or absolute
  std::string privacy_mode;  // "hash_only" or "dispute_encrypted"
  std::string environment_fingerprint;
  CallParts parts;  // in normal form, in the order of the call, checked by check_events and check_speech

  // `document` is an object. Strict: members nobody knows are refused. Fails with Invalid at the member's path, in
  // gait's words where gait refuses too ("parse call record: …", "call record call_id is required").
  static Result<CallRecord> parse(const Json& document);
};

bool is_privacy_mode(std::string_view text);

}  // namespace countersign::packs
