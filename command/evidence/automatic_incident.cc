#include "command/evidence/automatic_incident.h"

#include <algorithm>

#include "command/evidence/incident.h"
#include "command/evidence/pack_evidence.h"
#include "command/evidence/runpack_file.h"
#include "command/line/input_file.h"
#include "command/line/signer_address.h"
#include "common/text.h"
#include "packs/evidence_pack.h"

namespace countersign::command {
namespace {

enum class Subject { Intent, Trace, Pack };

bool failed_to_evaluate(int exit_code) {
  constexpr int kVerdicts[] = {0, 3, 4};
  return std::ranges::find(kVerdicts, exit_code) == std::end(kVerdicts);
}
bool did_not_verify(int exit_code) {
  return exit_code == row_of(ErrorCode::VerificationFailed).exit_code;
}

struct Trigger {
  std::string_view words;
  bool (*failed)(int exit_code);
  Subject subject;
  std::string_view flag;  // that names the subject; else the first argument does
};
constexpr Trigger kTriggers[] = {
    {"gate eval", failed_to_evaluate, Subject::Intent, "intent"},
    {"run", did_not_verify, Subject::Intent, "intent"},
    {"trace verify", did_not_verify, Subject::Trace, "path"},
    {"guard verify", did_not_verify, Subject::Pack, ""},
};

std::string subject_path(const Trigger& trigger, const Arguments& arguments) {
  const std::string named(trigger.flag.empty() ? std::string_view() : trimmed(arguments.text(trigger.flag)));
  if (!named.empty() || arguments.positionals().empty() || trigger.subject == Subject::Intent) return named;
  return arguments.positionals().front();
}

// The run that the subject names, as far as it can be read at all.
void read_subject(const Trigger& trigger, const std::string& path, IncidentCause& cause) {
  if (path.empty()) return;
  if (trigger.subject == Subject::Pack) {
    const Result<std::string> bytes = read_archive("evidence pack", path);
    const auto pack = bytes ? packs::EvidencePack::parse(*bytes) : Result<packs::EvidencePack>(bytes.error());
    if (pack) cause.run_id = pack->run_id();
    return;
  }
  Result<Json> document = read_document("", path);
  if (!document) return;
  if (trigger.subject == Subject::Trace) {
    cause.run_id = document->text("run_id");
    cause.trace = *std::move(document);
    cause.trace_path = path;
  } else if (const Json* context = document->find("context")) {
    cause.run_id = trimmed(context->text("run_id"));
  }
}

// Only the pack's own flags: the failed command's say nothing about it but the signer.
Result<Arguments> pack_arguments(const std::string& run, const std::string& signer) {
  std::vector<Flag> flags(std::begin(kEvidenceFlags), std::end(kEvidenceFlags));
  flags.insert(flags.end(), std::begin(kPackFlags), std::end(kPackFlags));
  flags.push_back(kSignerFlag);
  const std::vector<std::string> words = {"--run", run, "--signer", signer, "--allow-unverified"};
  return Arguments::parse(flags, Positionals::Anywhere, words);
}

}  // namespace

void open_incident_of(const Command& command, Call& call, const Arguments& arguments, int exit_code) {
  const auto trigger = std::ranges::find(kTriggers, command.words, &Trigger::words);
  if (trigger == std::end(kTriggers) || !trigger->failed(exit_code)) return;
  const auto told = [&call](const Error& error) { call.console.tell("incident: not opened: " + error.detail); };
  const Result<std::optional<IncidentSettings>> settings = incident_settings();
  if (!settings) return told(settings.error());
  if (!*settings) return;
  IncidentCause cause;
  cause.command = command.words;
  cause.code = call.failure ? call.failure->wire_code() : "exit_" + std::to_string(exit_code);
  cause.message = call.failure ? call.failure->detail : "";
  read_subject(*trigger, subject_path(*trigger, arguments), cause);
  const Result<Arguments> collected = pack_arguments(cause.run_id, signer_address(arguments).path);
  if (!collected) return told(collected.error());
  const auto opened = open_incident(**settings, cause, *collected, SystemClock().now());
  if (!opened) return told(opened.error());
  call.console.tell("incident: " + opened->id + (opened->known ? " is known" : " opened in " + opened->folder) +
                    (opened->ticket.empty() ? "" : ", ticket " + opened->ticket));
  if (!opened->pack_error.empty()) call.console.tell("incident: no evidence pack yet: " + opened->pack_error);
  if (!opened->hook_error.empty()) call.console.tell("incident: not handed over: " + opened->hook_error);
}

}  // namespace countersign::command
