// An intent that is read is its own normal form; one that is not is refused with gait's prefix and a reason in words.
#include <cstdlib>

#include "gate/intent/intent.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace countersign;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto bound = gate::Intent::parse(text);
  const auto lenient = gate::Intent::parse(text, gate::ArgsReading::AsGait);
  if (bound && !lenient) std::abort();
  if (!bound) {
    const std::string& detail = bound.error().detail;
    const bool named = detail.starts_with("parse intent json: ") || detail.starts_with("normalize intent: ");
    if (bound.error().code == ErrorCode::Invalid && !named) std::abort();
  }
  if (!lenient) return 0;
  if (bound && bound->intent_digest() != lenient->intent_digest()) std::abort();
  const auto again = gate::Intent::parse(lenient->digest_form(), gate::ArgsReading::AsGait);
  if (!again || again->intent_digest() != lenient->intent_digest()) std::abort();
  (void)lenient->argv();
  (void)lenient->targets_digest();
  if (lenient->is_script()) (void)lenient->step(0).intent_digest();
  return 0;
}
