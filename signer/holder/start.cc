#include "signer/holder/start.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace countersign::holder {
namespace {

constexpr std::string_view kSoftHsmConf = "SOFTHSM2_CONF";

confinement::Reach reach_of(config::TokenConfig::Confinement confinement) {
  switch (confinement) {
    case config::TokenConfig::Confinement::File:
      return confinement::Reach::Files;
    case config::TokenConfig::Confinement::LocalSocket:
      return confinement::Reach::LocalSockets;
    case config::TokenConfig::Confinement::Network:
      return confinement::Reach::Network;
  }
  __builtin_unreachable();
}

// SoftHSM: its token directory, to read; the holder that writes anchors also writes there and to what the guard keeps
// beside it. Another module: the files and folders its environment names, and the folder of its start lock.
Result<confinement::Needs> needs_of(const config::HolderSettings& settings, const pkcs11::TokenPlace& place) {
  confinement::Needs needs;
  needs.kind = confinement::ProcessKind::Holder;
  needs.reach = reach_of(settings.token.confinement);
  needs.mandatory = settings.confinement_mandatory;
  needs.read_only = {std::filesystem::path(settings.token.module).parent_path().string()};
  if (place.softhsm_conf.empty()) {
    for (const auto& [name, value] : settings.token.environment) {
      if (value.starts_with('/')) needs.read_write.push_back(value);
    }
    needs.read_write.push_back(place.lock_folder);
    return needs;
  }
  needs.read_only.push_back(place.softhsm_conf);
  ASSIGN_OR_RETURN(const std::string directory, pkcs11::softhsm_token_directory(place.softhsm_conf));
  // Signing reads; only an anchor is written, under the guard's lock.
  if (!settings.anchors) {
    needs.read_only.push_back(directory);
    return needs;
  }
  for (const char* ending : {"", ".lock", ".copies", ".before-change"}) needs.read_write.push_back(directory + ending);
  return needs;
}

Json token_json(const pkcs11::TokenInfo& token) {
  return Json::object(
      {{"label", token.label}, {"serial", token.serial}, {"manufacturer", token.manufacturer}, {"model", token.model}});
}

}  // namespace

pkcs11::TokenPlace place_of(const config::TokenConfig& token, const std::string& locks) {
  const auto conf = token.environment.find(std::string(kSoftHsmConf));
  pkcs11::TokenPlace place;
  place.module = token.module;
  place.label = token.label;
  place.serial = token.serial;
  if (conf != token.environment.end()) place.softhsm_conf = conf->second;
  place.lock_folder = locks;
  return place;
}

Result<pkcs11::ModuleProfile> profile_of(const std::string& text, const std::string& module, std::string_view trust) {
  const std::optional<pkcs11::Trust> demanded = pkcs11::trust_named(trust);
  if (!demanded) return Error{ErrorCode::Invalid, std::string(trust) + " is no trust level", "settings"};
  return pkcs11::accepted_profile(text, module, *demanded);
}

Result<StartedHolder> start_holder(const config::HolderSettings& settings, SecretBytes pin) {
  const pkcs11::TokenPlace place = place_of(settings.token, settings.locks);
  ASSIGN_OR_RETURN(const pkcs11::ModuleProfile profile,
                   profile_of(settings.profile, settings.token.module, config::name_of(settings.token.trust)));
  if (place.softhsm_conf.empty()) mkdir(place.lock_folder.c_str(), 0700);  // that it is missing, open says
  // Only the holder of the anchors changes anything on its token.
  const auto access = settings.anchors ? pkcs11::Session::Access::ReadWrite : pkcs11::Session::Access::ReadOnly;
  ASSIGN_OR_RETURN(pkcs11::TokenSession session, pkcs11::TokenSession::open(place, std::move(pin), access));
  RETURN_IF_ERROR(pkcs11::check_token(profile, session.token()));
  session.session()->adapt(profile.adaptation);
  ASSIGN_OR_RETURN(HeldKeys keys, HeldKeys::find(session, settings.role, settings.algorithms));
  ASSIGN_OR_RETURN(const confinement::Needs needs, needs_of(settings, place));
  ASSIGN_OR_RETURN(confinement::Report report, confinement::confine(needs));
  // HeldKeys::find signed a canary with each key; now once more inside: a filter that forbids what this module needs to
  // sign must not let the holder say it is ready.
  RETURN_IF_ERROR(keys.check_canaries());
  return StartedHolder{std::move(session), std::move(keys), std::move(report)};
}

Json ready_message(const config::HolderSettings& settings, const StartedHolder& started) {
  Json::Array keys;
  for (const HeldPair& held : started.keys.pairs()) keys.push_back(held.described.to_json());
  return Json::object({{"event", "ready"},
                       {"role", name_of(settings.role)},
                       {"index", settings.index},
                       {"uid", std::int64_t{geteuid()}},
                       {"keys", std::move(keys)},
                       {"confinement", started.confinement.to_json()},
                       {"token", token_json(started.session.token())},
                       {"restored", Json::array(started.session.restored())}});
}

}  // namespace countersign::holder
