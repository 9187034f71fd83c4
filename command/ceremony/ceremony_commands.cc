// ceremony rehearse, run, resume, verify, status.
#include <filesystem>

#include "command/ceremony/ceremony_directory.h"
#include "command/ceremony/ceremony_reading.h"
#include "command/ceremony/ceremony_rehearsal.h"
#include "command/ceremony/ceremony_run.h"
#include "command/ceremony/commands.h"
#include "command/ceremony/interruption.h"
#include "command/line/command.h"
#include "command/line/signer_address.h"
#include "common/durable_file.h"
#include "common/strict_yaml.h"
#include "keymgmt/ceremony/check.h"

namespace countersign::command {
namespace {

using ceremony::Subject;

constexpr Flag kBindingFlag = {"binding", Flag::Kind::Text, "FILE", "the machine's side; default DIR/binding.yaml"};
constexpr Flag kRehearseFlags[] = {
    kBindingFlag,
    {"config", Flag::Kind::Text, "FILE", "the appliance's configuration, whose roles and tokens are played"},
};
constexpr Flag kRunFlags[] = {
    kBindingFlag,
    {"initials", Flag::Kind::Text, "NAME=XX,…", "initials of those present at every step; who is missing is asked"},
    {"wait", Flag::Kind::Switch, "", "wait for a cut-over gate instead of stopping before it"},
    {"accept", Flag::Kind::Text, "REASON", "go on although it went otherwise than rehearsed; written down"},
    {"backup", Flag::Kind::Text, "WHERE", "where the backup of the keys is, where the plan demands one"},
    {"abandon", Flag::Kind::Text, "REASON", "resume only: end the ceremony for good"},
};
constexpr Flag kVerifyFlags[] = {
    {"custodians", Flag::Kind::Text, "FILE", "the custodians as you know them: {threshold, custodians: […]}"},
    {"html", Flag::Kind::Text, "FILE", "also write it for reading, with key fingerprints as QR codes"},
    {"text", Flag::Kind::Text, "FILE", "the same as text"},
};
constexpr Flag kStatusFlags[] = {kSignerFlag, kAdminFlag};

Result<std::string> directory_in(const Arguments& arguments, std::string_view command) {
  if (arguments.positionals().size() == 1) return arguments.positionals().front();
  return Error{ErrorCode::Invalid, std::string(command) + " takes one ceremony directory"};
}

std::string binding_file(const Arguments& arguments, const CeremonyDirectory& directory) {
  return arguments.given("binding") ? std::string(arguments.text("binding")) : directory.binding_file();
}

Result<int> rehearse(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string dir, directory_in(arguments, "ceremony rehearse"));
  const CeremonyDirectory directory(dir);
  ASSIGN_OR_RETURN(const LockedFile lock, directory.lock());
  ASSIGN_OR_RETURN(const ceremony::Intent intent, directory.intent());
  ASSIGN_OR_RETURN(const Binding like, arguments.given("config")
                                           ? binding_of_configuration(std::string(arguments.text("config")))
                                           : read_binding(binding_file(arguments, directory)));
  remember_interruption();
  call.console.tell("making a scratch appliance on SoftHSM");
  ASSIGN_OR_RETURN(const std::unique_ptr<ScratchAppliance> scratch, ScratchAppliance::start(like.config, intent));
  ASSIGN_OR_RETURN(RunSettings settings, scratch->settings_for(intent));
  // A rehearsal is always whole: what an earlier one left is replaced once this one is complete.
  const std::string fresh = directory.rehearsal_file() + ".new";
  std::error_code error;
  std::filesystem::remove(fresh, error);
  settings.transcript = fresh;
  CeremonyRun run(std::move(settings), call.console);
  RETURN_IF_ERROR(run.run());
  std::filesystem::rename(fresh, directory.rehearsal_file(), error);
  if (error) return Error{ErrorCode::Unavailable, "cannot rename " + fresh + ": " + error.message()};
  RETURN_IF_ERROR(sync_directory(dir));
  const Json answer = Json::object({{"ok", true},
                                    {"rehearsal", directory.rehearsal_file()},
                                    {"plan_sha256", intent.digest.hex()},
                                    {"head", run.transcript().head()}});
  call.console.answer(call.json ? answer.compact() + "\n"
                                : "rehearsed; the real run is compared with " + directory.rehearsal_file() + "\n");
  return 0;
}

Result<std::map<std::string, std::string>> initials_in(std::string_view text) {
  std::map<std::string, std::string> initials;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view pair = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals + 1 == pair.size()) {
      return Error{ErrorCode::Invalid, "--initials takes NAME=XX, separated by commas"};
    }
    initials.emplace(std::string(pair.substr(0, equals)), std::string(pair.substr(equals + 1)));
  }
  return initials;
}

