// The attribute profile of our key pairs, as tables: what generation asks for, what reading back demands, and why.
// Where modules differ from it is written in docs/softhsm.md.
#pragma once

#include <p11-kit/pkcs11.h>

#include <vector>

#include "common/bytes.h"
#include "common/result.h"
#include "pkcs11/adaptation.h"
#include "pkcs11/attribute.h"
#include "pkcs11/key_pair.h"

namespace countersign::pkcs11 {

// What differs between the kinds.
struct KindRow {
  KeyKind kind;
  std::string_view name;
  CK_KEY_TYPE key_type;
  CK_MECHANISM_TYPE generation;
  CK_MECHANISM_TYPE signing;
  ByteView params;  // CKA_EC_PARAMS: the curve's object identifier
  std::size_t point_size;
};
const KindRow& row_of(KeyKind kind);
Result<KeyKind> kind_with_params(ByteView params);

Template private_template(const KeySpec& spec, const Adaptation& adaptation = {});
Template public_template(const KeySpec& spec, const Adaptation& adaptation = {});

// The attributes of the tables, for whoever measures a module. `needed`: without it there is no key worth having, so
// that no module is excused from it.
struct ProfileAttribute {
  bool private_half;
  CK_ATTRIBUTE_TYPE type;
  bool value;          // of a boolean; CKA_ALLOWED_MECHANISMS is none
  bool at_generation;  // asked for, or set by the token alone
  bool needed;
};
std::vector<ProfileAttribute> profile_attributes();

// Refused (key_too_weak), naming the attribute, where an object is weaker than the profile as the session's module has
// it (Session::adaptation).
Status check_private(const Session& session, CK_OBJECT_HANDLE object, KeyKind kind);
Status check_public(const Session& session, CK_OBJECT_HANDLE object, KeyKind kind);

// The raw public key in a CKA_EC_POINT, which holds a DER OCTET STRING. Fails with Refused.
Result<Bytes> public_key_in(ByteView ec_point, KeyKind kind);

}  // namespace countersign::pkcs11
