// Whatever is presented as a trace: nothing verifies where no key is published, and what is hashed can be read again.
#include <cstdlib>

#include "signer/statement/statement.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace countersign;
  const auto trace =
      Json::parse(std::string_view(reinterpret_cast<const char*>(data), size), Json::Limits{.gait = true});
  if (!trace) return 0;
  using statement::StatementType;
  for (const StatementType type : {StatementType::Trace, StatementType::ApprovalAudit, StatementType::DelegationAudit,
                                   StatementType::CredentialEvidence}) {
    if (statement::VerifiedDocument::verify(type, *trace, keymgmt::KeySet())) std::abort();
    const auto digest = statement::gait_signed_digest(type, *trace);
    const auto again = Json::parse(trace->gait_file(), Json::Limits{.gait = true});
    if (!again) std::abort();
    const auto same = statement::gait_signed_digest(type, *again);
    if (digest.has_value() != same.has_value() || (digest && *digest != *same)) std::abort();
  }
  return 0;
}