Result<std::string> file_of_rehearsal(const CeremonyDirectory& directory, const ceremony::Intent& intent) {
  const Result<std::string> text = read_file(directory.rehearsal_file(), std::size_t{16} << 20);
  if (!text && !intent.rehearsal_required) return std::string();
  const std::string hint = "countersign ceremony rehearse DIR --config FILE";
  if (!text) return Error{ErrorCode::Refused, "this plan was not rehearsed", "not_rehearsed", hint};
  ASSIGN_OR_RETURN(const ceremony::Transcript rehearsal, ceremony::Transcript::parse(*text));
  const bool whole = rehearsal.ended() && rehearsal.torn() == 0 &&
                     rehearsal.entries().front().json.text("intent_sha256") == intent.digest.hex();
  if (!whole) return Error{ErrorCode::Refused, "the rehearsal is of another plan, or not whole", "not_rehearsed", hint};
  return directory.rehearsal_file();
}

// The transcript is whole: once enough have signed it, the signer is told that the ceremony is over.
Result<int> close(Call& call, const CeremonyDirectory& directory, const ceremony::Intent& intent,
                  const std::string& transcript, const std::string& admin) {
  RETURN_IF_ERROR(write_readings(directory, transcript));
  ASSIGN_OR_RETURN(const std::vector<ceremony::Approval> signatures, directory.signatures(Subject::Transcript));
  const auto by = ceremony::approved_by(intent.quorum, Subject::Transcript, transcript, signatures);
  if (!by) {
    call.console.tell("the transcript is complete: read it (" + directory.reading_file("txt") +
                      ", .html) and sign it: " + "countersign ceremony approve DIR --custodian NAME");
    return by.error();
  }
  client::SignerClient signer(admin);
  const Result<Json> closed = signer.change(
      "/v1/ceremonies/" + intent.digest.hex() + "/close",
      Json::object(
          {{"outcome", "completed"}, {"transcript", transcript}, {"approvals", ceremony::approvals_json(signatures)}}));
  if (!closed && closed.error().reason == "no_ceremony") {
    const Result<std::string> ended = signer.get("/v1/ceremonies/" + intent.digest.hex());
    if (!ended) return closed.error();
  } else if (!closed) {
    return closed.error();
  }
  const Json answer = Json::object({{"ok", true},
                                    {"transcript", directory.transcript_file()},
                                    {"sha256", sha256(transcript).hex()},
                                    {"signed_by", Json::array(*by)}});
  call.console.answer(call.json ? answer.compact() + "\n"
                                : "closed: transcript " + sha256(transcript).hex() + " signed by " +
                                      std::to_string(by->size()) + " custodians\n");
  return 0;
}

