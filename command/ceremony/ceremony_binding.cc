#include "command/ceremony/ceremony_binding.h"

#include <fcntl.h>

#include <filesystem>

#include "common/durable_file.h"
#include "common/secret_bytes.h"
#include "common/strict_yaml.h"

namespace countersign::command {
namespace {

std::string beside(const std::string& path, const std::string& name) {
  return name.starts_with('/') ? name : (std::filesystem::absolute(path).parent_path() / name).string();
}

Result<BoundToken> read_token(const YamlNode& node, const std::string& place, const std::string& file) {
  YamlFields fields(node, place);
  BoundToken token;
  ASSIGN_OR_RETURN(token.serial, fields.required_text("serial"));
  const YamlNode* pin = fields.take("pin");
  if (pin == nullptr) return Error{ErrorCode::Invalid, place + ".pin is missing"};
  YamlFields source(*pin, place + ".pin");
  const int given = int{source.has("file")} + int{source.has("credential")} + int{source.has("prompt")} +
                    int{source.has("descriptor")};
  if (given != 1) {
    return Error{ErrorCode::Invalid, place + ".pin must be one of file, credential, prompt, descriptor", "",
                 "a PIN never stands in the file"};
  }
  if (source.has("descriptor")) {
    ASSIGN_OR_RETURN(const std::int64_t number, source.integer("descriptor", -1, 3, 1023));
    token.descriptor = static_cast<int>(number);
    token.pin.kind = config::PinSource::Kind::Prompt;  // as one that was typed: read once, kept in locked memory
  } else if (source.has("prompt")) {
    ASSIGN_OR_RETURN(const bool yes, source.boolean("prompt", true));
    if (!yes) return Error{ErrorCode::Invalid, place + ".pin.prompt can only be true"};
    token.pin.kind = config::PinSource::Kind::Prompt;
  } else if (source.has("file")) {
    ASSIGN_OR_RETURN(const std::string name, source.text("file", ""));
    token.pin = {config::PinSource::Kind::File, beside(file, name)};
  } else {
    ASSIGN_OR_RETURN(const std::string name, source.text("credential", ""));
    token.pin = {config::PinSource::Kind::Credential, name};
  }
  RETURN_IF_ERROR(source.finish());
  RETURN_IF_ERROR(fields.finish());
  return token;
}

}  // namespace

Result<config::TokenConfig> Binding::token(const std::string& name) const {
  const config::TokenConfig* found = config.token(name);
  const auto bound = tokens.find(name);
  if (found == nullptr || bound == tokens.end()) {
    return Error{ErrorCode::Refused, "the binding names no token " + name + " that the configuration has",
                 "token_not_bound", "add it under `tokens` with its serial number and the source of its PIN"};
  }
  config::TokenConfig token = *found;
  token.pin = bound->second.pin;
  if (bound->second.serial.empty()) return token;
  if (!token.serial.empty() && token.serial != bound->second.serial) {
    return Error{ErrorCode::Refused,
                 "the binding has the serial number " + bound->second.serial + " for token " + name +
                     ", the configuration " + token.serial,
                 "wrong_token", "find out which is the right one"};
  }
  token.serial = bound->second.serial;
  return token;
}

Status Binding::collect_pins(const std::vector<std::string>& names, custody::PinStore& pins) const {
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const config::TokenConfig token, this->token(name));
    const BoundToken& bound = tokens.at(name);
    if (bound.descriptor >= 0) {
      Result<SecretBytes> pin = read_secret(bound.descriptor);
      if (!pin) {
        return Error{ErrorCode::Unavailable, "the PIN of token " + name + " cannot be read from descriptor " +
                                                 std::to_string(bound.descriptor) + ": " + pin.error().detail};
      }
      pins.keep(name, *std::move(pin));
    } else if (bound.pin.kind == config::PinSource::Kind::Prompt) {
      RETURN_IF_ERROR(pins.ask(name, "PIN of token " + name + " (serial number " + token.serial + "): "));
    }
  }
  return ok();
}

Result<Binding> read_binding(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_file(path));
  ASSIGN_OR_RETURN(const YamlNode document, parse_yaml(text, {}));
  YamlFields fields(document, "");
  ASSIGN_OR_RETURN(const std::int64_t version, fields.integer("binding", 0, 1, 1));
  static_cast<void>(version);
  Binding binding;
  ASSIGN_OR_RETURN(const std::string configuration, fields.required_text("configuration"));
  ASSIGN_OR_RETURN(binding.config, config::load(beside(path, configuration)));
  const YamlNode* tokens = fields.take("tokens");
  if (tokens == nullptr || tokens->kind != YamlNode::Kind::Map) {
    return Error{ErrorCode::Invalid, "tokens must be a mapping"};
  }
  for (const auto& [name, node] : tokens->map) {
    ASSIGN_OR_RETURN(BoundToken token, read_token(node, "tokens." + name, path));
    binding.tokens.emplace(name, std::move(token));
  }
  RETURN_IF_ERROR(fields.finish());
  return binding;
}

Result<Binding> binding_of_configuration(const std::string& path) {
  Binding binding;
  ASSIGN_OR_RETURN(binding.config, config::load(path));
  for (const config::TokenConfig& token : binding.config.tokens) {
    binding.tokens.emplace(token.name, BoundToken{token.serial, token.pin, -1});
  }
  return binding;
}

}  // namespace countersign::command
