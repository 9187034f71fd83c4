#include "pkcs11/module_profile.h"

#include <algorithm>

#include "common/digest.h"
#include "common/durable_file.h"
#include "common/json_fields.h"
#include "pkcs11/attribute.h"
#include "pkcs11/key_profile.h"

namespace countersign::pkcs11 {
namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::size_t kLargestLibrary = std::size_t{256} << 20;
constexpr std::string_view kRemedy = "measure it: countersignd probe --config FILE TOKEN";

struct TrustRow {
  Trust trust;
  std::string_view name;
};
constexpr TrustRow kTrusts[] = {
    {Trust::Unusable, "unusable"}, {Trust::Claimed, "claimed"}, {Trust::Binding, "binding"}};

Json token_json(const TokenInfo& token) {
  return Json::object({{"label", token.label},
                       {"serial", token.serial},
                       {"manufacturer", token.manufacturer},
                       {"model", token.model},
                       {"firmware", token.firmware}});
}

Result<TokenInfo> token_from(const Json& json) {
  JsonFields fields(json, "token");
  TokenInfo token;
  ASSIGN_OR_RETURN(token.label, fields.text("label"));
  ASSIGN_OR_RETURN(token.serial, fields.text("serial"));
  ASSIGN_OR_RETURN(token.manufacturer, fields.text("manufacturer"));
  ASSIGN_OR_RETURN(token.model, fields.text("model"));
  ASSIGN_OR_RETURN(token.firmware, fields.text("firmware"));
  RETURN_IF_ERROR(fields.finish());
  return token;
}

Json departure_json(const Departure& departure) {
  return Json::object({{"half", departure.private_half ? "private" : "public"},
                       {"attribute", attribute_name(departure.type)},
                       {"holds", departure.holds}});
}

Result<Departure> departure_from(const Json& json) {
  JsonFields fields(json, "departures");
  Departure departure;
  ASSIGN_OR_RETURN(const std::string half, fields.text("half"));
  if (half != "private" && half != "public") return fields.wrong("half", "is neither private nor public");
  departure.private_half = half == "private";
  ASSIGN_OR_RETURN(const std::string name, fields.text("attribute"));
  const std::optional<CK_ATTRIBUTE_TYPE> type = attribute_named(name);
  const std::vector<ProfileAttribute> known = profile_attributes();
  const auto row = std::ranges::find_if(known, [&](const ProfileAttribute& candidate) {
    return type && candidate.type == *type && candidate.private_half == departure.private_half;
  });
  // No profile can excuse a module from what makes a key worth having.
  if (row == known.end() || row->needed) return fields.wrong("attribute", "is none that a module may do without");
  departure.type = *type;
  ASSIGN_OR_RETURN(departure.holds, fields.boolean("holds"));
  RETURN_IF_ERROR(fields.finish());
  return departure;
}

Json measurement_json(const Measurement& measurement) {
  return Json::object({{"name", measurement.name},
                       {"well", measurement.well},
                       {"counts", measurement.counts},
                       {"found", measurement.found}});
}

Result<Measurement> measurement_from(const Json& json) {
  JsonFields fields(json, "measurements");
  Measurement measurement;
  ASSIGN_OR_RETURN(measurement.name, fields.text("name"));
  ASSIGN_OR_RETURN(measurement.well, fields.boolean("well"));
  ASSIGN_OR_RETURN(measurement.counts, fields.boolean("counts"));
  ASSIGN_OR_RETURN(measurement.found, fields.text("found"));
  RETURN_IF_ERROR(fields.finish());
  return measurement;
}

Status read_lists(JsonFields& fields, ModuleProfile& profile) {
  ASSIGN_OR_RETURN(const std::vector<std::string> kinds, fields.texts("kinds"));
  for (const std::string& name : kinds) {
    if (name != name_of(KeyKind::Ed25519) && name != name_of(KeyKind::P256)) {
      return fields.wrong("kinds", "holds what is no kind of key");
    }
    profile.kinds.push_back(name == name_of(KeyKind::Ed25519) ? KeyKind::Ed25519 : KeyKind::P256);
  }
  ASSIGN_OR_RETURN(const Json::Array* departures, fields.array("departures"));
  for (const Json& each : *departures) {
    ASSIGN_OR_RETURN(const Departure departure, departure_from(each));
    profile.adaptation.departures.push_back(departure);
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> unknown, fields.texts("unknown_history"));
  for (const std::string& name : unknown) {
    const std::optional<CK_ATTRIBUTE_TYPE> type = attribute_named(name);
    if (!type || (*type != CKA_KEY_GEN_MECHANISM && *type != CKA_ALWAYS_SENSITIVE && *type != CKA_NEVER_EXTRACTABLE)) {
      return fields.wrong("unknown_history", "holds " + name + ", which no module may do without");
    }
    profile.adaptation.unknown_history.push_back(*type);
  }
  ASSIGN_OR_RETURN(const Json::Array* measurements, fields.array("measurements"));
  for (const Json& each : *measurements) {
    ASSIGN_OR_RETURN(Measurement measurement, measurement_from(each));
    profile.measurements.push_back(std::move(measurement));
  }
  return ok();
}

Error refused(std::string_view reason, std::string detail, std::string_view hint) {
  return Error{ErrorCode::Refused, std::move(detail), std::string(reason), std::string(hint)};
}

}  // namespace

