// A context envelope, and every state file of the gate, is read or refused in words.
#include <cstdlib>

#include "gate/context/context_envelope.h"
#include "gate/context/inventory.h"
#include "gate/evidence/approved_script.h"
#include "gate/evidence/credential.h"
#include "gate/state/kill_switch.h"
#include "gate/state/rate_limit.h"

namespace {

template <typename T>
void in_words(const countersign::Result<T>& result) {
  if (!result && result.error().detail.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace countersign;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto envelope = gate::ContextEnvelope::parse(text);
  in_words(envelope);
  if (envelope && envelope->age_seconds(UtcTime::from_unix(1'800'000'000)) < 0) std::abort();
  if (envelope && envelope->set_digest().size() != 64) std::abort();
  in_words(gate::KillSwitch::parse(text));
  in_words(gate::RateState::parse(text));
  in_words(gate::ToolInventory::parse(text, "inventory"));
  in_words(gate::CredentialReceipt::parse(text));
  if (const auto entry = Json::parse(text, Json::Limits{.gait = true})) in_words(gate::ApprovedScript::parse(*entry));
  return 0;
}
