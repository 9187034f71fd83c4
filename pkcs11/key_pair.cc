#include "pkcs11/key_pair.h"

#include <algorithm>
#include <array>

#include "common/digest.h"
#include "pkcs11/attribute.h"
#include "pkcs11/canary.h"
#include "pkcs11/failure.h"
#include "pkcs11/key_profile.h"
#include "pkcs11/signing.h"

namespace countersign::pkcs11 {
namespace {

constexpr std::size_t kLongestLabel = 64;

Result<std::vector<CK_OBJECT_HANDLE>> with_id(const Session& session, CK_OBJECT_CLASS object_class, const KeyId& id) {
  Template wanted;
  wanted.number(CKA_CLASS, object_class).boolean(CKA_TOKEN, true).bytes(CKA_ID, id);
  return find_objects(session, wanted);
}

Result<CK_OBJECT_HANDLE> only_one(const Session& session, CK_OBJECT_CLASS object_class, const KeyId& id) {
  ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> found, with_id(session, object_class, id));
  const std::string half = object_class == CKO_PRIVATE_KEY ? "private" : "public";
  if (found.empty()) {
    return Error{ErrorCode::NotFound, "the token holds no " + half + " key with id " + to_hex(id)};
  }
  if (found.size() > 1) {
    return Error{ErrorCode::Refused,
                 "the token holds " + std::to_string(found.size()) + " " + half + " keys with id " + to_hex(id),
                 std::string(kKeyAmbiguous), "one of them was put there by another program; destroy it by ceremony"};
  }
  return found.front();
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= kLongestLabel &&
         std::ranges::all_of(label, [](char letter) { return letter > ' ' && letter <= '~'; });
}

Status check_unused(const Session& session, const KeySpec& spec) {
  ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> private_keys, with_id(session, CKO_PRIVATE_KEY, spec.id));
  ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> public_keys, with_id(session, CKO_PUBLIC_KEY, spec.id));
  if (!private_keys.empty() || !public_keys.empty()) {
    return Error{ErrorCode::Conflict, "the token holds a key with id " + to_hex(spec.id) + " already"};
  }
  ASSIGN_OR_RETURN(const std::vector<KeyListing> listed, list_key_pairs(session, spec.label));
  if (std::ranges::find(listed, spec.label, &KeyListing::label) != listed.end()) {
    return Error{ErrorCode::Conflict, "the token holds a key labelled " + spec.label + " already"};
  }
  return ok();
}

}  // namespace

// Only reading a key back makes a KeyPair.
class KeyReader {
 public:
  static Result<KeyPair> read(const std::shared_ptr<Session>& session, CK_OBJECT_HANDLE private_key,
                              CK_OBJECT_HANDLE public_key) {
    KeySpec spec;
    ASSIGN_OR_RETURN(const Bytes params, read_attribute(*session, public_key, CKA_EC_PARAMS));
    ASSIGN_OR_RETURN(spec.kind, kind_with_params(params));
    RETURN_IF_ERROR(check_private(*session, private_key, spec.kind));
    RETURN_IF_ERROR(check_public(*session, public_key, spec.kind));
    ASSIGN_OR_RETURN(const Bytes id, read_attribute(*session, private_key, CKA_ID));
    if (id.size() != spec.id.size()) {
      return Error{ErrorCode::Refused, "the key's CKA_ID has another length than 16 bytes", std::string(kKeyTooWeak)};
    }
    std::ranges::copy(id, spec.id.begin());
    ASSIGN_OR_RETURN(const Bytes label, read_attribute(*session, private_key, CKA_LABEL));
    spec.label = text_of(label);
    ASSIGN_OR_RETURN(const Bytes point, read_attribute(*session, public_key, CKA_EC_POINT));
    ASSIGN_OR_RETURN(Bytes raw, public_key_in(point, spec.kind));
    KeyPair pair(session, std::move(spec), std::move(raw), private_key);
    RETURN_IF_ERROR(check_canary(pair));
    return pair;
  }
};

