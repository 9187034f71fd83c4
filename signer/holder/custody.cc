#include "signer/holder/custody.h"

#include <algorithm>
#include <cstdlib>

#include "pkcs11/attribute.h"
#include "pkcs11/key_profile.h"
#include "pkcs11/module_profile.h"
#include "pkcs11/token_session.h"
#include "signer/holder/held_keys.h"
#include "signer/holder/start.h"

namespace countersign::holder {
namespace {

using channel::CustodyRequest;

pkcs11::TokenPlace place_of(const CustodyRequest& request) {
  const char* conf = std::getenv("SOFTHSM2_CONF");
  return {request.module, request.label, request.serial, conf == nullptr ? "" : conf};
}

Result<pkcs11::KeyId> key_id(const std::string& hex) {
  pkcs11::KeyId id{};
  ASSIGN_OR_RETURN(const Bytes bytes, from_hex(hex));
  if (bytes.size() != id.size()) return Error{ErrorCode::Invalid, "an id has 32 hex digits"};
  std::ranges::copy(bytes, id.begin());
  return id;
}

Json describe(const pkcs11::TokenSession& session, const pkcs11::ModuleProfile& profile) {
  const pkcs11::TokenInfo& token = session.token();
  Json answer = Json::object({{"ok", true},
                              {"info", Json::object({{"label", token.label},
                                                     {"serial", token.serial},
                                                     {"manufacturer", token.manufacturer},
                                                     {"model", token.model},
                                                     {"firmware", token.firmware}})},
                              {"module", Json::object({{"path", profile.module},
                                                       {"library", profile.library},
                                                       {"description", session.module_description()}})},
                              {"mechanisms", profile.mechanisms},
                              {"profile", std::string(profile.to_json().text("digest"))},
                              {"trust", pkcs11::name_of(profile.trust)},
                              {"attestation", profile.attestation}});
  return answer;
}

Result<Json> held_on(const pkcs11::TokenSession& session) {
  ASSIGN_OR_RETURN(const std::vector<pkcs11::KeyListing> listed, session.list_key_pairs(""));
  Json::Array held;
  for (const pkcs11::KeyListing& key : listed) {
    held.push_back(Json::object({{"id", to_hex(key.id)}, {"label", key.label}}));
  }
  return Json(std::move(held));
}

// Halves that a generation which was killed left: nobody ever saw their public half.
Result<int> remove_halves(const pkcs11::TokenSession& session, const pkcs11::KeyId& id) {
  int halves = 0;
  for (const CK_OBJECT_CLASS half : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
    pkcs11::Template wanted;
    wanted.number(CKA_CLASS, half).boolean(CKA_TOKEN, true).bytes(CKA_ID, id);
    ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> found, pkcs11::find_objects(*session.session(), wanted));
    halves += static_cast<int>(found.size());
  }
  if (halves != 1) return 0;
  RETURN_IF_ERROR(session.destroy_key_pair(id));
  return halves;
}

// Each attribute of the profile as the token says it now.
Json read_back(const pkcs11::TokenSession& session, const pkcs11::KeyId& id) {
  const pkcs11::Adaptation& adaptation = session.session()->adaptation();
  Json::Object read;
  for (const pkcs11::ProfileAttribute& attribute : pkcs11::profile_attributes()) {
    if (attribute.type == CKA_ALLOWED_MECHANISMS) continue;
    if (adaptation.passes_over(attribute.private_half, attribute.type)) continue;
    pkcs11::Template wanted;
    wanted.number(CKA_CLASS, attribute.private_half ? CKO_PRIVATE_KEY : CKO_PUBLIC_KEY);
    wanted.boolean(CKA_TOKEN, true).bytes(CKA_ID, id);
    const auto objects = pkcs11::find_objects(*session.session(), wanted);
    if (!objects || objects->size() != 1) continue;
    const Result<bool> value = pkcs11::read_bool(*session.session(), objects->front(), attribute.type);
    const std::string name = std::string(attribute.private_half ? "private " : "public ") +
                             std::string(pkcs11::attribute_name(attribute.type));
    read.emplace_back(name, value ? Json(*value) : Json("not told"));
  }
  return Json(std::move(read));
}

Json departures_json(const pkcs11::ModuleProfile& profile) {
  const Json json = profile.to_json();
  const Json* departures = json.find("departures");
  return departures == nullptr ? Json(Json::Array{}) : *departures;
}

Result<Json> generate(const pkcs11::TokenSession& session, const CustodyRequest& request,
                      const pkcs11::ModuleProfile& profile, Json answer) {
  ASSIGN_OR_RETURN(const pkcs11::KeyId id, key_id(request.id));
  ASSIGN_OR_RETURN(const std::vector<pkcs11::KeyListing> listed, session.list_key_pairs(""));
  const bool there = std::ranges::any_of(
      listed, [&](const pkcs11::KeyListing& key) { return key.id == id || key.label == request.key_label; });
  if (there && !request.resumed) {
    return Error{ErrorCode::Conflict,
                 "the token holds a key with the id or the label " + request.key_label +
                     " already, and this ceremony has not begun to make one",
                 "key_there_already", "find out who made it; a plan's ids are drawn anew by `ceremony plan`"};
  }
  ASSIGN_OR_RETURN(const int halves, remove_halves(session, id));
  answer.set("half_made", halves);
  Result<pkcs11::KeyPair> pair = session.find_key_pair(id);
  const bool made = !pair && pair.error().code == ErrorCode::NotFound;
  if (made) {
    ASSIGN_OR_RETURN(const pkcs11::KeyPair fresh,
                     session.generate_key_pair({kind_of(request.algorithm), id, request.key_label}));
    // What a later process will find by the id must be what was made, and sign.
    Result<pkcs11::KeyPair> found = session.find_key_pair(id);
    if (!found) return std::move(found).error();
    if (found->public_key() != fresh.public_key()) {
      return Error{ErrorCode::Refused, "the id of the new key leads to another key", "key_ambiguous"};
    }
    pair = std::move(found);
  }
  if (!pair) return std::move(pair).error();
  if (algorithm_of(pair->spec().kind) != request.algorithm || pair->spec().label != request.key_label) {
    return Error{ErrorCode::Conflict, "the key with id " + request.id + " is another than the plan's",
                 "key_there_already", "find out who made it"};
  }
  ASSIGN_OR_RETURN(HeldPair held, held_pair(request.role, *std::move(pair)));
  held.described.created = made;
  answer.set("key", held.described.to_json());
  answer.set("made", made);
  answer.set("attributes", read_back(session, id));
  answer.set("departures", departures_json(profile));
  return answer;
}

}  // namespace

