#include "command/evidence/incident.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "command/evidence/pack_making.h"
#include "command/evidence/runpack_file.h"
#include "command/evidence/triage_item.h"
#include "command/line/input_file.h"
#include "common/digest.h"
#include "common/durable_file.h"
#include "common/strict_yaml.h"
#include "common/text.h"
#include "packs/evidence_pack.h"
#include "signer/process/child_program.h"

namespace countersign::command {
namespace {

constexpr const char* kDefaultSettings = "/etc/countersign/incidents.yaml";
constexpr std::chrono::seconds kHookTime{60};
constexpr std::size_t kHookOutput = std::size_t{64} << 10;
constexpr std::size_t kLongestTicket = 200;
constexpr std::size_t kIdDigits = 16;
constexpr std::string_view kReports[] = {"report.txt", "report.html"};

// A settings file names a program, so only root and the caller may have written it, as with the folder it lies in.
Status check_owner(const std::string& path) {
  const std::string folder = std::filesystem::absolute(path).parent_path();
  for (const std::string& each : {path, folder}) {
    struct stat facts {};
    if (::stat(each.c_str(), &facts) != 0) {
      return Error{ErrorCode::Invalid, each + ": " + std::generic_category().message(errno)};
    }
    const bool shared_folder = each == folder && (facts.st_mode & S_ISVTX) != 0;
    if ((facts.st_uid == 0 || facts.st_uid == ::geteuid()) && ((facts.st_mode & 022) == 0 || shared_folder)) continue;
    return Error{ErrorCode::Refused, each + " can be written by others, and names a program that is run",
                 "settings_writable", "chown root " + each + " && chmod go-w " + each};
  }
  return ok();
}

std::string id_of(const IncidentCause& cause) {
  const Json* signature = cause.trace ? cause.trace->find("signature") : nullptr;
  const Json what = Json::object({{"command", cause.command},
                                  {"code", cause.code},
                                  {"run_id", cause.run_id},
                                  {"trace", signature == nullptr ? "" : signature->text("signed_digest")},
                                  {"message", cause.code.empty() ? cause.message : ""}});
  return "inc_" + what.digest().hex().substr(0, kIdDigits);
}

// The pack, and its reports beside it. Fails as make_pack does.
Result<Json> collect(const Arguments& arguments, const std::string& folder) {
  const std::string path = folder + "/evidence_pack.zip";
  ASSIGN_OR_RETURN(const MadePack made, make_pack(arguments, path));
  ASSIGN_OR_RETURN(const std::string bytes, read_archive("evidence pack", path));
  ASSIGN_OR_RETURN(const packs::EvidencePack pack, packs::EvidencePack::parse(bytes));
  for (const std::string_view name : kReports) {
    const std::string* report = packs::content_named(pack.files(), name);
    if (report != nullptr) RETURN_IF_ERROR(write_output(folder + "/" + std::string(name), *report));
  }
  return Json::object({{"path", path},
                       {"pack_id", made.manifest.text("pack_id")},
                       {"log_proofs", made.log_proofs},
                       {"unverified", made.unverified}});
}

struct HandedOver {
  std::string ticket;
  std::string error;
};

// Only what the hook needs of our environment; no key, no socket, no secret.
std::vector<std::string> hook_environment() {
  std::vector<std::string> out = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  if (const char* home = std::getenv("HOME"); home != nullptr) out.push_back(std::string("HOME=") + home);
  return out;
}

HandedOver hand_over(const std::vector<std::string>& hook, const Json& incident) {
  const auto done = process::run_confined(
      hook, incident.compact() + "\n", {.environment = hook_environment(), .time = kHookTime, .output = kHookOutput});
  if (!done) return {"", done.error().detail};
  if (done->exit_code != 0) {
    return {"", hook.front() + " ended with " + std::to_string(done->exit_code) + ": " +
                    displayed(done->errors.substr(0, done->errors.find('\n'))).substr(0, kLongestTicket)};
  }
  return {displayed(done->output.substr(0, done->output.find('\n'))).substr(0, kLongestTicket), ""};
}

// What was written of the incident before.
std::optional<Json> written_before(const std::string& path) {
  const Result<std::string> text = read_file(path, std::size_t{1} << 20);
  if (!text) return std::nullopt;
  Result<Json> json = Json::parse(*text);
  if (!json || !json->is_object()) return std::nullopt;
  return *std::move(json);
}

std::string pretty(const Json& json) {
  return json.gait_file();
}

}  // namespace

Result<std::optional<IncidentSettings>> incident_settings() {
  const char* named = std::getenv("COUNTERSIGN_INCIDENTS");
  const std::string path = named != nullptr && *named != '\0' ? named : kDefaultSettings;
  if (path == kDefaultSettings && ::access(path.c_str(), F_OK) != 0) return std::optional<IncidentSettings>();
  RETURN_IF_ERROR(check_owner(path));
  ASSIGN_OR_RETURN(const std::string text, read_input("incident settings", path));
  ASSIGN_OR_RETURN(const YamlNode root, parse_yaml(text, YamlLimits()));
  YamlFields fields(root, "");
  IncidentSettings out;
  ASSIGN_OR_RETURN(out.directory, fields.required_text("directory"));
  ASSIGN_OR_RETURN(out.hook, fields.texts("hook"));
  RETURN_IF_ERROR(fields.finish());
  if (!out.directory.starts_with('/')) return Error{ErrorCode::Invalid, path + ": directory must be absolute"};
  if (!out.hook.empty() && !out.hook.front().starts_with('/')) {
    return Error{ErrorCode::Invalid, path + ": hook must begin with the absolute path of a program"};
  }
  return std::optional(std::move(out));
}

Result<OpenedIncident> open_incident(const IncidentSettings& settings, const IncidentCause& cause,
                                     const Arguments& arguments, UtcTime now) {
  OpenedIncident out;
  out.id = id_of(cause);
  out.folder = settings.directory + "/" + out.id;
  const std::string file = out.folder + "/incident.json";
  const std::optional<Json> before = written_before(file);
  if (before && before->text("status") == "handed_over") {
    out.status = "handed_over";
    out.ticket = before->text("ticket");
    out.known = true;
    return out;
  }
  RETURN_IF_ERROR(prepare_output("incident", file));
  Json incident = Json::object(
      {{"incident_id", out.id},
       {"opened_at", before ? before->text("opened_at") : now.rfc3339()},
       {"folder", out.folder},
       {"run_id", cause.run_id},
       {"cause", Json::object({{"command", cause.command}, {"code", cause.code}, {"message", cause.message}})}});
  if (cause.trace) {
    const Json item = triage_item(*cause.trace, cause.trace_path, "incident");
    RETURN_IF_ERROR(write_output(out.folder + "/triage.json", pretty(item)));
    incident.set("triage", item);
  }
  if (cause.run_id.empty()) {
    out.pack_error = "no run is known";
  } else if (const Result<Json> pack = collect(arguments, out.folder)) {
    incident.set("pack", *pack);
  } else {
    out.pack_error = pack.error().detail;
  }
  if (!out.pack_error.empty()) incident.set("pack_error", out.pack_error);
  out.status = "open";
  incident.set("status", out.status);
  // Written before it is handed over: whatever the hook does, nothing is lost.
  RETURN_IF_ERROR(write_output(file, pretty(incident)));
  if (settings.hook.empty()) return out;
  HandedOver handed = hand_over(settings.hook, incident);
  out.ticket = std::move(handed.ticket);
  out.hook_error = std::move(handed.error);
  if (out.hook_error.empty()) {
    out.status = "handed_over";
    incident.set("status", out.status);
    incident.set("ticket", out.ticket);
  } else {
    incident.set("hook_error", out.hook_error);
  }
  RETURN_IF_ERROR(write_output(file, pretty(incident)));
  return out;
}

}  // namespace countersign::command
