// Go's omitempty, which gait's documents and answers follow: a member that is empty, zero or false is left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"

namespace countersign::gate {

void put(Json& object, std::string_view name, std::string_view text);
void put(Json& object, std::string_view name, const std::vector<std::string>& texts);
void put(Json& object, std::string_view name, std::int64_t number);
void put_flag(Json& object, std::string_view name, bool flag);
void put_member(Json& object, std::string_view name, const std::optional<Json>& value);  // left out where null, too

// The texts of a list, for documents that nobody vouches for; empty where there is none.
std::vector<std::string> texts_of(const Json* list);

}  // namespace countersign::gate
