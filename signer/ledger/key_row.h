// A published key as the ledger keeps it: the body of its record of kind "key".
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "keymgmt/key_set.h"

namespace countersign::ledger {

// `reason`: why it changed, in a person's words; left out where empty.
std::string key_body(const keymgmt::PublishedKey& key, std::string_view reason = "");
// Fails with Invalid on anything that key_body does not make.
Result<keymgmt::PublishedKey> key_of(std::string_view body);

}  // namespace countersign::ledger
