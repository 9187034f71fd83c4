// What a key is for. One key never serves two roles.
#pragma once

#include <optional>
#include <string_view>

namespace countersign::keymgmt {

enum class Role { Approval, Trace, Release, Log, Publication };
inline constexpr Role kRoles[] = {Role::Approval, Role::Trace, Role::Release, Role::Log, Role::Publication};

// "approval", "trace", … as in the configuration, the API and the key set.
std::string_view name_of(Role role);
std::optional<Role> role_named(std::string_view name);

// Ed25519: RFC 8032, pure. P256: ECDSA over NIST P-256 with SHA-256 (FIPS 186-5).
enum class Algorithm { Ed25519, P256 };
inline constexpr Algorithm kAlgorithms[] = {Algorithm::Ed25519, Algorithm::P256};

std::string_view name_of(Algorithm algorithm);  // "ed25519", "p256"
std::optional<Algorithm> algorithm_named(std::string_view name);

}  // namespace countersign::keymgmt
