#include "pkcs11/template_fit.h"

#include <algorithm>

#include "pkcs11/key_profile.h"
#include "pkcs11/trial_key.h"

namespace countersign::pkcs11 {
namespace {

// Whether the attribute reads as the profile demands on a key that was made without asking for it.
bool holds_unasked(const Session& session, const TrialKey& key, const ProfileAttribute& attribute, KeyKind kind) {
  const CK_OBJECT_HANDLE object = attribute.private_half ? key.private_key() : key.public_key();
  if (attribute.type == CKA_ALLOWED_MECHANISMS) {
    const Result<CK_ULONG> only = read_ulong(session, object, attribute.type);
    return only && *only == row_of(kind).signing;
  }
  const Result<bool> found = read_bool(session, object, attribute.type);
  return found && *found == attribute.value;
}

std::vector<ProfileAttribute> dispensable() {
  std::vector<ProfileAttribute> attributes = profile_attributes();
  std::erase_if(attributes, [](const ProfileAttribute& each) { return each.needed || !each.at_generation; });
  return attributes;
}

// The attributes that the module does not take; each is tried alone beside what every key needs.
Result<Adaptation> departures_of(const std::shared_ptr<Session>& session, KeyKind kind) {
  Adaptation adaptation;
  if (TrialKey::make(session, kind, adaptation)) return adaptation;
  Adaptation without;
  for (const ProfileAttribute& each : dispensable()) without.departures.push_back({each.private_half, each.type});
  if (const Result<TrialKey> of_the_session = TrialKey::make(session, kind, without); !of_the_session) {
    without.session_keys = false;
    if (!TrialKey::make(session, kind, without)) return of_the_session.error();
    adaptation.session_keys = false;
    if (TrialKey::make(session, kind, adaptation)) return adaptation;
  }
  for (const ProfileAttribute& each : dispensable()) {
    Adaptation with_one = without;
    std::erase_if(with_one.departures, [&](const Departure& departure) {
      return departure.private_half == each.private_half && departure.type == each.type;
    });
    if (!TrialKey::make(session, kind, with_one)) adaptation.departures.push_back({each.private_half, each.type});
  }
  return adaptation;
}

}  // namespace

Result<Adaptation> fitted_adaptation(const std::shared_ptr<Session>& session, KeyKind kind) {
  ASSIGN_OR_RETURN(Adaptation adaptation, departures_of(session, kind));
  const Result<TrialKey> key = TrialKey::make(session, kind, adaptation);
  if (!key) return key.error();
  for (const ProfileAttribute& each : profile_attributes()) {
    for (Departure& departure : adaptation.departures) {
      if (departure.private_half != each.private_half || departure.type != each.type) continue;
      departure.holds = holds_unasked(*session, *key, each, kind);
    }
  }
  for (const CK_ATTRIBUTE_TYPE type : {CKA_KEY_GEN_MECHANISM, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE}) {
    const Result<Bytes> read = read_attribute(*session, key->private_key(), type);
    if (!read && read.error().code == ErrorCode::Refused) adaptation.unknown_history.push_back(type);
  }
  return adaptation;
}

Adaptation merged(Adaptation one, const Adaptation& other) {
  one.session_keys = one.session_keys && other.session_keys;
  for (const Departure& departure : other.departures) {
    const auto same = std::ranges::find_if(one.departures, [&](const Departure& each) {
      return each.private_half == departure.private_half && each.type == departure.type;
    });
    if (same == one.departures.end()) {
      one.departures.push_back(departure);
    } else {
      same->holds = same->holds && departure.holds;
    }
  }
  for (const CK_ATTRIBUTE_TYPE type : other.unknown_history) {
    if (std::ranges::find(one.unknown_history, type) == one.unknown_history.end()) one.unknown_history.push_back(type);
  }
  return one;
}

}  // namespace countersign::pkcs11
