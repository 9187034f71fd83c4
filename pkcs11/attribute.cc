#include "pkcs11/attribute.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "pkcs11/failure.h"

namespace countersign::pkcs11 {
namespace {

constexpr std::size_t kLongestAttribute = 64 * 1024;
constexpr CK_ULONG kHandlesPerCall = 64;

struct NamedAttribute {
  CK_ATTRIBUTE_TYPE type;
  std::string_view name;
};
#define NAMED(type) \
  NamedAttribute {  \
    type, #type     \
  }
constexpr NamedAttribute kNames[] = {
    NAMED(CKA_CLASS),
    NAMED(CKA_TOKEN),
    NAMED(CKA_PRIVATE),
    NAMED(CKA_LABEL),
    NAMED(CKA_APPLICATION),
    NAMED(CKA_VALUE),
    NAMED(CKA_KEY_TYPE),
    NAMED(CKA_ID),
    NAMED(CKA_SENSITIVE),
    NAMED(CKA_ENCRYPT),
    NAMED(CKA_DECRYPT),
    NAMED(CKA_WRAP),
    NAMED(CKA_UNWRAP),
    NAMED(CKA_SIGN),
    NAMED(CKA_SIGN_RECOVER),
    NAMED(CKA_VERIFY),
    NAMED(CKA_VERIFY_RECOVER),
    NAMED(CKA_DERIVE),
    NAMED(CKA_EXTRACTABLE),
    NAMED(CKA_LOCAL),
    NAMED(CKA_NEVER_EXTRACTABLE),
    NAMED(CKA_ALWAYS_SENSITIVE),
    NAMED(CKA_KEY_GEN_MECHANISM),
    NAMED(CKA_MODIFIABLE),
    NAMED(CKA_COPYABLE),
    NAMED(CKA_DESTROYABLE),
    NAMED(CKA_EC_PARAMS),
    NAMED(CKA_EC_POINT),
    NAMED(CKA_ALWAYS_AUTHENTICATE),
    NAMED(CKA_ALLOWED_MECHANISMS),
    NAMED(CKA_START_DATE),
    NAMED(CKA_END_DATE),
};

Error unreadable(CK_ATTRIBUTE_TYPE type, CK_RV value) {
  return failure("C_GetAttributeValue of " + std::string(attribute_name(type)), value);
}

Error misshapen(CK_ATTRIBUTE_TYPE type) {
  return Error{ErrorCode::Unavailable,
               "C_GetAttributeValue of " + std::string(attribute_name(type)) + " gave a value of the wrong size",
               std::string(kTokenFailed)};
}

}  // namespace

std::string_view attribute_name(CK_ATTRIBUTE_TYPE type) {
  const NamedAttribute* row = std::ranges::find(kNames, type, &NamedAttribute::type);
  return row == std::end(kNames) ? "an attribute" : row->name;
}

std::optional<CK_ATTRIBUTE_TYPE> attribute_named(std::string_view name) {
  const NamedAttribute* row = std::ranges::find(kNames, name, &NamedAttribute::name);
  return row == std::end(kNames) ? std::nullopt : std::optional(row->type);
}

Result<Bytes> read_attribute(const Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  const CK_FUNCTION_LIST& functions = session.functions();
  CK_ATTRIBUTE attribute{type, nullptr, 0};
  CK_RV value = functions.C_GetAttributeValue(session.handle(), object, &attribute, 1);
  if (value != CKR_OK) return unreadable(type, value);
  if (attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION || attribute.ulValueLen > kLongestAttribute) {
    return misshapen(type);
  }
  Bytes content(attribute.ulValueLen);
  if (content.empty()) return content;
  attribute.pValue = content.data();
  value = functions.C_GetAttributeValue(session.handle(), object, &attribute, 1);
  if (value != CKR_OK) return unreadable(type, value);
  if (attribute.ulValueLen > content.size()) return misshapen(type);
  content.resize(attribute.ulValueLen);
  return content;
}

Result<bool> read_bool(const Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  ASSIGN_OR_RETURN(const Bytes content, read_attribute(session, object, type));
  if (content.size() != sizeof(CK_BBOOL)) return misshapen(type);
  return content[0] != CK_FALSE;
}

Result<CK_ULONG> read_ulong(const Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  ASSIGN_OR_RETURN(const Bytes content, read_attribute(session, object, type));
  CK_ULONG number = 0;
  if (content.size() != sizeof number) return misshapen(type);
  std::memcpy(&number, content.data(), sizeof number);
  return number;
}

Template& Template::boolean(CK_ATTRIBUTE_TYPE type, bool value) {
  const CK_BBOOL raw = value ? CK_TRUE : CK_FALSE;
  return bytes(type, {&raw, 1});
}

Template& Template::number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  return bytes(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
}

Template& Template::bytes(CK_ATTRIBUTE_TYPE type, ByteView value) {
  Bytes& owned = values_.emplace_back(value.begin(), value.end());
  attributes_.push_back({type, owned.data(), owned.size()});
  return *this;
}

Result<std::vector<CK_OBJECT_HANDLE>> find_objects(const Session& session, Template& wanted) {
  const CK_FUNCTION_LIST& functions = session.functions();
  CK_RV value = functions.C_FindObjectsInit(session.handle(), wanted.data(), wanted.size());
  if (value != CKR_OK) return failure("C_FindObjectsInit", value);
  std::vector<CK_OBJECT_HANDLE> found;
  std::array<CK_OBJECT_HANDLE, kHandlesPerCall> some{};
  CK_ULONG count = 0;
  do {
    count = 0;
    value = functions.C_FindObjects(session.handle(), some.data(), some.size(), &count);
    if (value == CKR_OK) found.insert(found.end(), some.begin(), some.begin() + std::min(count, kHandlesPerCall));
  } while (value == CKR_OK && count > 0);
  // Also after a failure: an open search would block every later one.
  functions.C_FindObjectsFinal(session.handle());
  if (value != CKR_OK) return failure("C_FindObjects", value);
  return found;
}

}  // namespace countersign::pkcs11
