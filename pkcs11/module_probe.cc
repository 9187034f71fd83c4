#include "pkcs11/module_probe.h"

#include <algorithm>
#include <array>

#include "common/digest.h"
#include "pkcs11/canary.h"
#include "pkcs11/failure.h"
#include "pkcs11/key_profile.h"
#include "pkcs11/module_measurements.h"
#include "pkcs11/template_fit.h"

namespace countersign::pkcs11 {
namespace {

constexpr int kMostSessions = 64;
constexpr int kMostWrongPins = 15;

// The mechanisms this product may ever use or meet; any other is named by its number.
struct MechanismRow {
  CK_MECHANISM_TYPE type;
  std::string_view name;
};
#define NAMED(type) \
  MechanismRow {    \
    type, #type     \
  }
constexpr MechanismRow kMechanisms[] = {NAMED(CKM_EC_EDWARDS_KEY_PAIR_GEN),
                                        NAMED(CKM_EDDSA),
                                        NAMED(CKM_EC_KEY_PAIR_GEN),
                                        NAMED(CKM_ECDSA),
                                        NAMED(CKM_ECDSA_SHA1),
                                        NAMED(CKM_ECDSA_SHA256),
                                        NAMED(CKM_ECDSA_SHA384),
                                        NAMED(CKM_ECDSA_SHA512),
                                        NAMED(CKM_RSA_PKCS_KEY_PAIR_GEN),
                                        NAMED(CKM_RSA_PKCS),
                                        NAMED(CKM_AES_KEY_GEN),
                                        NAMED(CKM_AES_KEY_WRAP),
                                        NAMED(CKM_AES_KEY_WRAP_PAD),
                                        NAMED(CKM_SHA256),
                                        NAMED(CKM_SHA512)};
#undef NAMED

Result<Json> mechanisms_of(const Session& session) {
  const CK_FUNCTION_LIST& functions = session.functions();
  CK_ULONG count = 0;
  CK_RV value = functions.C_GetMechanismList(session.slot(), nullptr, &count);
  if (value != CKR_OK) return failure("C_GetMechanismList", value);
  std::vector<CK_MECHANISM_TYPE> types(count);
  value = functions.C_GetMechanismList(session.slot(), types.data(), &count);
  if (value != CKR_OK) return failure("C_GetMechanismList", value);
  types.resize(count);
  std::ranges::sort(types);
  Json::Array listed;
  for (const CK_MECHANISM_TYPE type : types) {
    const MechanismRow* row = std::ranges::find(kMechanisms, type, &MechanismRow::type);
    CK_MECHANISM_INFO info{};
    functions.C_GetMechanismInfo(session.slot(), type, &info);
    listed.push_back(Json::object({{"name", row == std::end(kMechanisms) ? "" : std::string(row->name)},
                                   {"number", std::uint64_t{type}},
                                   {"least", std::uint64_t{info.ulMinKeySize}},
                                   {"most", std::uint64_t{info.ulMaxKeySize}},
                                   {"flags", std::uint64_t{info.flags}}}));
  }
  return Json(std::move(listed));
}

// Every half and every wrapping key of a trial that lies on the token.
Result<std::vector<CK_OBJECT_HANDLE>> trial_objects(const Session& session) {
  std::vector<CK_OBJECT_HANDLE> ours;
  for (const CK_OBJECT_CLASS each : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY}) {
    Template wanted;
    wanted.number(CKA_CLASS, each).boolean(CKA_TOKEN, true);
    ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> found, find_objects(session, wanted));
    for (const CK_OBJECT_HANDLE object : found) {
      ASSIGN_OR_RETURN(const Bytes label, read_attribute(session, object, CKA_LABEL));
      if (text_of(label).starts_with(kProbePrefix)) ours.push_back(object);
    }
  }
  return ours;
}

// tpm2-pkcs11 keeps objects that a failed operation touched until its process ends.
Result<Measurement> count_left_behind(const Session& session) {
  ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> left, trial_objects(session));
  return Measurement{"trial_keys_destroyed", left.empty(), false,
                     left.empty() ? "every trial key is destroyed"
                                  : std::to_string(left.size()) + " trial objects stay until the process ends"};
}

