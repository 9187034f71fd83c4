#include "signer/statement/approved_script_fields.h"

#include "common/text.h"
#include "signer/statement/token_parts.h"

namespace countersign::statement {
namespace {

using enum Field::Kind;
using enum Field::Presence;

constexpr Field kRequest[] = {{"pattern_id", Text, Required},
                              {"policy_digest", HexDigest, Required},
                              {"script_hash", HexDigest, Required},
                              {"tool_sequence", Texts, Required},
                              {"scope", Texts},
                              {"approver_identity", Text, Required},
                              {"ttl_seconds", Integer, Required}};
constexpr Structure kRequestShape{kRequest};

}  // namespace

const Structure& approved_script_structure() {
  static const Field fields[] = {{"schema_id", Text, Stamped},
                                 {"schema_version", Text, Stamped},
                                 {"created_at", Time, Stamped},
                                 {"producer_version", Text, Stamped},
                                 {"pattern_id", Text, Required},
                                 {"policy_digest", HexDigest, Required},
                                 {"script_hash", HexDigest, Required},
                                 {"tool_sequence", Texts, Required},
                                 {"scope", Texts},
                                 {"approver_identity", Text, Required},
                                 {"expires_at", Time, Stamped},
                                 {"signature", Object, Sealed, &signature_structure()}};
  static const Structure structure{fields};
  return structure;
}

Result<ApprovedScriptFields> read_approved_script_fields(const JsonTree& fields) {
  JsonNode& given = fields.root();
  RETURN_IF_ERROR(read(kRequestShape, fields, given, Reading::Strict, ""));
  ApprovedScriptFields out;
  ASSIGN_OR_RETURN(out.pattern_id, required_name(given.text_of("pattern_id"), "pattern_id"));
  ASSIGN_OR_RETURN(out.policy_digest, Digest::parse(given.text_of("policy_digest")));
  ASSIGN_OR_RETURN(out.script_hash, Digest::parse(given.text_of("script_hash")));
  ASSIGN_OR_RETURN(out.tool_sequence, listed_words(*given.find("tool_sequence")));
  if (out.tool_sequence.empty()) return Error{ErrorCode::Invalid, "tool_sequence: must name at least one tool"};
  if (const JsonNode* scope = given.find("scope")) {
    ASSIGN_OR_RETURN(out.scope, listed_words(*scope));
  }
  ASSIGN_OR_RETURN(out.approver_identity, required_name(given.text_of("approver_identity"), "approver_identity"));
  ASSIGN_OR_RETURN(out.ttl, read_ttl(given));
  return out;
}

StampedDocument stamped(const ApprovedScriptFields& script, const Stamp& stamp) {
  const UtcTime created_at = stamp.now.whole_seconds();
  Json::Object out;
  out.reserve(approved_script_structure().fields.size());
  out.emplace_back("schema_id", row_of(StatementType::ApprovedScript).schema_id);
  out.emplace_back("schema_version", kSchemaVersion);
  out.emplace_back("created_at", created_at.rfc3339());
  out.emplace_back("producer_version", COUNTERSIGN_VERSION);
  out.emplace_back("pattern_id", script.pattern_id);
  out.emplace_back("policy_digest", script.policy_digest.hex());
  out.emplace_back("script_hash", script.script_hash.hex());
  out.emplace_back("tool_sequence", Json::array(script.tool_sequence));
  if (!script.scope.empty()) out.emplace_back("scope", Json::array(script.scope));
  out.emplace_back("approver_identity", script.approver_identity);
  out.emplace_back("expires_at", (created_at + script.ttl).rfc3339());
  Json document(std::move(out));
  const Digest digest = document.digest();
  return StampedDocument{std::move(document), digest};
}

Status normalise_approved_script(Json& entry) {
  RETURN_IF_ERROR(normalise_schema_version(entry));
  RETURN_IF_ERROR(normalise_names(entry, {"pattern_id", "approver_identity"}));
  RETURN_IF_ERROR(normalise_digests(entry, {"policy_digest", "script_hash"}));
  for (const std::string_view name : {"tool_sequence", "scope"}) {
    Json* list = entry.find(name);
    if (list == nullptr) continue;
    if (!list->is_array()) return Error{ErrorCode::Invalid, std::string(name) + ": must be a list"};
    std::vector<std::string> words;
    for (const Json& word : list->as_array()) words.push_back(word.as_string());
    words = text_set(words, true);
    if (words.empty() && name == "tool_sequence") return Error{ErrorCode::Invalid, "tool_sequence: must name a tool"};
    if (words.empty()) {
      entry.erase(name);
    } else {
      *list = Json::array(words);
    }
  }
  return require_times(entry);
}

}  // namespace countersign::statement
