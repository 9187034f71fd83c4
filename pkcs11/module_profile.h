// What a module was measured to do (module_probe.h), and how far it may be trusted for that. Key generation and the
// start of a holder ask for it: a token without one, one of another library, or one that is trusted less than the
// configuration demands is refused.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "pkcs11/adaptation.h"
#include "pkcs11/key_pair.h"
#include "pkcs11/token.h"

namespace countersign::pkcs11 {

// From less to more.
enum class Trust {
  Unusable,  // it makes no key that signs, or one that can be read
  Claimed,   // the attributes say so, the module does not hold to them: a thief of the PIN may take the key along
  Binding,   // what attributes say the module was seen to hold to
};
std::string_view name_of(Trust trust);  // "unusable", "claimed", "binding"
std::optional<Trust> trust_named(std::string_view name);

// One thing that was tried. `counts`: where it is not well, the module is not trusted beyond "claimed".
struct Measurement {
  std::string name;     // "sensitive_is_one_way"
  bool well = false;    // as a module should do
  bool counts = false;  // for trust
  std::string found;    // one sentence
};

struct ModuleProfile {
  std::string module;       // path
  std::string library;      // hex SHA-256 of that file
  std::string description;  // "SoftHSM 2.6"
  TokenInfo token;          // as it was when it was measured; its serial number is what a holder compares
  std::string measured_at;  // RFC 3339
  Json mechanisms;          // [{"name","number","least","most","flags"}]
  std::vector<KeyKind> kinds;
  Adaptation adaptation;
  std::vector<Measurement> measurements;
  std::string attestation = "none";
  Trust trust = Trust::Unusable;

  // With "digest": hex SHA-256 of the canonical form of all else. Strict the other way.
  Json to_json() const;
  static Result<ModuleProfile> from_json(const Json& json);
};

// Reasons of what is refused here.
inline constexpr std::string_view kProfileMissing = "profile_missing";
inline constexpr std::string_view kProfileOld = "profile_old";    // of another library, or of another token
inline constexpr std::string_view kProfileWeak = "profile_weak";  // trusted less than demanded

// Hex SHA-256 of a library's file. Fails as read_file does.
Result<std::string> library_digest(const std::string& module);

// The profile in `text` where it is one of the library that lies at `module` now and trusted as far as `demanded`.
// Empty text: there is none. Fails with Refused and one of the reasons above, each with what to do.
Result<ModuleProfile> accepted_profile(std::string_view text, const std::string& module, Trust demanded);
// Refused (profile_old) where the token is not the one that was measured.
Status check_token(const ModuleProfile& profile, const TokenInfo& token);

}  // namespace countersign::pkcs11
