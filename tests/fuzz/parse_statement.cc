// What Statement::parse accepts can be rebuilt, and the same fields give the same bytes.
#include <cstdlib>

#include "signer/statement/approval_proof.h"
#include "signer/statement/statement.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace countersign;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)statement::verify_ssh_signature(text, "m", statement::kApprovalNamespace, "ssh-ed25519 AAAA");
  (void)statement::ssh_fingerprint(text);
  const auto json = Json::parse(text);
  if (!json) return 0;
  (void)statement::ApprovalProof::parse(*json);
  const statement::Stamp stamp{UtcTime::from_unix(1'800'000'000), 1, "0123456789abcdef01234567"};
  for (const auto type : {statement::StatementType::Trace, statement::StatementType::ApprovalToken,
                          statement::StatementType::ApprovalAudit, statement::StatementType::EvidencePack}) {
    (void)statement::gait_signed_digest(type, *json);
    (void)statement::VerifiedDocument::verify(type, *json, keymgmt::KeySet());
    const auto parsed = statement::Statement::parse(type, *json);
    if (!parsed) continue;
    const auto once = parsed->rebuild(stamp);
    const auto twice = parsed->rebuild(stamp);
    if (once.has_value() != twice.has_value()) std::abort();
    if (once && once->signed_digest() != twice->signed_digest()) std::abort();
    if (once && *statement::gait_signed_digest(type, once->document().root().json()) != once->signed_digest())
      std::abort();
  }
  return 0;
}
