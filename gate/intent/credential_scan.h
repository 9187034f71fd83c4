// Refuses credentials that stand in an intent instead of a reference to them (reference: gait-formats §5.2.4).
#pragma once

#include <string>
#include <string_view>

#include "common/json.h"
#include "common/result.h"

namespace countersign::gate {

// Whether the text looks like a secret itself rather than a reference or a digest.
bool is_credential_material(std::string_view text);

// `name` is how errors call the map ("args"). Fails with Invalid naming the member, never its value.
Status refuse_credentials(const Json& map, const std::string& name);

}  // namespace countersign::gate
