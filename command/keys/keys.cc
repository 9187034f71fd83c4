// keys list, show, export: the public halves and their states.
#include <algorithm>

#include "command/keys/commands.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/padded.h"
#include "command/line/signer_address.h"
#include "keymgmt/key_set.h"
#include "signer/client/signer_client.h"

namespace countersign::command {
namespace {

using keymgmt::KeySet;
using keymgmt::PublishedKey;

constexpr Flag kListFlags[] = {
    {"role", Flag::Kind::Text, "ROLE", "only the keys of this role"},
    kSignerFlag,
};
constexpr Flag kShowFlags[] = {kSignerFlag};
constexpr Flag kExportFlags[] = {
    {"format", Flag::Kind::Text, "FORMAT", "pem, jwk, jwks, ssh, minisign, gait or raw"},
    {"role", Flag::Kind::Text, "ROLE", "the active key of this role (without a KID)"},
    {"out", Flag::Kind::Text, "FILE", "write there instead of stdout"},
    kSignerFlag,
};

std::string until(const PublishedKey& key) {
  return key.not_after ? key.not_after->rfc3339() : std::string("open");
}

Result<std::optional<keymgmt::Role>> role_flag(const Arguments& arguments) {
  const std::string_view name = arguments.text("role");
  if (name.empty()) return std::optional<keymgmt::Role>();
  const std::optional<keymgmt::Role> role = keymgmt::role_named(name);
  if (!role) return Error{ErrorCode::Invalid, "there is no role \"" + std::string(name) + "\"", "unknown_role"};
  return role;
}

Json described(const PublishedKey& key) {
  Json aliases = Json(Json::Object{});
  for (const auto& [name, value] : key.key.aliases()) aliases.set(name, value);
  Json json = Json::object({{"ok", true},
                            {"kid", key.key.kid()},
                            {"key_id", key.key.gait_key_id()},
                            {"role", keymgmt::name_of(key.role)},
                            {"algorithm", keymgmt::name_of(key.key.algorithm())},
                            {"state", keymgmt::name_of(key.state)},
                            {"not_before", key.not_before.rfc3339()}});
  if (key.not_after) json.set("not_after", key.not_after->rfc3339());
  if (key.compromised_since) json.set("compromised_since", key.compromised_since->rfc3339());
  json.set("aliases", std::move(aliases));
  json.set("jwk", key.key.jwk(key.role));
  return json;
}

Error unknown_key(const std::string& name) {
  return Error{ErrorCode::NotFound, "the signer publishes no key \"" + name + "\"", "unknown_key",
               "`countersign keys list` lists them"};
}

Result<int> list(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "keys list takes no arguments"};
  ASSIGN_OR_RETURN(const std::optional<keymgmt::Role> role, role_flag(arguments));
  client::SignerClient signer(signer_address(arguments).path);
  ASSIGN_OR_RETURN(const KeySet keys, signer.keys());
  Json::Array rows;
  std::string text = padded("role", 13) + padded("algorithm", 11) + padded("state", 13) + padded("kid", 45) + "valid\n";
  for (const PublishedKey& key : keys.keys()) {
    if (role && key.role != *role) continue;
    text += padded(keymgmt::name_of(key.role), 13) + padded(keymgmt::name_of(key.key.algorithm()), 11) +
            padded(keymgmt::name_of(key.state), 13) + padded(key.key.kid(), 45) + key.not_before.rfc3339() + " to " +
            until(key) + "\n";
    Json row = described(key);
    row.erase("ok");
    rows.push_back(std::move(row));
  }
  call.console.answer(call.json ? Json::object({{"ok", true},
                                                {"version", keys.version()},
                                                {"issued_at", keys.issued_at().rfc3339()},
                                                {"keys", std::move(rows)}})
                                          .compact() +
                                      "\n"
                                : text);
  return 0;
}

Result<int> show(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() != 1) return Error{ErrorCode::Invalid, "keys show takes one key name"};
  client::SignerClient signer(signer_address(arguments).path);
  ASSIGN_OR_RETURN(const KeySet keys, signer.keys());
  const std::string& name = arguments.positionals().front();
  const PublishedKey* key = keys.find(name);
  if (key == nullptr) return unknown_key(name);
  if (call.json) {
    call.console.answer(described(*key).compact() + "\n");
    return 0;
  }
  std::string text =
      padded("kid", 14) + key->key.kid() + "\n" + padded("role", 14) + std::string(keymgmt::name_of(key->role)) + "\n" +
      padded("algorithm", 14) + std::string(keymgmt::name_of(key->key.algorithm())) + "\n" + padded("state", 14) +
      std::string(keymgmt::name_of(key->state)) + "\n" + padded("valid", 14) + key->not_before.rfc3339() + " to " +
      until(*key) + "\n" + padded("key_id", 14) + key->key.gait_key_id() + "\n";
  for (const auto& [alias, value] : key->key.aliases()) text += padded(alias, 14) + value + "\n";
  call.console.answer(text + key->key.pem());
  return 0;
}

