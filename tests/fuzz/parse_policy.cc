// A policy that is read means the same in gait's layout; one that is not is refused in words.
#include <cstdlib>

#include "gate/policy/policy.h"
#include "gate/policy/policy_format.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace countersign;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto policy = gate::Policy::parse(text);
  if (!policy) {
    if (policy.error().detail.empty()) std::abort();
    if (policy.error().reason == "legacy_policy") (void)gate::legacy_policy_migration(text);
    return 0;
  }
  const auto formatted = gate::formatted_policy(text);
  if (!formatted) std::abort();
  const auto again = gate::Policy::parse(*formatted);
  if (!again || again->policy_digest() != policy->policy_digest()) std::abort();
  return 0;
}
