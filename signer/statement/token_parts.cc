#include "signer/statement/token_parts.h"

#include <algorithm>

#include "common/text.h"

namespace countersign::statement {
namespace {

constexpr std::size_t kTokenIdDigits = 24;
// No configuration allows more; beyond it, created_at + ttl could leave the years gait reads.
constexpr std::int64_t kLongestTtl = std::int64_t{10} * 366 * 24 * 3600;

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

void set_text(Json& object, std::string_view name, std::string text) {
  object.find(name)->as_string() = std::move(text);
}

std::vector<std::string> texts_of(const JsonNode& list) {
  std::vector<std::string> words;
  for (const JsonNode& word : list.children()) words.emplace_back(word.text);
  return words;
}

std::vector<std::string> texts_of(const Json& list) {
  std::vector<std::string> words;
  for (const Json& word : list.as_array()) words.push_back(word.as_string());
  return words;
}

}  // namespace

Result<std::string> required_name(std::string_view given, std::string_view name) {
  std::string out(trimmed(given));
  if (out.empty()) return invalid(std::string(name) + ": must not be blank");
  return out;
}

Result<std::chrono::nanoseconds> read_ttl(const JsonNode& object) {
  const JsonNode* member = object.find("ttl_seconds");
  const std::int64_t ttl = member == nullptr ? 0 : member->integer;
  if (ttl <= 0 || ttl > kLongestTtl) return invalid("ttl_seconds: must be positive and at most ten years");
  return std::chrono::nanoseconds(std::chrono::seconds(ttl));
}

Result<std::vector<std::string>> scope_words(const JsonNode& list) {
  return scope_words(texts_of(list));
}

Result<std::vector<std::string>> scope_words(const std::vector<std::string>& given) {
  std::vector<std::string> words = text_set(given, true);
  for (const std::string& word : words) {
    if (word.find('*') != std::string::npos) {
      return Error{ErrorCode::Refused, "scope: \"" + word.substr(0, 64) + "\" holds a wildcard", "scope_wildcard",
                   "name each tool, for instance tool:db.write"};
    }
  }
  return words;
}

Result<std::vector<std::string>> listed_words(const JsonNode& list) {
  return listed_words(texts_of(list));
}

Result<std::vector<std::string>> listed_words(const std::vector<std::string>& given) {
  ASSIGN_OR_RETURN(std::vector<std::string> words, scope_words(given));
  for (const std::string& word : words) {
    if (word.find(',') != std::string::npos) return invalid("scope: a word holds a comma");
  }
  return words;
}

Status check_token_id(const Stamp& stamp) {
  const bool is_hex = std::all_of(stamp.token_id.begin(), stamp.token_id.end(),
                                  [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (stamp.token_id.size() == kTokenIdDigits && is_hex) return ok();
  return invalid("token_id: must be 24 lower-case hex digits");
}

Status normalise_schema_version(Json& token) {
  if (token.text("schema_version").empty()) set_text(token, "schema_version", std::string(kSchemaVersion));
  if (token.text("schema_version") != kSchemaVersion) return invalid("schema_version: must be 1.0.0");
  return ok();
}

Status normalise_names(Json& token, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    ASSIGN_OR_RETURN(std::string text, required_name(token.text(name), name));
    set_text(token, name, std::move(text));
  }
  return ok();
}

Status normalise_digests(Json& token, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (token.find(name) == nullptr) continue;
    const std::string text = lowered(trimmed(token.text(name)));
    if (!Digest::parse(text)) return invalid(std::string(name) + ": must be 64 hex digits");
    set_text(token, name, text);
  }
  return ok();
}

Status normalise_scope(Json& token) {
  Json& scope = *token.find("scope");
  if (!scope.is_array()) return invalid("scope: must name at least one word");
  const std::vector<std::string> words = text_set(texts_of(scope), true);
  if (words.empty()) return invalid("scope: must name at least one word");
  scope = Json::array(words);
  return ok();
}

Status require_times(const Json& token) {
  for (const std::string_view name : {"created_at", "expires_at"}) {
    ASSIGN_OR_RETURN(const UtcTime moment, UtcTime::parse(token.text(name)));
    if (moment.is_zero()) return invalid(std::string(name) + ": is missing");
  }
  return ok();
}

}  // namespace countersign::statement
