// Sections `tokens` and `roles`.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "signer/config/sections.h"

namespace countersign::config {
namespace {

// What a module may be told through its environment, and whether the value is a path. Anything else could change how
// the holder itself loads and runs (LD_PRELOAD, OPENSSL_CONF, P11_KIT_…).
struct AllowedVariable {
  std::string_view name;
  bool path;
};
constexpr AllowedVariable kAllowedVariables[] = {
    {"SOFTHSM2_CONF", true},               // SoftHSM
    {"TPM2_PKCS11_STORE", true},           // tpm2-pkcs11
    {"TPM2_PKCS11_TCTI", false},           //
    {"YUBIHSM_PKCS11_CONF", true},         // YubiHSM 2
    {"CS_PKCS11_R3_CFG", true},            // Utimaco
    {"ChrystokiConfigurationPath", true},  // Thales Luna
    {"CKNFAST_LOADSHARING", false},        // Entrust nShield
    {"CLOUDHSM_ROLE", false},              // AWS CloudHSM
};

bool plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  }) && name.front() != '.';
}

// Who can replace the module can take the key's place: it and its folder belong to root or us and nobody else writes.
void check_module(Reading& reading, const std::string& path, const TokenConfig& token) {
  Findings& findings = reading.findings;
  const std::string& module = token.module;
  if (module.front() != '/') return findings.error(path, "must be an absolute path");
  const uid_t loader = token.user ? token.user->uid : geteuid();
  const std::array<std::string, 2> places = {module, std::filesystem::path(module).parent_path().string()};
  for (const std::string& place : places) {
    struct stat facts {};
    if (stat(place.c_str(), &facts) != 0) {
      return findings.error(path, "names " + place + ", which is not there",
                            "apt install softhsm2, or the vendor's module");
    }
    if (facts.st_uid != 0 && facts.st_uid != loader) {
      findings.error(path, "names " + place + ", which belongs neither to root nor to the user that loads it");
    }
    if ((facts.st_mode & 022) != 0) {
      findings.error(path, "names " + place + ", which others than its owner can write", "chmod go-w " + place);
    }
  }
}

PinSource read_pin(Reading& reading, const YamlNode& node, const std::string& path) {
  PinSource pin;
  YamlFields fields(node, path);
  const int given = int{fields.has("file")} + int{fields.has("credential")} + int{fields.has("prompt")};
  if (given != 1) {
    reading.findings.error(path,
                           "must be exactly one of {file: PATH}, {credential: NAME}, {prompt: true}" + at_line(node),
                           "a PIN never stands in this file");
  }
  if (fields.has("file")) {
    pin.kind = PinSource::Kind::File;
    pin.name = reading.absolute(reading.findings.keep(fields.text("file", "")));
    if (pin.name.empty()) reading.findings.error(path + ".file", "is empty" + at_line(node));
  } else if (fields.has("credential")) {
    pin.kind = PinSource::Kind::Credential;
    pin.name = reading.findings.keep(fields.text("credential", ""));
    if (!plain_name(pin.name)) {
      reading.findings.error(path + ".credential", "must be the name of a systemd credential" + at_line(node));
    }
  } else if (fields.has("prompt")) {
    pin.kind = PinSource::Kind::Prompt;
    if (!reading.findings.keep(fields.boolean("prompt", true))) {
      reading.findings.error(path + ".prompt", "can only be true" + at_line(node));
    }
  }
  reading.findings.keep(fields.finish());
  return pin;
}

void read_environment(Reading& reading, TokenConfig& token, const YamlNode& node, const std::string& path) {
  YamlFields fields(node, path);
  for (const AllowedVariable& variable : kAllowedVariables) {
    if (!fields.has(variable.name)) continue;
    const std::string value = reading.findings.keep(fields.text(variable.name, ""));
    token.environment[std::string(variable.name)] = variable.path ? reading.absolute(value) : value;
  }
  for (const auto& [name, value] : node.map) {
    if (token.environment.contains(name)) continue;
    reading.findings.error(path + "." + name, "is not an environment variable a module may be given" + at_line(value));
  }
}

