// keys ack: a verifier says that it holds the published key set, so that a key need not wait for the expiry gate.
#include <unistd.h>

#include "command/keys/commands.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/signer_address.h"
#include "command/line/ssh_signature.h"
#include "common/clock.h"
#include "common/secret_source.h"
#include "common/text.h"
#include "keymgmt/custodian_key.h"
#include "keymgmt/sync/trust_store.h"
#include "keymgmt/tuf/metadata.h"
#include "signer/client/signer_client.h"
#include "signer/statement/acknowledgement.h"

namespace countersign::command {
namespace {

constexpr std::size_t kNonceBytes = 16;
constexpr Flag kFlags[] = {
    {"trust", Flag::Kind::Text, "DIR", "the synced trust directory"},
    {"verifier", Flag::Kind::Text, "NAME", "who says so: a name of the roster"},
    {"ssh-key", Flag::Kind::Text, "FILE", "the verifier's own OpenSSH key"},
    {"key", Flag::Kind::Text, "FILE", "or its own key as a PEM with a passphrase"},
    {"passphrase", Flag::Kind::Text, "SOURCE", "of --key: prompt, fd:N, credential:NAME or file:PATH (default prompt)"},
    {"out", Flag::Kind::Text, "FILE", "write it there, for somebody to send, instead of sending it"},
    {"send", Flag::Kind::Text, "FILE", "send one that was written"},
    kSignerFlag,
    kAdminFlag,
};

Result<std::string> stored(const sync::TrustStore& store, const std::string& name) {
  ASSIGN_OR_RETURN(const std::optional<std::string> text, store.read(name));
  if (text) return *text;
  return Error{ErrorCode::NotFound, store.directory() + " was not synced: it has no " + name, "trust_missing",
               "countersign keys sync --from DIR|URL --trust " + store.directory()};
}

Result<std::uint64_t> version_of(const sync::TrustStore& store, const std::string& name) {
  ASSIGN_OR_RETURN(const std::string text, stored(store, name));
  ASSIGN_OR_RETURN(const tuf::SignedDocument file, tuf::SignedDocument::parse(text));
  const Json* version = file.signed_part().find("version");
  if (version == nullptr || !version->is_integer()) return Error{ErrorCode::Invalid, name + " has no version"};
  return static_cast<std::uint64_t>(version->as_integer());
}

Result<statement::Acknowledgement> acknowledgement(const Arguments& arguments) {
  const sync::TrustStore store{std::string(trimmed(arguments.text("trust")))};
  statement::Acknowledgement said;
  said.verifier = std::string(trimmed(arguments.text("verifier")));
  if (store.directory().empty() || said.verifier.empty()) {
    return Error{ErrorCode::Invalid, "keys ack needs --trust and --verifier", "flag_missing",
                 "countersign keys ack --trust ./trust --verifier gate-1 --ssh-key ~/.ssh/gate-1"};
  }
  ASSIGN_OR_RETURN(const std::string keyset, stored(store, "keyset.json"));
  said.keyset = sha256(keyset);
  ASSIGN_OR_RETURN(said.targets_version, version_of(store, "targets.json"));
  ASSIGN_OR_RETURN(said.timestamp_version, version_of(store, "timestamp.json"));
  said.at = SystemClock().now();
  said.nonce = to_hex(random_bytes(kNonceBytes));
  return said;
}

Result<Json> signature_by_key(const Arguments& arguments, const std::string& message) {
  const std::string path(trimmed(arguments.text("key")));
  ASSIGN_OR_RETURN(const SecretBytes passphrase,
                   secret_from(arguments.text("passphrase", "prompt"), "Passphrase of " + path + ": "));
  ASSIGN_OR_RETURN(const keymgmt::CustodianKey key, keymgmt::CustodianKey::from_file(path, passphrase));
  ASSIGN_OR_RETURN(Bytes signature, key.sign(view_of(message)));
  if (key.public_key().algorithm() == keymgmt::Algorithm::P256) {
    ASSIGN_OR_RETURN(signature, keymgmt::ecdsa_der(signature));
  }
  return Json::object({{"kind", "key"}, {"signature", to_base64(signature)}});
}

Result<Json> signature_by_ssh(const Arguments& arguments, const std::string& message) {
  ASSIGN_OR_RETURN(const ApproverKey key, ApproverKey::find(arguments.text("ssh-key")));
  if (key.none()) {
    return Error{ErrorCode::Invalid, "there is no key to sign the acknowledgement with", "key_missing",
                 "--ssh-key FILE or --key FILE, whose public half the roster names"};
  }
  ASSIGN_OR_RETURN(const std::string armoured, key.sign(message, statement::kAcknowledgementNamespace));
  return Json::object({{"kind", "ssh"}, {"signature", armoured}});
}

Result<Json> signed_acknowledgement(const Arguments& arguments) {
  ASSIGN_OR_RETURN(const statement::Acknowledgement said, acknowledgement(arguments));
  const std::string message = said.message();
  ASSIGN_OR_RETURN(const Json signature, arguments.given("key") ? signature_by_key(arguments, message)
                                                                : signature_by_ssh(arguments, message));
  return Json::object({{"acknowledgement", said.document()}, {"signature", signature}});
}

Result<int> ack(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "keys ack takes no arguments"};
  Json body;
  if (const std::string file(trimmed(arguments.text("send"))); !file.empty()) {
    ASSIGN_OR_RETURN(body, read_document("acknowledgement", file));
  } else {
    ASSIGN_OR_RETURN(body, signed_acknowledgement(arguments));
  }
  if (const std::string out(trimmed(arguments.text("out"))); !out.empty()) {
    RETURN_IF_ERROR(prepare_output("acknowledgement", out));
    RETURN_IF_ERROR(write_output(out, body.gait_file()));
    call.console.answer(call.json ? Json::object({{"ok", true}, {"path", out}}).compact() + "\n" : out + "\n");
    return 0;
  }
  client::SignerClient signer(admin_address(arguments));
  ASSIGN_OR_RETURN(const Json answer, signer.change("/v1/acks", body));
  Json whole = Json::object({{"ok", true}});
  for (const Json::Member& member : answer.as_object()) whole.set(member.first, member.second);
  std::string text = "acknowledged\n";
  if (const Json* waiting = answer.find("waiting"); waiting != nullptr && waiting->is_array()) {
    for (const Json& key : waiting->as_array()) {
      const Json* missing = key.find("missing");
      if (missing == nullptr || !missing->is_array() || missing->as_array().empty()) continue;
      text += "key " + std::string(key.text("kid")) + " still waits for:";
      for (const Json& name : missing->as_array()) text += " " + (name.is_string() ? name.as_string() : "");
      text += "\n";
    }
  }
  call.console.answer(call.json ? whole.compact() + "\n" : text);
  return 0;
}

}  // namespace

Command keys_ack_command() {
  return {"keys ack",
          "--trust DIR --verifier NAME [--ssh-key FILE | --key FILE]",
          "Tells the signer that this verifier holds the published key set",
          "When every verifier of a closed roster has said so, a new key may sign before its expiry gate opens. The "
          "acknowledgement is signed and carries this host's clock; where the signer is elsewhere, --out writes it and "
          "--send sends it from there.",
          "countersign keys ack --trust ./trust --verifier gate-1 --ssh-key ~/.ssh/gate-1",
          kFlags,
          Positionals::Anywhere,
          Shape::Ours,
          ack};
}

}  // namespace countersign::command
