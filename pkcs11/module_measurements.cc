#include "pkcs11/module_measurements.h"

#include <array>

#include "pkcs11/failure.h"
#include "pkcs11/key_profile.h"
#include "pkcs11/module_probe.h"
#include "pkcs11/signing.h"
#include "pkcs11/trial_key.h"

namespace countersign::pkcs11 {
namespace {

struct Trial {
  const std::shared_ptr<Session>& session;
  KeyKind kind;
  const Adaptation& adaptation;

  Result<TrialKey> key(const TrialWishes& wishes = {}) const {
    return TrialKey::make(session, kind, adaptation, wishes);
  }
};

// What a trial found: well or not, and in which words.
struct Found {
  bool well;
  std::string words;
};

Found unmade(const Error& error) {
  return {false, "the trial key is not made: " + error.detail};
}

std::string value_name(CK_RV value) {
  return std::string(failure_of(value).name);
}

Found value_is_secret(const Trial& trial) {
  const Result<TrialKey> key = trial.key();
  if (!key) return unmade(key.error());
  const bool readable = read_attribute(*trial.session, key->private_key(), CKA_VALUE).has_value();
  return {!readable, readable ? "CKA_VALUE of a private key can be read" : "CKA_VALUE cannot be read"};
}

Found one_way(const Trial& trial, CK_ATTRIBUTE_TYPE type, bool value) {
  const Result<TrialKey> key = trial.key({.private_flags = {{CKA_MODIFIABLE, true}}});
  if (!key) return unmade(key.error());
  const std::string name(attribute_name(type));
  return key->keeps(type, value) ? Found{true, name + " cannot be weakened"} : Found{false, name + " can be weakened"};
}

Found sensitive_is_one_way(const Trial& trial) {
  return one_way(trial, CKA_SENSITIVE, true);
}

Found extractable_is_one_way(const Trial& trial) {
  return one_way(trial, CKA_EXTRACTABLE, false);
}

Found not_modifiable(const Trial& trial) {
  const Result<TrialKey> key = trial.key();
  if (!key) return unmade(key.error());
  // SIGN, which a module would otherwise let change either way.
  return key->keeps(CKA_SIGN, true) ? Found{true, "CKA_MODIFIABLE=false is kept to"}
                                    : Found{false, "CKA_MODIFIABLE=false is not kept to"};
}

Found not_copyable(const Trial& trial) {
  const Result<TrialKey> key = trial.key();
  if (!key) return unmade(key.error());
  const CK_FUNCTION_LIST& functions = trial.session->functions();
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  Template label;
  label.text(CKA_LABEL, "countersign-probe-copy");
  const CK_RV value =
      functions.C_CopyObject(trial.session->handle(), key->private_key(), label.data(), label.size(), &copy);
  if (value != CKR_OK) return {true, "a private key is not copied (" + value_name(value) + ")"};
  functions.C_DestroyObject(trial.session->handle(), copy);
  return {false, "a private key can be copied although CKA_COPYABLE is false"};
}

Found not_wrapped(const Trial& trial) {
  const Result<TrialKey> key = trial.key();
  if (!key) return unmade(key.error());
  const CK_FUNCTION_LIST& functions = trial.session->functions();
  CK_MECHANISM generation{CKM_AES_KEY_GEN, nullptr, 0};
  Template wanted;
  wanted.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES).number(CKA_VALUE_LEN, 32);
  wanted.boolean(CKA_TOKEN, !trial.adaptation.session_keys).boolean(CKA_WRAP, true);
  wanted.text(CKA_LABEL, std::string(kProbePrefix) + "wrapping");
  CK_OBJECT_HANDLE wrapping = CK_INVALID_HANDLE;
  const CK_RV made =
      functions.C_GenerateKey(trial.session->handle(), &generation, wanted.data(), wanted.size(), &wrapping);
  if (made != CKR_OK) return {true, "there is no key to wrap with (" + value_name(made) + ")"};
  Found found{true, "a private key is not wrapped"};
  for (const CK_MECHANISM_TYPE type : {CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP}) {
    CK_MECHANISM mechanism{type, nullptr, 0};
    std::array<std::uint8_t, 1024> out{};
    CK_ULONG size = out.size();
    const CK_RV value =
        functions.C_WrapKey(trial.session->handle(), &mechanism, wrapping, key->private_key(), out.data(), &size);
    if (found.well) found.words = "a private key is not wrapped (" + value_name(value) + ")";
    if (value == CKR_OK) found = {false, "a private key can be wrapped although CKA_EXTRACTABLE is false"};
  }
  functions.C_DestroyObject(trial.session->handle(), wrapping);
  return found;
}

// A key that was weak at birth must say so for ever.
Found weak_birth_is_told(const Trial& trial) {
  const Result<TrialKey> key = trial.key({.private_flags = {{CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}}});
  if (!key) return {true, "a key that could be read is not made at all"};
  const Result<bool> always = read_bool(*trial.session, key->private_key(), CKA_ALWAYS_SENSITIVE);
  const Result<bool> never = read_bool(*trial.session, key->private_key(), CKA_NEVER_EXTRACTABLE);
  const bool told = always && never && !*always && !*never;
  return {told, told ? "a key that was weak at birth says so" : "a key that was weak at birth claims it never was"};
}

Found import_is_told(const Trial& trial) {
  const Result<TrialKey> key = TrialKey::import(trial.session);
  if (!key) return {true, "a key from outside is not taken"};
  const Result<bool> local = read_bool(*trial.session, key->private_key(), CKA_LOCAL);
  const Result<bool> never = read_bool(*trial.session, key->private_key(), CKA_NEVER_EXTRACTABLE);
  const bool told = local && !*local && (!never || !*never);
  if (told) return {true, "a key from outside says so"};
  return {false, local && !*local ? "a key from outside claims that it was never extractable; only CKA_LOCAL tells"
                                  : "a key from outside claims to be made in the token"};
}

Found one_mechanism(const Trial& trial) {
  const Result<TrialKey> key = trial.key({.allowed = CKM_RSA_PKCS});
  if (!key) return {false, "CKA_ALLOWED_MECHANISMS is not taken: " + key.error().detail};
  const CK_RV value = key->sign(row_of(trial.kind).signing);
  return {value != CKR_OK, value == CKR_OK ? "CKA_ALLOWED_MECHANISMS is not kept to"
                                           : "CKA_ALLOWED_MECHANISMS is kept to (" + value_name(value) + ")"};
}

Found not_destroyable(const Trial& trial) {
  if (!trial.adaptation.session_keys) return {false, "not tried: a key that cannot be destroyed would stay"};
  const Result<TrialKey> key = trial.key({.private_flags = {{CKA_DESTROYABLE, false}}});
  if (!key) return {false, "CKA_DESTROYABLE is not taken: " + key.error().detail};
  const CK_FUNCTION_LIST& functions = trial.session->functions();
  const CK_RV value = functions.C_DestroyObject(trial.session->handle(), key->private_key());
  return {value != CKR_OK,
          value == CKR_OK ? "CKA_DESTROYABLE=false is not kept to" : "CKA_DESTROYABLE=false is kept to"};
}

Found dates(const Trial& trial) {
  const Result<TrialKey> key = trial.key({.past_dates = true});
  if (!key) return {false, "dates are not taken: " + key.error().detail};
  const bool readable = read_attribute(*trial.session, key->private_key(), CKA_END_DATE).has_value();
  const bool enforced = key->sign(row_of(trial.kind).signing) != CKR_OK;
  return {readable && enforced, std::string("dates are ") + (readable ? "readable" : "unreadable") + " and " +
                                    (enforced ? "kept to" : "not kept to")};
}

Found authentication(const Trial& trial) {
  const Result<TrialKey> key = trial.key({.private_flags = {{CKA_ALWAYS_AUTHENTICATE, true}}});
  if (!key) return {false, "CKA_ALWAYS_AUTHENTICATE is not taken: " + key.error().detail};
  const CK_RV value = key->sign(row_of(trial.kind).signing);
  return {value != CKR_OK,
          value == CKR_OK ? "CKA_ALWAYS_AUTHENTICATE is not kept to" : "CKA_ALWAYS_AUTHENTICATE is kept to"};
}

Found defaults(const Trial& trial) {
  const Result<TrialKey> key = trial.key();
  if (!key) return unmade(key.error());
  const Result<Bytes> point = read_attribute(*trial.session, key->public_key(), CKA_EC_POINT);
  const Result<Bytes> params = read_attribute(*trial.session, key->public_key(), CKA_EC_PARAMS);
  const bool usual = point && params && public_key_in(*point, trial.kind) && kind_with_params(*params);
  return {usual, "CKA_EC_PARAMS " + (params ? to_hex(*params) : std::string("unreadable")) + ", CKA_EC_POINT of " +
                     (point ? std::to_string(point->size()) : std::string("0")) + " bytes"};
}

// Whether a failed operation leaves the session usable.
Found failure_ends_operation(const Trial& trial) {
  const Result<TrialKey> key = trial.key();
  if (!key) return unmade(key.error());
  CK_MECHANISM wrong{CKM_SHA256, nullptr, 0};
  begin_signing(*trial.session, wrong, key->private_key());
  CK_MECHANISM right{row_of(trial.kind).signing, nullptr, 0};
  const CK_RV value = begin_signing(*trial.session, right, key->private_key());
  static_cast<void>(trial.session->renew());
  return {value == CKR_OK, value == CKR_OK ? "a refused operation leaves the session usable"
                                           : "a refused operation leaves the session " + value_name(value)};
}

struct Row {
  std::string_view name;
  bool counts;  // for trust
  Found (*measure)(const Trial& trial);
};

constexpr Row kRows[] = {
    {"value_is_secret", true, value_is_secret},
    {"sensitive_is_one_way", true, sensitive_is_one_way},
    {"extractable_is_one_way", true, extractable_is_one_way},
    {"not_modifiable", true, not_modifiable},
    {"not_copyable", true, not_copyable},
    {"not_wrapped", true, not_wrapped},
    {"weak_birth_is_told", true, weak_birth_is_told},
    {"import_is_told", true, import_is_told},
    {"one_mechanism", true, one_mechanism},
    {"not_destroyable", false, not_destroyable},
    {"dates", false, dates},
    {"always_authenticate", false, authentication},
    {"usual_encodings", false, defaults},
    {"failure_ends_operation", false, failure_ends_operation},
};

}  // namespace

std::vector<Measurement> attribute_measurements(const std::shared_ptr<Session>& session, KeyKind kind,
                                                const Adaptation& adaptation) {
  std::vector<Measurement> measured;
  const Trial trial{session, kind, adaptation};
  for (const Row& row : kRows) {
    Found found = row.measure(trial);
    measured.push_back({std::string(row.name), found.well, row.counts, std::move(found.words)});
  }
  return measured;
}

}  // namespace countersign::pkcs11