TokenConfig::Confinement read_confinement(Reading& reading, YamlFields& fields) {
  const std::string word = reading.findings.keep(fields.text("confinement", "file"));
  if (word == "local_socket") return TokenConfig::Confinement::LocalSocket;
  if (word == "network") return TokenConfig::Confinement::Network;
  if (word != "file") {
    reading.findings.error(fields.path_of("confinement"), "must be file, local_socket or network, not " + word);
  }
  return TokenConfig::Confinement::File;
}

TokenConfig read_token(Reading& reading, const std::string& name, const YamlNode& node) {
  Findings& findings = reading.findings;
  TokenConfig token;
  token.name = name;
  YamlFields fields(node, "tokens." + name);
  if (!plain_name(name)) findings.error("tokens." + name, "must be a short name of letters, digits, '-', '_' and '.'");
  token.module = findings.keep(fields.required_text("module"));
  token.user = read_user(reading, fields, "user");
  if (!token.module.empty()) check_module(reading, fields.path_of("module"), token);
  token.label = findings.keep(fields.text("label", ""));
  token.serial = findings.keep(fields.text("serial", ""));
  if (token.label.empty() && token.serial.empty()) {
    findings.error("tokens." + name, "needs a label, a serial or both" + at_line(node));
  }
  if (token.label.size() > 32) findings.error(fields.path_of("label"), "is longer than PKCS#11's 32 bytes");
  if (token.serial.size() > 16) findings.error(fields.path_of("serial"), "is longer than PKCS#11's 16 bytes");
  if (const YamlNode* environment = fields.take("environment")) {
    read_environment(reading, token, *environment, fields.path_of("environment"));
  }
  if (const YamlNode* pin = fields.take("pin")) {
    token.pin = read_pin(reading, *pin, fields.path_of("pin"));
  } else {
    findings.error(fields.path_of("pin"), "is missing" + at_line(node), "pin: {file: PATH}");
  }
  const std::string restart = findings.keep(fields.text("pin_on_restart", "keep"));
  if (restart != "keep" && restart != "ask") findings.error(fields.path_of("pin_on_restart"), "must be keep or ask");
  token.pin_on_restart_ask = restart == "ask";
  if (token.pin_on_restart_ask && token.pin.kind != PinSource::Kind::Prompt) {
    findings.error(fields.path_of("pin_on_restart"), "is for pin: {prompt: true} only");
  }
  token.confinement = read_confinement(reading, fields);
  if (token.confinement == TokenConfig::Confinement::Network) {
    findings.warning(fields.path_of("confinement"), "lets this token's holders use the network");
  }
  const std::string trust = findings.keep(fields.text("trust", "binding"));
  if (trust != "binding" && trust != "claimed") findings.error(fields.path_of("trust"), "must be binding or claimed");
  if (trust == "claimed") {
    token.trust = TokenConfig::Trust::Claimed;
    findings.warning(fields.path_of("trust"),
                     "accepts a module that was not seen to hold to its keys' attributes: who has the PIN may be able "
                     "to take the keys out");
  }
  token.concurrent = static_cast<int>(findings.keep(fields.integer("concurrent", 0, 0, 64)));
  findings.keep(fields.finish());
  return token;
}

std::vector<keymgmt::Algorithm> read_algorithms(Reading& reading, YamlFields& fields) {
  std::vector<std::string> names = {"ed25519"};
  if (const YamlNode* node = fields.take("algorithm")) {
    names = node->kind == YamlNode::Kind::Sequence ? reading.findings.keep(fields.texts("algorithm"))
                                                   : std::vector{reading.findings.keep(fields.text("algorithm", ""))};
  }
  std::vector<keymgmt::Algorithm> algorithms;
  for (const std::string& name : names) {
    const std::optional<keymgmt::Algorithm> algorithm = keymgmt::algorithm_named(name);
    const bool repeated = algorithm && std::find(algorithms.begin(), algorithms.end(), *algorithm) != algorithms.end();
    if (!algorithm || repeated) {
      reading.findings.error(fields.path_of("algorithm"), "must be ed25519, p256 or a list of both");
      continue;
    }
    algorithms.push_back(*algorithm);
  }
  if (algorithms.empty()) {
    if (names.empty()) reading.findings.error(fields.path_of("algorithm"), "is an empty list");
    algorithms.push_back(keymgmt::Algorithm::Ed25519);
  }
  return algorithms;
}