// A pair as generation makes it, read back, proven, and destroyed again: what the templates are fitted for.
Measurement try_generation(const std::shared_ptr<Session>& session, KeyKind kind) {
  Measurement measured{"makes_" + std::string(name_of(kind)), false, false, ""};
  const KeySpec spec{kind, random_key_id(), std::string(kProbePrefix) + to_hex(random_bytes(4))};
  const Result<KeyPair> made = generate_key_pair(session, spec);
  if (!made) {
    measured.found = std::string(name_of(kind)) + " keys are not made: " + made.error().detail;
    return measured;
  }
  const Status destroyed = destroy_key_pair(*session, spec.id);
  measured.well = destroyed.has_value();
  measured.found = destroyed ? std::string(name_of(kind)) + " keys are made, read back, sign and are destroyed"
                             : "a trial key cannot be destroyed: " + destroyed.error().detail;
  return measured;
}

// Objects of the token, so its directory is guarded; one copy and one sync for all of them.
Status try_generations(const std::shared_ptr<Session>& session, const TokenPlace& place,
                       const std::vector<KeyKind>& fitted, ModuleProfile& profile) {
  ASSIGN_OR_RETURN(TokenDirectoryGuard guard, TokenDirectoryGuard::lock(place));
  RETURN_IF_ERROR(guard.before_change());
  for (const KeyKind kind : fitted) {
    profile.measurements.push_back(try_generation(session, kind));
    if (profile.measurements.back().well) profile.kinds.push_back(kind);
  }
  return guard.after_change();
}

Measurement count_sessions(const Session& session) {
  std::vector<CK_SESSION_HANDLE> open;
  CK_RV value = CKR_OK;
  while (static_cast<int>(open.size()) < kMostSessions) {
    CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;
    value = session.functions().C_OpenSession(session.slot(), CKF_SERIAL_SESSION, nullptr, nullptr, &handle);
    if (value != CKR_OK) break;
    open.push_back(handle);
  }
  for (const CK_SESSION_HANDLE handle : open) session.functions().C_CloseSession(handle);
  const std::string count = std::to_string(open.size() + 1);
  return {"sessions", open.size() >= 2, false,
          value == CKR_OK ? "at least " + count + " sessions at once"
                          : count + " sessions at once, then " + std::string(failure_of(value).name)};
}

// Last of all but the PIN: afterwards the session is no longer logged in.
Measurement close_all(const Session& session) {
  const CK_FUNCTION_LIST& functions = session.functions();
  functions.C_CloseAllSessions(session.slot());
  CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;
  CK_SESSION_INFO info{};
  const CK_RV opened = functions.C_OpenSession(session.slot(), CKF_SERIAL_SESSION, nullptr, nullptr, &handle);
  if (opened != CKR_OK) return {"last_close_logs_out", false, false, "no session can be opened after the last closed"};
  const CK_RV asked = functions.C_GetSessionInfo(handle, &info);
  functions.C_CloseSession(handle);
  const bool out = asked == CKR_OK && info.state == CKS_RO_PUBLIC_SESSION;
  return {"last_close_logs_out", out, false,
          out ? "closing the last session logs out" : "a new session after the last was closed is still logged in"};
}

Measurement wrong_pins(const Session& session, const TokenPlace& place) {
  Result<TokenDirectoryGuard> guard = TokenDirectoryGuard::lock(place);
  if (!guard || !guard->before_login()) return {"pin_locks", false, false, "the token's directory cannot be guarded"};
  const CK_FUNCTION_LIST& functions = session.functions();
  CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;
  functions.C_OpenSession(session.slot(), CKF_SERIAL_SESSION, nullptr, nullptr, &handle);
  Measurement measured{"pin_locks", false, false, std::to_string(kMostWrongPins) + " wrong PINs do not lock it"};
  for (int attempt = 1; attempt <= kMostWrongPins && !measured.well; ++attempt) {
    std::string wrong = to_hex(random_bytes(4));
    const CK_RV value = functions.C_Login(handle, CKU_USER, reinterpret_cast<CK_UTF8CHAR*>(wrong.data()), wrong.size());
    if (value != CKR_PIN_LOCKED) continue;
    measured.well = true;
    measured.found = "locked at wrong PIN number " + std::to_string(attempt);
  }
  functions.C_CloseSession(handle);
  static_cast<void>(guard->after_login());
  return measured;
}

