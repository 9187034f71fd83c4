#include "keymgmt/role.h"

#include <cstdlib>

namespace countersign::keymgmt {
namespace {

struct RoleRow {
  Role role;
  std::string_view name;
};
constexpr RoleRow kRoleNames[] = {
    {Role::Approval, "approval"},       {Role::Trace, "trace"}, {Role::Release, "release"}, {Role::Log, "log"},
    {Role::Publication, "publication"},
};

struct AlgorithmRow {
  Algorithm algorithm;
  std::string_view name;
};
constexpr AlgorithmRow kAlgorithmNames[] = {
    {Algorithm::Ed25519, "ed25519"},
    {Algorithm::P256, "p256"},
};

}  // namespace

std::string_view name_of(Role role) {
  for (const RoleRow& row : kRoleNames) {
    if (row.role == role) return row.name;
  }
  std::abort();
}

std::optional<Role> role_named(std::string_view name) {
  for (const RoleRow& row : kRoleNames) {
    if (row.name == name) return row.role;
  }
  return std::nullopt;
}

std::string_view name_of(Algorithm algorithm) {
  for (const AlgorithmRow& row : kAlgorithmNames) {
    if (row.algorithm == algorithm) return row.name;
  }
  std::abort();
}

std::optional<Algorithm> algorithm_named(std::string_view name) {
  for (const AlgorithmRow& row : kAlgorithmNames) {
    if (row.name == name) return row.algorithm;
  }
  return std::nullopt;
}

}  // namespace countersign::keymgmt