RoleConfig read_role(Reading& reading, keymgmt::Role role, const YamlNode& node) {
  Findings& findings = reading.findings;
  const std::string name(keymgmt::name_of(role));
  RoleConfig read;
  read.role = role;
  YamlFields fields(node, "roles." + name);
  const std::string token = findings.keep(fields.required_text("token"));
  read.token = token;
  if (!token.empty() && reading.config.token(token) == nullptr) {
    findings.error(fields.path_of("token"), "names no token of this file: " + token + at_line(node));
  }
  read.algorithms = read_algorithms(reading, fields);
  for (const keymgmt::Algorithm algorithm : read.algorithms) {
    if (algorithm != keymgmt::Algorithm::P256) continue;
    findings.warning(
        fields.path_of("algorithm"),
        "has p256: gait, minisign and signify know Ed25519 only, so its signatures verify with countersign, "
        "openssl, JOSE and OpenSSH tools alone");
  }
  read.holders = static_cast<int>(findings.keep(fields.integer("holders", 1, 1, 16)));
  read.standby_token = findings.keep(fields.text("standby_token", ""));
  if (!read.standby_token.empty() && reading.config.token(read.standby_token) == nullptr) {
    findings.error(fields.path_of("standby_token"), "names no token of this file: " + read.standby_token);
  }
  if (fields.has("rotate_every")) {
    read.rotate_every = findings.keep(fields.duration("rotate_every", std::chrono::hours(1)));
  }
  findings.keep(fields.finish());
  return read;
}

void find_repeated_tokens(Reading& reading) {
  const std::vector<TokenConfig>& tokens = reading.config.tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (tokens[i].module == tokens[j].module && tokens[i].environment == tokens[j].environment &&
          tokens[i].label == tokens[j].label && tokens[i].serial == tokens[j].serial) {
        reading.findings.error("tokens." + tokens[i].name, "is the same token as tokens." + tokens[j].name,
                               "name it once; several roles may use it");
      }
    }
  }
}

void warn_of_shared_and_unused_tokens(Reading& reading) {
  for (const TokenConfig& token : reading.config.tokens) {
    std::string users;
    int count = 0;
    for (const RoleConfig& role : reading.config.roles) {
      if (role.token != token.name && role.standby_token != token.name) continue;
      users += (count++ == 0 ? "" : ", ") + std::string(keymgmt::name_of(role.role));
    }
    if (count == 0) reading.findings.warning("tokens." + token.name, "is used by no role");
    if (count > 1) {
      reading.findings.warning("tokens." + token.name, "serves several roles (" + users + "): separation is reduced",
                               "give each role a token of its own");
    }
  }
}

}  // namespace

std::string_view name_of(TokenConfig::Trust trust) {
  return trust == TokenConfig::Trust::Binding ? "binding" : "claimed";
}

void read_tokens(Reading& reading, YamlFields& document) {
  const YamlNode* tokens = document.take("tokens");
  if (tokens == nullptr || tokens->kind != YamlNode::Kind::Map || tokens->map.empty()) {
    return reading.findings.error("tokens", "must be a mapping with at least one token");
  }
  for (const auto& [name, node] : tokens->map) reading.config.tokens.push_back(read_token(reading, name, node));
  find_repeated_tokens(reading);
}

void read_roles(Reading& reading, YamlFields& document) {
  const YamlNode* roles = document.take("roles");
  if (roles == nullptr || roles->kind != YamlNode::Kind::Map) {
    return reading.findings.error("roles", "must be a mapping with approval, trace and release");
  }
  for (const auto& [name, node] : roles->map) {
    const std::optional<keymgmt::Role> role = keymgmt::role_named(name);
    if (!role) {
      reading.findings.error("roles." + name,
                             "is no role; there are approval, trace, release, log, publication" + at_line(node));
      continue;
    }
    reading.config.roles.push_back(read_role(reading, *role, node));
  }
  for (const keymgmt::Role needed : {keymgmt::Role::Approval, keymgmt::Role::Trace, keymgmt::Role::Release}) {
    if (roles->find(keymgmt::name_of(needed)) == nullptr) {
      reading.findings.error("roles." + std::string(keymgmt::name_of(needed)), "is missing" + at_line(*roles));
    }
  }
  warn_of_shared_and_unused_tokens(reading);
}

}  // namespace countersign::config
