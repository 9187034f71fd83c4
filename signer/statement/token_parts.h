// What the tokens people mint have in common: names, scope words, times, ids, and gait's normal form of each.
#pragma once

#include <chrono>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "signer/statement/trace_fields.h"

namespace countersign::statement {

// `given`, the member `name`, trimmed. Fails with Invalid where nothing is left.
Result<std::string> required_name(std::string_view given, std::string_view name);

// `ttl_seconds`: positive, and at most ten years. Fails with Invalid.
Result<std::chrono::nanoseconds> read_ttl(const JsonNode& object);

// The words as a set in lower case, none with a wildcard (Refused, "scope_wildcard").
Result<std::vector<std::string>> scope_words(const std::vector<std::string>& given);
Result<std::vector<std::string>> scope_words(const JsonNode& list);
// The same, none with a comma (Invalid): words of which gait makes one text joined by commas. The name of a tool may
// have one, so an approval's scope may too.
Result<std::vector<std::string>> listed_words(const std::vector<std::string>& given);
Result<std::vector<std::string>> listed_words(const JsonNode& list);

// Fails with Invalid unless the stamp's token id is 24 lower-case hex digits.
Status check_token_id(const Stamp& stamp);

// gait's normal form, in place (gait-formats §9.3, step 1). Each fails with Invalid where gait would call the token
// invalid.
Status normalise_schema_version(Json& token);
Status normalise_names(Json& token, std::initializer_list<std::string_view> names);
Status normalise_digests(Json& token, std::initializer_list<std::string_view> names);  // those that are there
Status normalise_scope(Json& token);
Status require_times(const Json& token);  // created_at, expires_at

}  // namespace countersign::statement
