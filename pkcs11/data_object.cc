#include "pkcs11/data_object.h"

#include "pkcs11/attribute.h"
#include "pkcs11/failure.h"

namespace countersign::pkcs11 {
namespace {

Template named(std::string_view label) {
  Template wanted;
  wanted.number(CKA_CLASS, CKO_DATA).boolean(CKA_TOKEN, true).text(CKA_APPLICATION, kDataApplication);
  wanted.text(CKA_LABEL, label);
  return wanted;
}

}  // namespace

Result<DataObject> create_data_object(const Session& session, std::string_view label, ByteView value) {
  Template wanted = named(label);
  // Public, so that a verifier can read it without the PIN; it is no secret.
  wanted.boolean(CKA_PRIVATE, false).bytes(CKA_VALUE, value);
  CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
  const CK_RV created = session.functions().C_CreateObject(session.handle(), wanted.data(), wanted.size(), &handle);
  if (created != CKR_OK) return failure("C_CreateObject", created);
  return DataObject{handle, Bytes(value.begin(), value.end())};
}

Status destroy_data_object(const Session& session, const DataObject& object) {
  const CK_RV destroyed = session.functions().C_DestroyObject(session.handle(), object.handle);
  if (destroyed != CKR_OK) return failure("C_DestroyObject", destroyed);
  return ok();
}

Result<std::vector<DataObject>> list_data_objects(const Session& session, std::string_view label) {
  Template wanted = named(label);
  ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> handles, find_objects(session, wanted));
  std::vector<DataObject> objects;
  for (const CK_OBJECT_HANDLE handle : handles) {
    Result<Bytes> value = read_attribute(session, handle, CKA_VALUE);
    if (!value && value.error().reason == kTokenGone) return value.error();
    objects.push_back({handle, value ? *std::move(value) : Bytes()});
  }
  return objects;
}

}  // namespace countersign::pkcs11