KeyId random_key_id() {
  KeyId id{};
  std::ranges::copy(random_bytes(id.size()), id.begin());
  return id;
}

Result<Bytes> KeyPair::sign(ByteView message) const {
  return sign_on_token(*session_, spec_.kind, private_key_, message);
}

Result<KeyPair> generate_key_pair(const std::shared_ptr<Session>& session, const KeySpec& spec) {
  if (!is_label(spec.label)) {
    return Error{ErrorCode::Invalid, "a key's label has 1 to 64 visible ASCII characters"};
  }
  RETURN_IF_ERROR(check_unused(*session, spec));
  const CK_FUNCTION_LIST& functions = session->functions();
  CK_MECHANISM mechanism{row_of(spec.kind).generation, nullptr, 0};
  Template public_wanted = public_template(spec, session->adaptation());
  Template private_wanted = private_template(spec, session->adaptation());
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
  const CK_RV made =
      functions.C_GenerateKeyPair(session->handle(), &mechanism, public_wanted.data(), public_wanted.size(),
                                  private_wanted.data(), private_wanted.size(), &public_key, &private_key);
  if (made != CKR_OK) return failure("C_GenerateKeyPair", made);
  Result<KeyPair> pair = KeyReader::read(session, private_key, public_key);
  if (!pair) {
    // Nobody has seen it, so nothing is lost; left there, it would take the id and the label.
    functions.C_DestroyObject(session->handle(), private_key);
    functions.C_DestroyObject(session->handle(), public_key);
  }
  return pair;
}

Result<KeyPair> find_key_pair(const std::shared_ptr<Session>& session, const KeyId& id) {
  ASSIGN_OR_RETURN(const CK_OBJECT_HANDLE private_key, only_one(*session, CKO_PRIVATE_KEY, id));
  ASSIGN_OR_RETURN(const CK_OBJECT_HANDLE public_key, only_one(*session, CKO_PUBLIC_KEY, id));
  return KeyReader::read(session, private_key, public_key);
}

Status destroy_key_pair(const Session& session, const KeyId& id) {
  for (const CK_OBJECT_CLASS half : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
    ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> found, with_id(session, half, id));
    for (const CK_OBJECT_HANDLE object : found) {
      const CK_RV value = session.functions().C_DestroyObject(session.handle(), object);
      if (value != CKR_OK) return failure("C_DestroyObject", value);
    }
  }
  // What the module says it did is looked at again: a key that is still there is not destroyed.
  for (const CK_OBJECT_CLASS half : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
    ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> left, with_id(session, half, id));
    if (left.empty()) continue;
    return Error{ErrorCode::Refused, "the key with id " + to_hex(id) + " is still on the token after its destruction",
                 "key_not_destroyed", "destroy it with the vendor's tool, then ask again"};
  }
  return ok();
}

Result<std::vector<KeyListing>> list_key_pairs(const Session& session, std::string_view prefix) {
  Template wanted;
  wanted.number(CKA_CLASS, CKO_PRIVATE_KEY).boolean(CKA_TOKEN, true);
  ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> handles, find_objects(session, wanted));
  std::vector<KeyListing> listed;
  for (const CK_OBJECT_HANDLE handle : handles) {
    ASSIGN_OR_RETURN(const Bytes label, read_attribute(session, handle, CKA_LABEL));
    ASSIGN_OR_RETURN(const Bytes id, read_attribute(session, handle, CKA_ID));
    KeyListing listing;
    if (!text_of(label).starts_with(prefix) || id.size() != listing.id.size()) continue;
    std::ranges::copy(id, listing.id.begin());
    listing.label = text_of(label);
    listed.push_back(std::move(listing));
  }
  std::ranges::sort(listed, {}, &KeyListing::label);
  return listed;
}

}  // namespace countersign::pkcs11