Result<int> run_or_resume(Call& call, const Arguments& arguments, bool fresh) {
  ASSIGN_OR_RETURN(const std::string dir, directory_in(arguments, fresh ? "ceremony run" : "ceremony resume"));
  const CeremonyDirectory directory(dir);
  ASSIGN_OR_RETURN(const LockedFile lock, directory.lock());
  ASSIGN_OR_RETURN(const ceremony::Intent intent, directory.intent());
  RunSettings settings;
  ASSIGN_OR_RETURN(settings.binding, read_binding(binding_file(arguments, directory)));
  const std::string admin = settings.binding.config.admin_socket;
  if (!fresh && arguments.given("abandon")) {
    client::SignerClient signer(admin);
    RETURN_IF_ERROR(signer.change("/v1/ceremonies/" + intent.digest.hex() + "/close",
                                  Json::object({{"outcome", "abandoned"}, {"reason", arguments.text("abandon")}})));
    call.console.answer(call.json ? "{\"ok\":true,\"outcome\":\"abandoned\"}\n"
                                  : "abandoned; keys that it made and did not stage stay on their tokens until a "
                                    "ceremony destroys them\n");
    return 0;
  }
  settings.intent = intent;
  settings.sent_intent = intent.text;
  ASSIGN_OR_RETURN(settings.approvals, directory.signatures(Subject::Plan));
  // Said here too, before anybody types a PIN; the signer decides.
  for (const ceremony::Approval& approval : settings.approvals) {
    if (intent.quorum.find(approval.custodian) == nullptr) continue;
    RETURN_IF_ERROR(ceremony::verify_approval(intent.quorum, Subject::Plan, intent.text, approval));
  }
  settings.configuration = settings.binding.config.path;
  settings.directory = dir;
  settings.transcript = directory.transcript_file();
  ASSIGN_OR_RETURN(settings.rehearsal, file_of_rehearsal(directory, intent));
  settings.wait = arguments.is_on("wait");
  ASSIGN_OR_RETURN(settings.initials, initials_in(arguments.text("initials")));
  settings.accept = arguments.text("accept");
  settings.backup = arguments.text("backup");
  settings.fresh = fresh;
  remember_interruption();
  CeremonyRun run(std::move(settings), call.console);
  RETURN_IF_ERROR(run.run());
  return close(call, directory, intent, run.transcript().text(), admin);
}

Result<int> run(Call& call, const Arguments& arguments) {
  return run_or_resume(call, arguments, true);
}

Result<int> resume(Call& call, const Arguments& arguments) {
  return run_or_resume(call, arguments, false);
}

Result<int> verify(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string dir, directory_in(arguments, "ceremony verify"));
  const CeremonyDirectory directory(dir);
  if (!arguments.given("custodians")) {
    return Error{ErrorCode::Invalid, "whose signatures are to be believed?", "custodians_missing",
                 "--custodians FILE, which you got another way than this transcript"};
  }
  ASSIGN_OR_RETURN(const std::string pinned_text, read_file(std::string(arguments.text("custodians"))));
  ASSIGN_OR_RETURN(const YamlNode node, parse_yaml(pinned_text, {}));
  ASSIGN_OR_RETURN(const ceremony::Quorum pinned, ceremony::read_quorum(node, "custodians"));
  ASSIGN_OR_RETURN(const std::string text, read_file(directory.transcript_file(), std::size_t{16} << 20));
  ASSIGN_OR_RETURN(const std::vector<ceremony::Approval> signatures, directory.signatures(Subject::Transcript));
  Result<ceremony::Checked> checked = ceremony::check_ceremony(text, signatures, pinned);
  if (!checked) {
    Error error = std::move(checked).error();
    // Whatever is wrong with it, it is not verified.
    error.code = ErrorCode::VerificationFailed;
    return error;
  }
  if (arguments.given("html")) {
    RETURN_IF_ERROR(write_durable(std::string(arguments.text("html")), html_reading(text), 0644));
  }
  if (arguments.given("text")) {
    RETURN_IF_ERROR(write_durable(std::string(arguments.text("text")), text_reading(text), 0644));
  }
  const Json answer = Json::object({{"ok", true},
                                    {"name", checked->intent.name},
                                    {"plan_sha256", checked->intent.digest.hex()},
                                    {"transcript_sha256", sha256(text).hex()},
                                    {"planned_by", Json::array(checked->planned_by)},
                                    {"signed_by", Json::array(checked->signed_by)},
                                    {"exceptions", Json::array(checked->exceptions)},
                                    {"keys", checked->keys}});
  std::string told = "verified: " + checked->intent.name + ", plan " + checked->intent.digest.hex() + ", transcript " +
                     sha256(text).hex() + "\n";
  for (const std::string& name : checked->signed_by) told += "signed by " + name + "\n";
  for (const std::string& what : checked->exceptions) told += "exception: " + what + "\n";
  for (const Json& key : checked->keys.as_array()) {
    told += std::string(key.text("role")) + " " + std::string(key.text("algorithm")) + " " +
            std::string(key.text("kid")) + " sha256 " + std::string(key.text("sha256")) + "\n";
  }
  call.console.answer(call.json ? answer.compact() + "\n" : told);
  return 0;
}