// A way to write one key.
struct Format {
  std::string_view name;
  std::string (*text)(const PublishedKey& key);  // empty where the key's algorithm has no such form
};
std::string comment_of(const PublishedKey& key) {
  return "countersign-" + std::string(keymgmt::name_of(key.role)) + "-" + key.key.kid();
}
std::string line(std::string text) {
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  return text;
}
constexpr Format kFormats[] = {
    {"pem", [](const PublishedKey& key) { return line(key.key.pem()); }},
    {"jwk", [](const PublishedKey& key) { return line(key.key.jwk(key.role).compact()); }},
    {"ssh", [](const PublishedKey& key) { return line(key.key.ssh_line(comment_of(key))); }},
    {"minisign", [](const PublishedKey& key) { return line(key.key.minisign_text(comment_of(key))); }},
    {"gait", [](const PublishedKey& key) { return line(key.key.gait_text()); }},
    {"raw", [](const PublishedKey& key) { return std::string(text_of(key.key.raw())); }},
};

// The key named, or the active one of --role: its default algorithm first.
Result<const PublishedKey*> chosen_key(const KeySet& keys, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::optional<keymgmt::Role> role, role_flag(arguments));
  if (!arguments.positionals().empty()) {
    const std::string& name = arguments.positionals().front();
    const PublishedKey* key = keys.find(name);
    if (key == nullptr || (role && key->role != *role)) return unknown_key(name);
    return key;
  }
  if (!role) return Error{ErrorCode::Invalid, "name a key, or --role ROLE for its active key", "key_missing"};
  for (const keymgmt::Algorithm algorithm : keymgmt::kAlgorithms) {
    if (const PublishedKey* key = keys.active(*role, algorithm)) return key;
  }
  return Error{ErrorCode::NotFound, "role " + std::string(keymgmt::name_of(*role)) + " has no active key",
               "no_active_key"};
}

Result<std::string> exported(const KeySet& keys, const Arguments& arguments) {
  const std::string_view name = arguments.text("format", "pem");
  if (name == "jwks") return keys.jwks().compact() + "\n";
  const auto format = std::ranges::find(kFormats, name, &Format::name);
  if (format == std::end(kFormats)) {
    return Error{ErrorCode::Invalid, "there is no format \"" + std::string(name) + "\"", "unknown_format",
                 "pem, jwk, jwks, ssh, minisign, gait or raw"};
  }
  ASSIGN_OR_RETURN(const PublishedKey* key, chosen_key(keys, arguments));
  std::string text = format->text(*key);
  if (text.empty()) {
    return Error{
        ErrorCode::Invalid,
        "a " + std::string(keymgmt::name_of(key->key.algorithm())) + " key has no form \"" + std::string(name) + "\"",
        "format_unfit", "use pem, jwk, jwks or ssh"};
  }
  return text;
}

Result<int> export_key(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() > 1) return Error{ErrorCode::Invalid, "keys export takes one key name at most"};
  client::SignerClient signer(signer_address(arguments).path);
  ASSIGN_OR_RETURN(const KeySet keys, signer.keys());
  ASSIGN_OR_RETURN(const std::string text, exported(keys, arguments));
  const std::string format(arguments.text("format", "pem"));
  if (const std::string out(arguments.text("out")); !out.empty()) {
    RETURN_IF_ERROR(prepare_output("key", out));
    RETURN_IF_ERROR(write_output(out, text));
    call.console.answer(call.json ? Json::object({{"ok", true}, {"format", format}, {"path", out}}).compact() + "\n"
                                  : out + "\n");
    return 0;
  }
  if (!call.json) {
    call.console.answer(text);
    return 0;
  }
  // Raw bytes are no JSON text.
  const std::string value = format == "raw" ? to_base64(view_of(text)) : text;
  call.console.answer(Json::object({{"ok", true}, {"format", format}, {"key", value}}).compact() + "\n");
  return 0;
}

}  // namespace

Command keys_list_command() {
  return {"keys list",
          "[--role ROLE]",
          "Lists the published keys and their states",
          "",
          "countersign keys list --role trace",
          kListFlags,
          Positionals::Anywhere,
          Shape::Ours,
          list};
}

Command keys_show_command() {
  return {"keys show",
          "KID",
          "Shows one key by its kid or any other name it has",
          "",
          "countersign keys show 9f2c4e…",
          kShowFlags,
          Positionals::Anywhere,
          Shape::Ours,
          show};
}

Command keys_export_command() {
  return {"keys export",
          "[KID] --format FORMAT [--role ROLE]",
          "Writes a public key as other tools read it",
          "",
          "countersign keys export --role trace --format pem > trace.pem",
          kExportFlags,
          Positionals::Anywhere,
          Shape::Ours,
          export_key};
}

}  // namespace countersign::command
