#include "pkcs11/key_profile.h"

#include <algorithm>
#include <cstring>

#include "pkcs11/failure.h"

namespace countersign::pkcs11 {
namespace {

constexpr std::uint8_t kEd25519Oid[] = {0x06, 0x03, 0x2b, 0x65, 0x70};                             // RFC 8410
constexpr std::uint8_t kP256Oid[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};  // RFC 5480
constexpr std::uint8_t kUncompressed = 0x04;                                                       // SEC 1 §2.3.3

constexpr KindRow kKinds[] = {
    {KeyKind::Ed25519, "ed25519", CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA, kEd25519Oid, 32},
    {KeyKind::P256, "p256", CKK_EC, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, kP256Oid, 65},
};

struct BooleanRule {
  CK_ATTRIBUTE_TYPE type;
  bool value;
  enum class Asked { AtGeneration, ByTheToken } asked;  // the token alone sets the history of a key
  std::string_view reason;
  bool needed = false;  // of every module
};
using Asked = BooleanRule::Asked;

constexpr BooleanRule kPrivateRules[] = {
    {CKA_TOKEN, true, Asked::AtGeneration, "it must survive the session", true},
    {CKA_PRIVATE, true, Asked::AtGeneration, "nobody may use it without the PIN", true},
    {CKA_SENSITIVE, true, Asked::AtGeneration, "it must not be readable", true},
    {CKA_EXTRACTABLE, false, Asked::AtGeneration, "it must not leave the token wrapped either", true},
    {CKA_SIGN, true, Asked::AtGeneration, "it signs", true},
    {CKA_DECRYPT, false, Asked::AtGeneration, "it does nothing but sign; SoftHSM's default is true"},
    {CKA_SIGN_RECOVER, false, Asked::AtGeneration, "it does nothing but sign; SoftHSM's default is true"},
    {CKA_UNWRAP, false, Asked::AtGeneration, "it does nothing but sign; SoftHSM's default is true"},
    {CKA_DERIVE, false, Asked::AtGeneration, "it does nothing but sign"},
    {CKA_MODIFIABLE, false, Asked::AtGeneration, "none of this may change later"},
    {CKA_COPYABLE, false, Asked::AtGeneration, "a copy could have weaker attributes"},
    {CKA_DESTROYABLE, true, Asked::AtGeneration, "retirement must be able to destroy it"},
    {CKA_ALWAYS_AUTHENTICATE, false, Asked::AtGeneration, "a service signs without a person"},
    {CKA_ALWAYS_SENSITIVE, true, Asked::ByTheToken, "it was readable once"},
    {CKA_NEVER_EXTRACTABLE, true, Asked::ByTheToken, "it could leave the token once"},
    {CKA_LOCAL, true, Asked::ByTheToken, "it was not made in this token", true},
};

constexpr BooleanRule kPublicRules[] = {
    {CKA_TOKEN, true, Asked::AtGeneration, "it must survive the session", true},
    {CKA_PRIVATE, false, Asked::AtGeneration, "it is there to be published"},
    {CKA_VERIFY, true, Asked::AtGeneration, "it verifies", true},
    {CKA_ENCRYPT, false, Asked::AtGeneration, "it does nothing but verify"},
    {CKA_WRAP, false, Asked::AtGeneration, "it does nothing but verify"},
    {CKA_DERIVE, false, Asked::AtGeneration, "it does nothing but verify"},
    {CKA_MODIFIABLE, false, Asked::AtGeneration, "none of this may change later"},
    {CKA_LOCAL, true, Asked::ByTheToken, "it was not made in this token"},
};

Error weak(CK_ATTRIBUTE_TYPE type, std::string_view found, std::string_view reason) {
  return Error{
      ErrorCode::Refused,
      "the key's " + std::string(attribute_name(type)) + " is " + std::string(found) + ": " + std::string(reason),
      std::string(kKeyTooWeak), "make a new key by ceremony and destroy this one"};
}

// An attribute that the token does not know proves nothing, so the key is as good as one without the property. What the
// token cannot answer just now stays a failure.
Error absent_or_failed(CK_ATTRIBUTE_TYPE type, Error&& error) {
  if (error.code != ErrorCode::Refused) return std::move(error);
  return weak(type, "not known to the token", error.detail);
}

Status check_booleans(const Session& session, CK_OBJECT_HANDLE object, bool private_half,
                      std::span<const BooleanRule> rules) {
  for (const BooleanRule& rule : rules) {
    if (session.adaptation().passes_over(private_half, rule.type)) continue;
    Result<bool> found = read_bool(session, object, rule.type);
    if (!found) return absent_or_failed(rule.type, std::move(found).error());
    if (*found != rule.value) return weak(rule.type, *found ? "true" : "false", rule.reason);
  }
  return ok();
}

Status check_number(const Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_ULONG wanted) {
  Result<CK_ULONG> found = read_ulong(session, object, type);
  if (!found) return absent_or_failed(type, std::move(found).error());
  if (*found != wanted) return weak(type, std::to_string(*found), "it must be " + std::to_string(wanted));
  return ok();
}

Status check_allowed_mechanisms(const Session& session, CK_OBJECT_HANDLE object, CK_MECHANISM_TYPE only) {
  Result<Bytes> found = read_attribute(session, object, CKA_ALLOWED_MECHANISMS);
  if (!found) return absent_or_failed(CKA_ALLOWED_MECHANISMS, std::move(found).error());
  if (found->size() == sizeof only && std::memcmp(found->data(), &only, sizeof only) == 0) return ok();
  return weak(CKA_ALLOWED_MECHANISMS, std::to_string(found->size() / sizeof only) + " mechanisms",
              "it must be exactly the one that the role signs with");
}

Status check_unreadable(const Session& session, CK_OBJECT_HANDLE object) {
  CK_ATTRIBUTE attribute{CKA_VALUE, nullptr, 0};
  const CK_RV value = session.functions().C_GetAttributeValue(session.handle(), object, &attribute, 1);
  if (value == CKR_ATTRIBUTE_SENSITIVE || value == CKR_ATTRIBUTE_TYPE_INVALID) return ok();
  if (value == CKR_OK) return weak(CKA_VALUE, "readable", "the private key could be copied out of the token");
  return failure("C_GetAttributeValue of CKA_VALUE", value);
}

void ask_for(Template& wanted, bool private_half, std::span<const BooleanRule> rules, const Adaptation& adaptation) {
  for (const BooleanRule& rule : rules) {
    if (rule.asked != Asked::AtGeneration || adaptation.find(private_half, rule.type) != nullptr) continue;
    wanted.boolean(rule.type, rule.value);
  }
}

void list_rules(std::vector<ProfileAttribute>& listed, bool private_half, std::span<const BooleanRule> rules) {
  for (const BooleanRule& rule : rules) {
    listed.push_back({private_half, rule.type, rule.value, rule.asked == Asked::AtGeneration, rule.needed});
  }
}

}  // namespace

const KindRow& row_of(KeyKind kind) {
  return kind == KeyKind::Ed25519 ? kKinds[0] : kKinds[1];
}

std::string_view name_of(KeyKind kind) {
  return row_of(kind).name;
}

Result<KeyKind> kind_with_params(ByteView params) {
  for (const KindRow& row : kKinds) {
    if (std::ranges::equal(row.params, params)) return row.kind;
  }
  return Error{ErrorCode::Refused, "the key is on a curve that is neither Ed25519 nor P-256", std::string(kKeyTooWeak)};
}

std::vector<ProfileAttribute> profile_attributes() {
  std::vector<ProfileAttribute> listed;
  list_rules(listed, true, kPrivateRules);
  listed.push_back({true, CKA_ALLOWED_MECHANISMS, true, true, false});
  list_rules(listed, false, kPublicRules);
  return listed;
}

Template private_template(const KeySpec& spec, const Adaptation& adaptation) {
  const KindRow& row = row_of(spec.kind);
  Template wanted;
  wanted.number(CKA_CLASS, CKO_PRIVATE_KEY).number(CKA_KEY_TYPE, row.key_type);
  wanted.bytes(CKA_ID, spec.id).text(CKA_LABEL, spec.label);
  ask_for(wanted, true, kPrivateRules, adaptation);
  // One mechanism, which the token enforces: no signature of ours can be reinterpreted as another scheme's.
  if (adaptation.find(true, CKA_ALLOWED_MECHANISMS) == nullptr) wanted.number(CKA_ALLOWED_MECHANISMS, row.signing);
  return wanted;
}

Template public_template(const KeySpec& spec, const Adaptation& adaptation) {
  const KindRow& row = row_of(spec.kind);
  Template wanted;
  wanted.number(CKA_CLASS, CKO_PUBLIC_KEY).number(CKA_KEY_TYPE, row.key_type).bytes(CKA_EC_PARAMS, row.params);
  wanted.bytes(CKA_ID, spec.id).text(CKA_LABEL, spec.label);
  ask_for(wanted, false, kPublicRules, adaptation);
  return wanted;
}

Status check_private(const Session& session, CK_OBJECT_HANDLE object, KeyKind kind) {
  const KindRow& row = row_of(kind);
  RETURN_IF_ERROR(check_number(session, object, CKA_CLASS, CKO_PRIVATE_KEY));
  RETURN_IF_ERROR(check_number(session, object, CKA_KEY_TYPE, row.key_type));
  RETURN_IF_ERROR(check_booleans(session, object, true, kPrivateRules));
  const Adaptation& adaptation = session.adaptation();
  if (!adaptation.passes_over(true, CKA_KEY_GEN_MECHANISM)) {
    RETURN_IF_ERROR(check_number(session, object, CKA_KEY_GEN_MECHANISM, row.generation));
  }
  if (!adaptation.passes_over(true, CKA_ALLOWED_MECHANISMS)) {
    RETURN_IF_ERROR(check_allowed_mechanisms(session, object, row.signing));
  }
  return check_unreadable(session, object);
}

Status check_public(const Session& session, CK_OBJECT_HANDLE object, KeyKind kind) {
  const KindRow& row = row_of(kind);
  RETURN_IF_ERROR(check_number(session, object, CKA_CLASS, CKO_PUBLIC_KEY));
  RETURN_IF_ERROR(check_number(session, object, CKA_KEY_TYPE, row.key_type));
  return check_booleans(session, object, false, kPublicRules);
}

Result<Bytes> public_key_in(ByteView ec_point, KeyKind kind) {
  const KindRow& row = row_of(kind);
  // DER: OCTET STRING with a one-byte length; both sizes are below 128.
  const bool wrapped = ec_point.size() == row.point_size + 2 && ec_point[0] == 0x04 && ec_point[1] == row.point_size;
  if (!wrapped || (kind == KeyKind::P256 && ec_point[2] != kUncompressed)) {
    return Error{ErrorCode::Refused, "the key's CKA_EC_POINT is no " + std::string(row.name) + " public key",
                 std::string(kKeyTooWeak)};
  }
  return Bytes(ec_point.begin() + 2, ec_point.end());
}

}  // namespace countersign::pkcs11