// A module that departs from the profile, or does not hold to it, is believed and no more.
Trust trust_of(const ModuleProfile& profile) {
  if (profile.kinds.empty()) return Trust::Unusable;
  for (const Measurement& each : profile.measurements) {
    if (each.name == "value_is_secret" && !each.well) return Trust::Unusable;
  }
  const bool all_well =
      std::ranges::all_of(profile.measurements, [](const Measurement& each) { return each.well || !each.counts; });
  return all_well ? Trust::Binding : Trust::Claimed;
}

Measurement told_departures(const Adaptation& adaptation) {
  std::string names;
  const auto name = [&names](CK_ATTRIBUTE_TYPE type) {
    names += (names.empty() ? "" : ", ") + std::string(attribute_name(type));
  };
  for (const Departure& departure : adaptation.departures) {
    if (!departure.holds) name(departure.type);
  }
  for (const CK_ATTRIBUTE_TYPE type : adaptation.unknown_history) name(type);
  return {"whole_profile", names.empty(), true,
          names.empty() ? "the whole attribute profile reads back" : "does not say or keep " + names};
}

}  // namespace

Result<int> remove_trial_keys(const TokenSession& opened) {
  const Session& session = *opened.session();
  // Whole pairs first: under the guard of the token's directory.
  ASSIGN_OR_RETURN(const std::vector<KeyListing> pairs, opened.list_key_pairs(kProbePrefix));
  for (const KeyListing& pair : pairs) RETURN_IF_ERROR(opened.destroy_key_pair(pair.id));
  ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> single, trial_objects(session));
  for (const CK_OBJECT_HANDLE object : single) {
    const CK_RV destroyed = session.functions().C_DestroyObject(session.handle(), object);
    if (destroyed != CKR_OK) return failure("C_DestroyObject", destroyed);
  }
  return static_cast<int>(pairs.size() + single.size());
}

Result<ModuleProfile> measure(const TokenSession& opened, const TokenPlace& place, const ProbeWishes& wishes,
                              UtcTime now) {
  const std::shared_ptr<Session>& session = opened.session();
  session->adapt({});
  ModuleProfile profile;
  profile.module = place.module;
  ASSIGN_OR_RETURN(profile.library, library_digest(place.module));
  profile.description = opened.module_description();
  profile.token = opened.token();
  profile.measured_at = now.whole_seconds().rfc3339();
  ASSIGN_OR_RETURN(profile.mechanisms, mechanisms_of(*session));
  ASSIGN_OR_RETURN(const int leftovers, remove_trial_keys(opened));
  if (leftovers > 0) {
    profile.measurements.push_back(
        {"leftovers", true, false, std::to_string(leftovers) + " keys of an interrupted probe were destroyed"});
  }
  std::vector<KeyKind> fitted;
  for (const KeyKind kind : {KeyKind::Ed25519, KeyKind::P256}) {
    const Result<Adaptation> adaptation = fitted_adaptation(session, kind);
    if (!adaptation) {
      profile.measurements.push_back({"makes_" + std::string(name_of(kind)), false, false,
                                      std::string(name_of(kind)) + " keys are not made: " + adaptation.error().detail});
      continue;
    }
    profile.adaptation = merged(std::move(profile.adaptation), *adaptation);
    fitted.push_back(kind);
  }
  session->adapt(profile.adaptation);
  RETURN_IF_ERROR(try_generations(session, place, fitted, profile));
  if (!profile.kinds.empty()) {
    profile.measurements.push_back(told_departures(profile.adaptation));
    for (Measurement& each : attribute_measurements(session, profile.kinds.front(), profile.adaptation)) {
      profile.measurements.push_back(std::move(each));
    }
  }
  ASSIGN_OR_RETURN(Measurement left_behind, count_left_behind(*session));
  profile.measurements.push_back(std::move(left_behind));
  profile.measurements.push_back(count_sessions(*session));
  profile.measurements.push_back(close_all(*session));
  profile.measurements.push_back(wishes.pin_lockout
                                     ? wrong_pins(*session, place)
                                     : Measurement{"pin_locks", false, false, "not tried: it would lock the token"});
  profile.trust = trust_of(profile);
  return profile;
}

}  // namespace countersign::pkcs11
