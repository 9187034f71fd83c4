// ceremony approve: a custodian signs the plan before the ceremony, what it publishes during it, its transcript after.
#include <algorithm>

#include "command/ceremony/ceremony_directory.h"
#include "command/ceremony/commands.h"
#include "command/ceremony/publication_folder.h"
#include "command/ceremony/root_key.h"
#include "command/line/command.h"
#include "command/line/ssh_signature.h"
#include "common/durable_file.h"

namespace countersign::command {
namespace {

using ceremony::Custodian;
using ceremony::Intent;
using ceremony::Subject;
using ceremony::Transcript;

constexpr Flag kFlags[] = {
    {"custodian", Flag::Kind::Text, "NAME", "who signs, as the plan names them"},
    {"ssh-key", Flag::Kind::Text, "FILE", "SSH key to sign with, also a security key's (sk-…) or one in ssh-agent"},
    {"root-key", Flag::Kind::Text, "KEY",
     "root key instead: a PEM with a passphrase, or pkcs11:token=…;object=…?module-path=…"},
    {"pin", Flag::Kind::Text, "SOURCE",
     "of the root key's PIN or passphrase: prompt (default), fd:N, file:F, credential:NAME"},
};

// The person as each quorum of the plan has them: whoever changes keys has two root keys in it.
std::vector<const Custodian*> entries_of(const Intent& intent, std::string_view name) {
  std::vector<const Custodian*> found;
  if (const Custodian* custodian = intent.quorum.find(name)) found.push_back(custodian);
  for (const ceremony::Step& step : intent.steps) {
    const Custodian* custodian = step.quorum ? step.quorum->find(name) : nullptr;
    if (custodian != nullptr) found.push_back(custodian);
  }
  return found;
}

Result<const Custodian*> custodian_in(const Intent& intent, std::string_view name) {
  const std::vector<const Custodian*> found = entries_of(intent, name);
  if (!found.empty()) return found.front();
  return Error{ErrorCode::Refused, "\"" + std::string(name) + "\" is no custodian of this plan", "unknown_custodian",
               "--custodian NAME, as the plan spells it"};
}

std::vector<keymgmt::PublicKey> root_keys_of(const Intent& intent, std::string_view name) {
  std::vector<keymgmt::PublicKey> keys;
  for (const Custodian* custodian : entries_of(intent, name)) {
    if (!custodian->root_key) continue;
    const bool known = std::ranges::find(keys, custodian->root_key->kid(), &keymgmt::PublicKey::kid) != keys.end();
    if (!known) keys.push_back(*custodian->root_key);
  }
  return keys;
}

Result<int> tell(Call& call, const std::string& what, const std::string& digest, const std::string& who,
                 const std::vector<std::string>& lines) {
  const Json answer = Json::object(
      {{"ok", true}, {"signed", what}, {"sha256", digest}, {"custodian", who}, {"says", Json::array(lines)}});
  call.console.answer(call.json ? answer.compact() + "\n"
                                : who + " signed the " + what + " with sha256 " + digest + "\n");
  return 0;
}

// Plan or transcript.
Result<int> sign_content(Call& call, const Arguments& arguments, const CeremonyDirectory& directory,
                         const Intent& intent, Subject subject, const std::string& content) {
  const std::string name(arguments.text("custodian"));
  ASSIGN_OR_RETURN(const Custodian* custodian, custodian_in(intent, name));
  const ceremony::Quorum* quorum = &intent.quorum;
  for (const ceremony::Step& step : intent.steps) {
    // Whoever joins signs the plan that lets them in; the transcript is signed by those who held the ceremony.
    if (subject == Subject::Plan && quorum->find(name) == nullptr && step.quorum) quorum = &*step.quorum;
  }
  ceremony::Approval approval;
  approval.custodian = custodian->name;
  if (arguments.given("root-key")) {
    approval.kind = ceremony::Approval::Kind::RootKey;
    ASSIGN_OR_RETURN(
        const RootSignatures made,
        sign_with_root_key(std::string(arguments.text("root-key")), arguments.text("pin", "prompt"),
                           root_keys_of(intent, name), {ceremony::root_statement(subject, custodian->name, content)}));
    approval.signature = to_base64(made.signatures.front());
  } else {
    ASSIGN_OR_RETURN(const ApproverKey key, ApproverKey::find(arguments.text("ssh-key")));
    if (key.none()) {
      return Error{ErrorCode::Invalid, "there is no key to sign with", "custodian_key_missing",
                   "--ssh-key FILE, an ssh-agent that holds it, or --root-key KEY"};
    }
    ASSIGN_OR_RETURN(approval.signature, key.sign(content, ceremony::namespace_of(subject)));
  }
  RETURN_IF_ERROR(ceremony::verify_approval(*quorum, subject, content, approval));
  RETURN_IF_ERROR(directory.add(subject, approval));
  return tell(call, std::string(ceremony::name_of(subject)), sha256(content).hex(), custodian->name, {});
}

// Root and targets for the step that waits: read first, so that nobody signs what the plan does not say.
Result<int> sign_publication(Call& call, const Arguments& arguments, const std::string& dir, const Intent& intent,
                             const Transcript& transcript, const PublicationStep& asked) {
  const std::string name(arguments.text("custodian"));
  ASSIGN_OR_RETURN(const Custodian* custodian, custodian_in(intent, name));
  const publication::Agreed agreed = agreed_at(intent, transcript, static_cast<std::size_t>(asked.step));
  ASSIGN_OR_RETURN(const std::vector<std::string> lines, publication::reviewed(asked.request, agreed));
  if (!arguments.given("root-key")) {
    return Error{ErrorCode::Invalid, "the published keys are signed with root keys", "custodian_key_missing",
                 "--root-key FILE or --root-key 'pkcs11:…'"};
  }
  for (const std::string& line : lines) call.console.tell(line);
  publication::CustodianSignature made;
  made.custodian = custodian->name;
  Error last{ErrorCode::Refused, "this custodian has no root key in the plan", "root_key_missing"};
  for (const keymgmt::PublicKey& key : root_keys_of(intent, name)) {
    const publication::Messages messages = publication::messages_for(asked.request, key, agreed.after);
    std::vector<std::string> texts;
    for (const std::string& text : {messages.root, messages.targets}) {
      if (!text.empty()) texts.push_back(text);
    }
    if (texts.empty()) continue;
    const Result<RootSignatures> signatures =
        sign_with_root_key(std::string(arguments.text("root-key")), arguments.text("pin", "prompt"), {key}, texts);
    if (!signatures) last = signatures.error();
    if (!signatures && last.reason == "not_the_custodians_key") continue;
    if (!signatures) return last;
    made.key_id = tuf::key_id(key);
    if (!messages.root.empty()) made.root = signatures->signatures.front();
    if (!messages.targets.empty()) made.targets = signatures->signatures.back();
    break;
  }
  if (made.key_id.empty()) return last;
  RETURN_IF_ERROR(PublicationFolder(dir).add(asked.digest, made));
  return tell(call, "publication", asked.digest, custodian->name, lines);
}

Result<int> approve(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() != 1) {
    return Error{ErrorCode::Invalid, "ceremony approve takes one ceremony directory"};
  }
  const std::string& dir = arguments.positionals().front();
  const CeremonyDirectory directory(dir);
  ASSIGN_OR_RETURN(const Intent intent, directory.intent());
  const Result<std::string> text = read_file(directory.transcript_file(), std::size_t{16} << 20);
  ASSIGN_OR_RETURN(const Transcript transcript, Transcript::parse(text ? *text : ""));
  if (transcript.entries().empty()) return sign_content(call, arguments, directory, intent, Subject::Plan, intent.text);
  if (transcript.ended()) {
    return sign_content(call, arguments, directory, intent, Subject::Transcript, transcript.text());
  }
  ASSIGN_OR_RETURN(const std::optional<PublicationStep> asked, PublicationFolder(dir).asked());
  const auto done = std::ranges::count(transcript.entries(), std::string("step"), &ceremony::Entry::kind);
  if (asked && asked->step == done) return sign_publication(call, arguments, dir, intent, transcript, *asked);
  return Error{ErrorCode::Conflict, "the ceremony is under way; its transcript is signed at the end", "ceremony_begun",
               "countersign ceremony resume DIR"};
}

}  // namespace

Command ceremony_approve_command() {
  return {"ceremony approve",
          "DIR --custodian NAME [--ssh-key FILE | --root-key KEY]",
          "Signs the plan before the ceremony, what it publishes during it, its transcript after it",
          "What is published is read against the plan and shown before it is signed, with the root key that the plan\n"
          "gives the custodian. By hand: ssh-keygen -Y sign -n ceremony-plan@countersign -f KEY DIR/intent.yaml, the\n"
          "signature to DIR/plan-signatures/NAME; ceremony-transcript@countersign and transcript.jsonl after it.",
          "countersign ceremony approve rotation-7 --custodian alice --root-key alice.pem",
          kFlags,
          Positionals::Anywhere,
          Shape::Ours,
          approve};
}

}  // namespace countersign::command