Result<int> status(Call& call, const Arguments& arguments) {
  client::SignerClient signer(admin_address(arguments));
  ASSIGN_OR_RETURN(const std::string text, signer.get("/v1/ceremonies"));
  ASSIGN_OR_RETURN(Json listed, Json::parse(text));
  listed.set("ok", true);
  const Json* open = listed.find("open");
  const Json* ended = listed.find("ended");
  const Json* standing = listed.find("standing");
  std::string told = open != nullptr && open->is_object() ? "open: " + std::string(open->text("name")) + " since " +
                                                                std::string(open->text("opened_at")) + "\n"
                                                          : "no ceremony is open\n";
  if (ended != nullptr && ended->is_array()) {
    for (const Json& each : ended->as_array()) {
      told += std::string(each.text("closed_at")) + " " + std::string(each.text("outcome")) + ": " +
              std::string(each.text("name")) + "\n";
    }
  }
  const Json* quorum = standing == nullptr ? nullptr : standing->find("quorum");
  if (quorum != nullptr && quorum->is_object()) {
    told += "custodians: " + std::to_string(quorum->find("threshold")->as_integer()) + " of " +
            std::to_string(quorum->find("custodians")->as_array().size()) + "\n";
  } else {
    told += "custodians: none in office; the first ceremony enrols them\n";
  }
  call.console.answer(call.json ? listed.compact() + "\n" : told);
  return 0;
}

}  // namespace

Command ceremony_rehearse_command() {
  return {"ceremony rehearse",
          "DIR --config FILE",
          "Runs a plan on a scratch appliance on SoftHSM",
          "The same programs, roles and steps on throw-away tokens; the real run is compared with its transcript, "
          "member by\n"
          "member, except for what docs/ceremonies.md lists.",
          "countersign ceremony rehearse rotation-7 --config /etc/countersign/countersign.yaml",
          kRehearseFlags,
          Positionals::Anywhere,
          Shape::Ours,
          rehearse};
}

Command ceremony_run_command() {
  return {
      "ceremony run",
      "DIR [--binding FILE]",
      "Runs a plan that its custodians signed",
      "Says each step, what is expected and what was observed, and asks for initials. Ctrl-C, a crash or a power loss\n"
      "ends nothing for good: resume goes on. Exit 4: a cut-over gate is still shut, or custodians have to sign what\n"
      "is published (ceremony approve).",
      "countersign ceremony run rotation-7",
      kRunFlags,
      Positionals::Anywhere,
      Shape::Ours,
      run};
}

Command ceremony_resume_command() {
  return {"ceremony resume",
          "DIR [--accept REASON] [--abandon REASON]",
          "Goes on with a ceremony, or closes it once its transcript is signed",
          "Finds out what is done from the tokens and the signer, not from memory. --abandon ends it for good.",
          "countersign ceremony resume rotation-7",
          kRunFlags,
          Positionals::Anywhere,
          Shape::Ours,
          resume};
}

Command ceremony_verify_command() {
  return {"ceremony verify",
          "DIR --custodians FILE",
          "Verifies a ceremony with nothing but its directory and the custodians' keys",
          "Offline. Exit 2 where anything does not hold.",
          "countersign ceremony verify rotation-7 --custodians pinned-custodians.json",
          kVerifyFlags,
          Positionals::Anywhere,
          Shape::Ours,
          verify};
}

Command ceremony_status_command() {
  return {"ceremony status",
          "",
          "Shows the open ceremony, those that ended, and who the custodians are",
          "",
          "countersign ceremony status",
          kStatusFlags,
          Positionals::Anywhere,
          Shape::Ours,
          status};
}

}  // namespace countersign::command
