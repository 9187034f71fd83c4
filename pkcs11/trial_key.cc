#include "pkcs11/trial_key.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "common/digest.h"
#include "pkcs11/failure.h"
#include "pkcs11/key_profile.h"
#include "pkcs11/module_probe.h"
#include "pkcs11/signing.h"

namespace countersign::pkcs11 {
namespace {

constexpr CK_DATE kLongAgo = {{'2', '0', '0', '0'}, {'0', '1'}, {'0', '1'}};

ByteView bytes_of(const CK_DATE& date) {
  return {reinterpret_cast<const std::uint8_t*>(&date), sizeof date};
}

// What both halves have: where they live, and how the next probe finds what this one left.
void add_place(Template& wanted, const Adaptation& adaptation, ByteView id) {
  wanted.boolean(CKA_TOKEN, !adaptation.session_keys).text(CKA_LABEL, std::string(kProbePrefix) + "trial");
  if (!adaptation.session_keys) wanted.bytes(CKA_ID, id);
}

Template private_half(KeyKind kind, const Adaptation& adaptation, const TrialWishes& wishes, ByteView id) {
  const KindRow& row = row_of(kind);
  Template wanted;
  wanted.number(CKA_CLASS, CKO_PRIVATE_KEY).number(CKA_KEY_TYPE, row.key_type);
  add_place(wanted, adaptation, id);
  for (const ProfileAttribute& attribute : profile_attributes()) {
    const auto wish =
        std::ranges::find_if(wishes.private_flags, [&](const auto& flag) { return flag.type == attribute.type; });
    const bool wished = attribute.private_half && wish != wishes.private_flags.end();
    if (!attribute.private_half || !attribute.at_generation || attribute.type == CKA_TOKEN) continue;
    if (attribute.type == CKA_ALLOWED_MECHANISMS) continue;
    if (!wished && adaptation.find(true, attribute.type) != nullptr) continue;
    wanted.boolean(attribute.type, wished ? wish->value : attribute.value);
  }
  if (wishes.allowed != CK_UNAVAILABLE_INFORMATION) {
    wanted.number(CKA_ALLOWED_MECHANISMS, wishes.allowed);
  } else if (adaptation.find(true, CKA_ALLOWED_MECHANISMS) == nullptr) {
    wanted.number(CKA_ALLOWED_MECHANISMS, row.signing);
  }
  if (wishes.past_dates) {
    wanted.bytes(CKA_START_DATE, bytes_of(kLongAgo)).bytes(CKA_END_DATE, bytes_of(kLongAgo));
  }
  return wanted;
}

Template public_half(KeyKind kind, const Adaptation& adaptation, ByteView id) {
  const KindRow& row = row_of(kind);
  Template wanted;
  wanted.number(CKA_CLASS, CKO_PUBLIC_KEY).number(CKA_KEY_TYPE, row.key_type).bytes(CKA_EC_PARAMS, row.params);
  add_place(wanted, adaptation, id);
  for (const ProfileAttribute& attribute : profile_attributes()) {
    if (attribute.private_half || !attribute.at_generation || attribute.type == CKA_TOKEN) continue;
    if (adaptation.find(false, attribute.type) != nullptr) continue;
    wanted.boolean(attribute.type, attribute.value);
  }
  return wanted;
}

}  // namespace

Result<TrialKey> TrialKey::make(const std::shared_ptr<Session>& session, KeyKind kind, const Adaptation& adaptation,
                                const TrialWishes& wishes) {
  CK_MECHANISM mechanism{row_of(kind).generation, nullptr, 0};
  const KeyId id = random_key_id();
  Template public_wanted = public_half(kind, adaptation, id);
  Template private_wanted = private_half(kind, adaptation, wishes, id);
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
  const CK_RV made =
      session->functions().C_GenerateKeyPair(session->handle(), &mechanism, public_wanted.data(), public_wanted.size(),
                                             private_wanted.data(), private_wanted.size(), &public_key, &private_key);
  if (made == CKR_OK) return TrialKey(session, private_key, public_key);
  // tpm2-pkcs11 leaves the session unusable after a refused generation.
  if (const Status renewed = session->renew(); !renewed) return renewed.error();
  return failure("C_GenerateKeyPair", made);
}

Result<TrialKey> TrialKey::import(const std::shared_ptr<Session>& session) {
  const KindRow& row = row_of(KeyKind::P256);
  Bytes scalar = random_bytes(32);
  scalar[0] &= 0x7f;  // below the group's order
  Template wanted;
  wanted.number(CKA_CLASS, CKO_PRIVATE_KEY).number(CKA_KEY_TYPE, row.key_type).bytes(CKA_EC_PARAMS, row.params);
  wanted.bytes(CKA_VALUE, scalar).boolean(CKA_TOKEN, false).boolean(CKA_PRIVATE, true).boolean(CKA_SIGN, true);
  wanted.boolean(CKA_SENSITIVE, true).boolean(CKA_EXTRACTABLE, false);
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  const CK_RV made = session->functions().C_CreateObject(session->handle(), wanted.data(), wanted.size(), &object);
  if (made == CKR_OK) return TrialKey(session, object, CK_INVALID_HANDLE);
  if (const Status renewed = session->renew(); !renewed) return renewed.error();
  return failure("C_CreateObject", made);
}

TrialKey::~TrialKey() {
  if (session_ == nullptr) return;
  // The private half last: by it the next probe finds what an interruption left.
  for (const CK_OBJECT_HANDLE object : {public_key_, private_key_}) {
    if (object != CK_INVALID_HANDLE) session_->functions().C_DestroyObject(session_->handle(), object);
  }
}

bool TrialKey::keeps(CK_ATTRIBUTE_TYPE type, bool value) const {
  CK_BBOOL other = value ? CK_FALSE : CK_TRUE;
  CK_ATTRIBUTE change{type, &other, sizeof other};
  const CK_RV set = session_->functions().C_SetAttributeValue(session_->handle(), private_key_, &change, 1);
  const Result<bool> read = read_bool(*session_, private_key_, type);
  return set != CKR_OK && read && *read == value;
}

CK_RV TrialKey::sign(CK_MECHANISM_TYPE which) const {
  CK_MECHANISM mechanism{which, nullptr, 0};
  CK_RV value = begin_signing(*session_, mechanism, private_key_);
  if (value != CKR_OK) return value;
  std::array<std::uint8_t, 32> data{};
  std::array<std::uint8_t, 512> signature{};
  CK_ULONG size = signature.size();
  value = session_->functions().C_Sign(session_->handle(), data.data(), data.size(), signature.data(), &size);
  if (value == CKR_OK) return value;
  static_cast<void>(session_->renew());
  return value;
}

}  // namespace countersign::pkcs11
