// What whoever runs a gate decides for all who ask it: of `gate eval` that is its caller, of `gate serve` its operator.
#pragma once

#include <span>
#include <vector>

#include "command/decision/attestation.h"
#include "command/decision/credential_broker.h"
#include "command/decision/script_registry.h"
#include "command/line/arguments.h"

namespace countersign::command {

inline constexpr Flag kSettingFlags[] = {
    {"profile", Flag::Kind::Text, "NAME", "standard (default) or oss-prod"},
    {"kill-switch-state", Flag::Kind::Text, "FILE", "who is stopped; read for every evaluation"},
    {"wrkr-inventory", Flag::Kind::Text, "FILE", "what is known of tools: rules may ask for it"},
    {"context-evidence", Flag::Kind::Text, "KIND", "envelope (default), or intent: the intent's own claims count"},
    {"exact-args", Flag::Kind::Switch, "", "outer white space of arguments is bound, not refused"},
    kAttestedByFlag,
    kRegistryFlag,
    {"rate-limit-state", Flag::Kind::Text, "FILE", "where limits are counted (.gait-out/gate_rate_limits.json)"},
};

// Those, and the choice of a credential broker.
inline std::span<const Flag> setting_flags() {
  static const std::vector<Flag> flags = [] {
    std::vector<Flag> out(std::begin(kSettingFlags), std::end(kSettingFlags));
    for (const Flag& flag : kCredentialFlags) {
      if (!flag.name.ends_with("-out")) out.push_back(flag);
    }
    return out;
  }();
  return flags;
}

// The flags of a command that has all of those beside its own.
inline std::vector<Flag> with_settings(std::span<const Flag> own) {
  std::vector<Flag> out(own.begin(), own.end());
  out.insert(out.end(), setting_flags().begin(), setting_flags().end());
  return out;
}

}  // namespace countersign::command