std::string_view name_of(Trust trust) {
  return kTrusts[static_cast<std::size_t>(trust)].name;
}

std::optional<Trust> trust_named(std::string_view name) {
  for (const TrustRow& row : kTrusts) {
    if (row.name == name) return row.trust;
  }
  return std::nullopt;
}

Json ModuleProfile::to_json() const {
  Json::Array names;
  for (const KeyKind kind : kinds) names.emplace_back(name_of(kind));
  Json::Array departures;
  for (const Departure& departure : adaptation.departures) departures.push_back(departure_json(departure));
  Json::Array unknown;
  for (const CK_ATTRIBUTE_TYPE type : adaptation.unknown_history) unknown.emplace_back(attribute_name(type));
  Json::Array tried;
  for (const Measurement& measurement : measurements) tried.push_back(measurement_json(measurement));
  Json json = Json::object({{"profile", kVersion},
                            {"module", module},
                            {"library", library},
                            {"description", description},
                            {"token", token_json(token)},
                            {"measured_at", measured_at},
                            {"kinds", std::move(names)},
                            {"departures", std::move(departures)},
                            {"unknown_history", std::move(unknown)},
                            {"measurements", std::move(tried)},
                            {"mechanisms", mechanisms},
                            {"attestation", attestation},
                            {"trust", name_of(trust)}});
  json.set("digest", json.digest().hex());
  return json;
}

Result<ModuleProfile> ModuleProfile::from_json(const Json& json) {
  JsonFields fields(json, "");
  ModuleProfile profile;
  ASSIGN_OR_RETURN(const std::int64_t version, fields.integer("profile", kVersion, kVersion));
  static_cast<void>(version);
  ASSIGN_OR_RETURN(profile.module, fields.text("module"));
  ASSIGN_OR_RETURN(profile.library, fields.text("library"));
  ASSIGN_OR_RETURN(profile.description, fields.text("description"));
  ASSIGN_OR_RETURN(const Json* token, fields.required("token"));
  ASSIGN_OR_RETURN(profile.token, token_from(*token));
  ASSIGN_OR_RETURN(profile.measured_at, fields.text("measured_at"));
  RETURN_IF_ERROR(read_lists(fields, profile));
  ASSIGN_OR_RETURN(const Json* mechanisms, fields.required("mechanisms"));
  profile.mechanisms = *mechanisms;
  ASSIGN_OR_RETURN(profile.attestation, fields.text("attestation"));
  ASSIGN_OR_RETURN(const std::string trust, fields.text("trust"));
  const std::optional<Trust> named = trust_named(trust);
  if (!named) return fields.wrong("trust", "is no trust level");
  profile.trust = *named;
  ASSIGN_OR_RETURN(const std::string digest, fields.text("digest"));
  RETURN_IF_ERROR(fields.finish());
  Json bare = json;
  bare.erase("digest");
  if (bare.digest().hex() != digest) return fields.wrong("digest", "is not that of the profile");
  return profile;
}

Result<std::string> library_digest(const std::string& module) {
  ASSIGN_OR_RETURN(const std::string content, read_file(module, kLargestLibrary));
  return sha256(content).hex();
}

Result<ModuleProfile> accepted_profile(std::string_view text, const std::string& module, Trust demanded) {
  if (text.empty()) {
    return refused(kProfileMissing, "there is no profile of the module " + module + " on this token", kRemedy);
  }
  const Result<Json> json = Json::parse(text);
  Result<ModuleProfile> profile = json ? ModuleProfile::from_json(*json) : Result<ModuleProfile>(json.error());
  if (!profile) {
    return refused(kProfileMissing, "the profile of the module " + module + " does not read: " + profile.error().detail,
                   kRemedy);
  }
  ASSIGN_OR_RETURN(const std::string digest, library_digest(module));
  if (profile->library != digest) {
    return refused(kProfileOld,
                   "the library " + module + " has changed since its profile was measured at " + profile->measured_at,
                   "measure it again: countersignd probe --config FILE TOKEN");
  }
  if (profile->trust == Trust::Unusable || profile->trust < demanded) {
    std::string failed;
    for (const Measurement& each : profile->measurements) {
      if (each.counts && !each.well) failed += (failed.empty() ? "" : "; ") + each.found;
    }
    return refused(kProfileWeak,
                   "the module " + module + " has the trust level " + std::string(name_of(profile->trust)) +
                       ", and the configuration demands " + std::string(name_of(demanded)) +
                       (failed.empty() ? "" : ": " + failed),
                   "use another module, or accept it: tokens.NAME.trust: claimed");
  }
  return profile;
}

Status check_token(const ModuleProfile& profile, const TokenInfo& token) {
  if (profile.token.serial == token.serial) return ok();
  return refused(kProfileOld,
                 "the profile is of the token with serial number " + profile.token.serial + ", not of " + token.serial,
                 "measure it again: countersignd probe --config FILE TOKEN");
}

}  // namespace countersign::pkcs11
