// Statements signed by a key in memory, for judging. Test-only.
#pragma once

#include <string>

#include "signer/statement/statement.h"
#include "tests/support/software_key.h"

namespace countersign::test {

inline Json signed_statement(statement::StatementType type, Json fields, const SoftwareKey& key, UtcTime now,
                             const std::string& token_id = "00112233445566778899aabb") {
  const auto parsed = statement::Statement::parse(type, std::move(fields));
  if (!parsed) std::abort();
  auto document = parsed->rebuild({.now = now, .sequence = 1, .token_id = token_id});
  const Bytes signature = key.sign(document->signed_digest().bytes());
  const auto sealed = std::move(*document).seal(key.public_key(), signature);
  return sealed->root().json();
}

inline keymgmt::PublishedKey published(const SoftwareKey& key, keymgmt::Role role) {
  return {.key = key.public_key(), .role = role, .state = keymgmt::KeyState::Active};
}

}  // namespace countersign::test
