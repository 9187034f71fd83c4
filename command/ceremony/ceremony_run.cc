#include "command/ceremony/ceremony_run.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <set>

#include "command/ceremony/interruption.h"
#include "common/durable_file.h"
#include "keymgmt/ceremony/comparison.h"
#include "signer/custody/holder_run.h"

namespace countersign::command {
namespace {

using ceremony::Step;
using ceremony::StepKind;
using channel::CustodyRequest;

constexpr std::string_view kDeviation = "otherwise than rehearsed: ";
constexpr std::string_view kAccepted = "accepted: ";
constexpr std::size_t kLargestProgram = std::size_t{256} << 20;

Json tools() {
  Json::Object digests;
  for (const std::string name : {"countersign", "countersignd", "countersign-holder"}) {
    const Result<std::string> content = read_file(programs_folder() + "/" + name, kLargestProgram);
    digests.emplace_back(name, content ? Json(sha256(*content).hex()) : Json("not there"));
  }
  return Json(std::move(digests));
}

Json host() {
  utsname facts{};
  if (uname(&facts) != 0) return Json();
  return Json::object({{"system", facts.sysname}, {"release", facts.release}, {"machine", facts.machine}});
}

std::vector<std::string> tokens_of(const ceremony::Intent& intent) {
  std::vector<std::string> names;
  for (const Step& step : intent.steps) {
    if (!ceremony::row_of(step.kind).token) continue;
    if (std::ranges::find(names, step.token) == names.end()) names.push_back(step.token);
  }
  return names;
}

}  // namespace

CeremonyRun::CeremonyRun(RunSettings settings, Console& console)
    : settings_(std::move(settings)), console_(console), signer_(settings_.binding.config.admin_socket) {}

std::string CeremonyRun::sent_kid(const std::string& kid) const {
  const auto found = settings_.stand_ins.find(kid);
  return found == settings_.stand_ins.end() ? kid : found->second;
}

Status CeremonyRun::write(std::string_view kind, Json members) {
  return transcript_.append(kind, std::move(members), SystemClock().now());
}

Status CeremonyRun::exception(const std::string& what) {
  console_.tell("exception: " + what);
  return write("exception", Json::object({{"what", what}}));
}

std::size_t CeremonyRun::steps_done() const {
  return static_cast<std::size_t>(
      std::ranges::count(transcript_.entries(), std::string("step"), &ceremony::Entry::kind));
}

Status CeremonyRun::run() {
  ASSIGN_OR_RETURN(transcript_, ceremony::Transcript::open(settings_.transcript));
  const bool begun = !transcript_.entries().empty();
  if (settings_.fresh && begun) {
    return Error{ErrorCode::Conflict, settings_.transcript + " is there: this ceremony was begun", "ceremony_begun",
                 "countersign ceremony resume DIR"};
  }
  if (!settings_.rehearsal.empty()) {
    ASSIGN_OR_RETURN(const std::string text, read_file(settings_.rehearsal, std::size_t{16} << 20));
    ASSIGN_OR_RETURN(rehearsed_, ceremony::Transcript::parse(text));
  }
  const ceremony::Intent& intent = settings_.intent;
  if (begun && transcript_.entries().front().json.text("intent_sha256") != intent.digest.hex()) {
    return Error{ErrorCode::Refused, "the plan was changed after this ceremony began", "plan_changed",
                 "bring the plan back that was signed; its digest stands in the first line of the transcript"};
  }
  if (transcript_.ended()) return ok();
  RETURN_IF_ERROR(settings_.binding.collect_pins(tokens_of(intent), pins_));
  // First keys come before the appliance that could judge the plan: `establish` judges it.
  if (intent.purpose != ceremony::Purpose::FirstKeys) RETURN_IF_ERROR(open());
  if (!begun) RETURN_IF_ERROR(begin());
  if (begun) {
    RETURN_IF_ERROR(write("resumed", Json::object({{"after_step", static_cast<std::int64_t>(steps_done())}})));
    if (transcript_.torn() > 0) RETURN_IF_ERROR(exception("the last line was torn off by an interruption"));
  }
  RETURN_IF_ERROR(accept_deviation());
  RETURN_IF_ERROR(look_at_tokens());
  for (std::size_t number = steps_done(); number < intent.steps.size(); ++number) {
    RETURN_IF_ERROR(check_interruption());
    RETURN_IF_ERROR(take(number));
  }
  return end();
}

Status CeremonyRun::open() {
  ASSIGN_OR_RETURN(
      const Json opened,
      signer_.change("/v1/ceremonies", Json::object({{"intent", settings_.sent_intent},
                                                     {"approvals", ceremony::approvals_json(settings_.approvals)}})));
  plan_ = opened.text("sha256");
  return ok();
}

Status CeremonyRun::begin() {
  const ceremony::Intent& intent = settings_.intent;
  return write("begin", Json::object({{"format", 1},
                                      {"mode", settings_.rehearsing ? "rehearsal" : "run"},
                                      {"name", intent.name},
                                      {"purpose", ceremony::name_of(intent.purpose)},
                                      {"intent", intent.text},
                                      {"intent_sha256", intent.digest.hex()},
                                      {"approvals", ceremony::approvals_json(settings_.approvals)},
                                      {"administrator", intent.administrator},
                                      {"witnesses", Json::array(intent.witnesses)},
                                      {"tools", tools()},
                                      {"version", COUNTERSIGN_VERSION},
                                      {"host", host()}}));
}

// Before anything is made: the right tokens, their modules, and what is on them.
Status CeremonyRun::look_at_tokens() {
  std::set<std::string> seen;
  for (const ceremony::Entry& entry : transcript_.entries()) {
    if (entry.kind == "token") seen.insert(std::string(entry.json.text("token")));
  }
  for (const std::string& name : tokens_of(settings_.intent)) {
    const Result<Json> looked = on_token(name, CustodyRequest{});
    if (!looked) {
      if (looked.error().reason != "interrupted") {
        RETURN_IF_ERROR(exception("token " + name + ": " + looked.error().wire_code() + ": " + looked.error().detail));
      }
      return looked.error();
    }
    if (seen.contains(name)) continue;
    const Json& found = *looked;
    Json entry = Json::object({{"token", name}});
    for (const char* member : {"info", "module", "mechanisms", "profile", "trust", "attestation", "held"}) {
      entry.set(member, *found.find(member));
    }
    RETURN_IF_ERROR(write("token", std::move(entry)));
    const Json* info = found.find("info");
    console_.tell("token " + name + ": " + std::string(info->text("manufacturer")) + " " +
                  std::string(info->text("model")) + ", serial number " + std::string(info->text("serial")) +
                  ", trust " + std::string(found.text("trust")));
    RETURN_IF_ERROR(compare_last());
  }
  return ok();
}

Result<Json> CeremonyRun::on_token(const std::string& name, CustodyRequest request) {
  ASSIGN_OR_RETURN(const config::TokenConfig token, settings_.binding.token(name));
  const channel::SetupRequest bare = custody::bare_request(settings_.binding.config, token);
  request.module = bare.module;
  request.label = bare.label;
  request.serial = bare.serial;
  request.profile = bare.profile;
  request.trust = bare.trust;
  ASSIGN_OR_RETURN(const int pin, pins_.open(token));
  Result<Json> answer =
      custody::run_holder(programs_folder() + "/countersign-holder", "custody", token, request.to_json(), pin, -1);
  if (!answer && answer.error().reason == "token_not_found") {
    return Error{ErrorCode::Refused, answer.error().detail, "wrong_token",
                 "insert the token with the serial number that the binding names"};
  }
  return answer;
}

Result<Json> CeremonyRun::initials() {
  Json::Object given;
  for (const std::string& person : settings_.intent.initials_wanted()) {
    const auto known = settings_.initials.find(person);
    std::string text = settings_.rehearsing ? "-" : known == settings_.initials.end() ? "" : known->second;
    while (text.empty()) {
      console_.tell("initials of " + person + ":");
      if (!std::getline(std::cin, text) && text.empty()) {
        RETURN_IF_ERROR(check_interruption());
        return Error{ErrorCode::Unavailable, "nobody gave the initials of " + person, "initials_missing",
                     "the step is done; give them when you resume"};
      }
    }
    given.emplace_back(person, Json(text));
  }
  return Json(std::move(given));
}

Status CeremonyRun::take(std::size_t number) {
  const Step& step = settings_.intent.steps[number];
  const std::string place =
      "step " + std::to_string(number + 1) + " of " + std::to_string(settings_.intent.steps.size()) + ": ";
  console_.tell(place + step.title() + "\n  " + std::string(ceremony::row_of(step.kind).does) +
                "\n  expected: " + step.expected());
  // What is found done later may then be this attempt's work.
  const ceremony::Entry* attempt = transcript_.last("attempt");
  const bool resumed =
      attempt != nullptr && attempt->json.find("step")->as_integer() == static_cast<std::int64_t>(number);
  if (!resumed) RETURN_IF_ERROR(write("attempt", Json::object({{"step", static_cast<std::int64_t>(number)}})));
  Result<Json> observed = act(number, resumed);
  if (!observed) {
    if (observed.error().reason != "interrupted" && observed.error().reason != "cutover_too_early" &&
        observed.error().reason != "signatures_needed") {
      RETURN_IF_ERROR(exception(place + observed.error().wire_code() + ": " + observed.error().detail));
    }
    return observed.error();
  }
  console_.tell("  observed: " + observed->compact().substr(0, 400));
  ASSIGN_OR_RETURN(Json signs, initials());
  RETURN_IF_ERROR(write("step", Json::object({{"step", static_cast<std::int64_t>(number)},
                                              {"title", step.title()},
                                              {"expected", step.expected()},
                                              {"observed", *std::move(observed)},
                                              {"initials", std::move(signs)}})));
  return compare_last();
}

// A deviation that stopped the ceremony goes on stopping it until somebody says why it may go on.
Status CeremonyRun::accept_deviation() {
  bool open = false;
  for (const ceremony::Entry& entry : transcript_.entries()) {
    const std::string_view what = entry.kind == "exception" ? entry.json.text("what") : std::string_view();
    if (what.starts_with(kDeviation)) open = what.find(kAccepted) == std::string_view::npos;
    if (what.starts_with(kAccepted)) open = false;
  }
  if (!open) return ok();
  if (!settings_.accept.empty()) return exception(std::string(kAccepted) + settings_.accept);
  return Error{ErrorCode::Refused, "the ceremony went otherwise than rehearsed, and nobody accepted it", "deviation",
               "decide together; countersign ceremony resume DIR --accept REASON goes on and writes it down"};
}

Status CeremonyRun::compare_last() {
  if (!rehearsed_) return ok();
  const std::vector<const ceremony::Entry*> real = ceremony::compared_entries(transcript_);
  const std::vector<const ceremony::Entry*> before = ceremony::compared_entries(*rehearsed_);
  const std::size_t place = real.size() - 1;
  std::vector<std::string> found = {"there is no such line in the rehearsal"};
  if (place < before.size()) found = ceremony::differences(*before[place], *real[place]);
  if (found.empty()) return ok();
  std::string listed;
  for (const std::string& path : found) listed += (listed.empty() ? "" : ", ") + path;
  RETURN_IF_ERROR(exception(std::string(kDeviation) + listed +
                            (settings_.accept.empty() ? "" : "; " + std::string(kAccepted) + settings_.accept)));
  if (!settings_.accept.empty()) return ok();
  return Error{ErrorCode::Refused, "the ceremony goes otherwise than rehearsed: " + listed, "deviation",
               "decide together; countersign ceremony resume DIR --accept REASON goes on and writes it down"};
}

Status CeremonyRun::end() {
  Json::Array keys;
  for (const Step& step : settings_.intent.steps) {
    const Json* key = step.kind == StepKind::Generate ? made_key(step.label) : nullptr;
    if (key != nullptr) keys.push_back(*key);
  }
  Json members = Json::object({{"outcome", "completed"}, {"keys", std::move(keys)}});
  if (rehearsed_) members.set("rehearsal", Json::object({{"head", rehearsed_->head()}}));
  RETURN_IF_ERROR(write("end", std::move(members)));
  console_.tell("done: all " + std::to_string(settings_.intent.steps.size()) + " steps");
  return ok();
}

}  // namespace countersign::command
