// Attributes of objects, read one a call: SoftHSM fails a whole call when one of its attributes cannot be read
// (reference: START_DATE of a private key). And building templates.
#pragma once

#include <p11-kit/pkcs11.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "common/result.h"
#include "pkcs11/token.h"

namespace countersign::pkcs11 {

std::string_view attribute_name(CK_ATTRIBUTE_TYPE type);  // "CKA_SENSITIVE"

std::optional<CK_ATTRIBUTE_TYPE> attribute_named(std::string_view name);

// Fail with the code of the module's value, naming the attribute.
Result<Bytes> read_attribute(const Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
// Also fails with Unavailable when the value is no CK_BBOOL, or no CK_ULONG.
Result<bool> read_bool(const Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
Result<CK_ULONG> read_ulong(const Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);

// A template that owns its values.
class Template {
 public:
  Template& boolean(CK_ATTRIBUTE_TYPE type, bool value);
  Template& number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
  Template& bytes(CK_ATTRIBUTE_TYPE type, ByteView value);
  Template& text(CK_ATTRIBUTE_TYPE type, std::string_view value) { return bytes(type, view_of(value)); }

  CK_ATTRIBUTE* data() { return attributes_.data(); }
  CK_ULONG size() const { return attributes_.size(); }

 private:
  std::deque<Bytes> values_;  // a deque: growing it moves nothing
  std::vector<CK_ATTRIBUTE> attributes_;
};

// Every object that the template matches.
Result<std::vector<CK_OBJECT_HANDLE>> find_objects(const Session& session, Template& wanted);

}  // namespace countersign::pkcs11