Result<Json> custody(const CustodyRequest& request, SecretBytes pin) {
  ASSIGN_OR_RETURN(const pkcs11::ModuleProfile profile, profile_of(request.profile, request.module, request.trust));
  const auto access = request.act == CustodyRequest::Act::Inspect ? pkcs11::Session::Access::ReadOnly
                                                                  : pkcs11::Session::Access::ReadWrite;
  ASSIGN_OR_RETURN(const pkcs11::TokenSession session,
                   pkcs11::TokenSession::open(place_of(request), std::move(pin), access));
  RETURN_IF_ERROR(pkcs11::check_token(profile, session.token()));
  session.session()->adapt(profile.adaptation);
  Json answer = describe(session, profile);
  ASSIGN_OR_RETURN(Json held, held_on(session));
  answer.set("held", std::move(held));
  switch (request.act) {
    case CustodyRequest::Act::Inspect:
      return answer;
    case CustodyRequest::Act::Generate:
      return generate(session, request, profile, std::move(answer));
    case CustodyRequest::Act::Destroy: {
      ASSIGN_OR_RETURN(const pkcs11::KeyId id, key_id(request.id));
      RETURN_IF_ERROR(session.destroy_key_pair(id));
      answer.set("destroyed", true);
      return answer;
    }
  }
  std::abort();
}

}  // namespace countersign::holder
