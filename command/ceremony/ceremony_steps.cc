// The steps of a ceremony, each to be done again without harm (ceremony_run.h).
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "command/ceremony/ceremony_run.h"
#include "command/ceremony/interruption.h"
#include "common/digest.h"
#include "signer/channel/holder_setup.h"
#include "signer/process/child_program.h"

namespace countersign::command {
namespace {

using ceremony::Step;
using ceremony::StepKind;
using channel::CustodyRequest;

constexpr std::chrono::milliseconds kAskAgain{100};
constexpr std::chrono::seconds kHoldersStart{60};

// The public half in every format that people have tools for.
Json in_all_formats(const channel::HeldKey& held) {
  const keymgmt::PublicKey& key = held.key;
  Json formats = Json::object({{"kid", key.kid()},
                               {"role", keymgmt::name_of(held.role)},
                               {"algorithm", keymgmt::name_of(key.algorithm())},
                               {"label", held.label},
                               {"id", held.token_id},
                               {"pem", key.pem()},
                               {"jwk", key.jwk(held.role)},
                               {"ssh", key.ssh_line(held.label)},
                               {"sha256", sha256(ByteView(key.spki())).hex()}});
  if (!key.gait_text().empty()) formats.set("gait", key.gait_text());
  if (!key.minisign_text(held.label).empty()) formats.set("minisign", key.minisign_text(held.label));
  Json::Object aliases;
  for (const auto& [name, value] : key.aliases()) aliases.emplace_back(name, Json(value));
  formats.set("aliases", Json(std::move(aliases)));
  return formats;
}

Result<Json> run_establish(const std::string& configuration, const Json& request) {
  ASSIGN_OR_RETURN(const process::Finished finished,
                   process::run_program({programs_folder() + "/countersignd", "establish", "--config", configuration},
                                        request.compact()));
  Result<Json> answer = Json::parse(finished.output);
  if (!answer || !answer->is_object()) {
    return Error{ErrorCode::Unavailable, "countersignd establish ended with " + std::to_string(finished.exit_code)};
  }
  const Json* error = answer->find("error");
  if (error == nullptr) return answer;
  const std::string code(error->text("code"));
  const std::optional<ErrorCode> known = error_code_named(code);
  return Error{known.value_or(ErrorCode::Refused), std::string(error->text("message")), known ? "" : code,
               std::string(error->text("hint"))};
}

bool to_be_asked_again(const Error& error) {
  return error.reason == "key_not_held" || error.reason == "keys_changing" ||
         (error.code == ErrorCode::Unavailable && error.reason != "interrupted");
}

}  // namespace

std::string programs_folder() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

Result<Json> CeremonyRun::act(std::size_t number, bool resumed) {
  const Step& step = settings_.intent.steps[number];
  switch (step.kind) {
    case StepKind::Generate:
      return generate(step, resumed);
    case StepKind::Stage:
      return stage(number, step);
    case StepKind::Activate:
      return activate(number, step);
    case StepKind::Halt:
      return halt(number, step);
    case StepKind::Destroy:
      return destroy(number, step);
    case StepKind::Custodians:
      return custodians(number, step);
    case StepKind::Roster: {
      RETURN_IF_ERROR(ask_signer(number, Json::object({})));
      return Json::object({{"agreed", true}});
    }
    case StepKind::Establish:
      return establish(number);
  }
  std::abort();
}

Result<Json> CeremonyRun::establish(std::size_t number) {
  Json::Array keys;
  for (const Step& step : settings_.intent.steps) {
    if (step.kind != StepKind::Generate) continue;
    const Json* made = made_key(step.label);
    if (made == nullptr) return Error{ErrorCode::Internal, "no step of this transcript made " + step.label};
    ASSIGN_OR_RETURN(const keymgmt::PublicKey half, keymgmt::PublicKey::from_pem(made->text("pem")));
    keys.push_back(channel::HeldKey{step.role, half, step.id, step.label, true}.to_json());
  }
  Json request = Json::object({{"intent", settings_.sent_intent},
                               {"approvals", ceremony::approvals_json(settings_.approvals)},
                               {"keys", std::move(keys)}});
  Json publication;
  if (!settings_.rehearsing) {
    Json asking = request;
    asking.set("propose", true);
    ASSIGN_OR_RETURN(const Json proposal, run_establish(settings_.configuration, asking));
    if (const Json* asked = proposal.find("request"); asked != nullptr) {
      ASSIGN_OR_RETURN(const publication::SigningRequest proposed, publication::SigningRequest::from_json(*asked));
      ASSIGN_OR_RETURN(publication, signed_publication(number, proposed, request));
    }
  }
  ASSIGN_OR_RETURN(const Json answer, run_establish(settings_.configuration, request));
  if (settings_.start_appliance) RETURN_IF_ERROR(settings_.start_appliance());
  Json observed = Json::object(
      {{"ledger", "made"}, {"keys_active", static_cast<std::int64_t>(answer.find("keys")->as_array().size())}});
  if (publication.is_object()) observed.set("publication", std::move(publication));
  return observed;
}

Result<Json> CeremonyRun::custodians(std::size_t number, const Step& step) {
  Json body = Json::object({});
  Json publication;
  // In a rehearsal nobody has a root key, and the trial root stays.
  if (!settings_.rehearsing && !step.quorum->root_keys().empty()) {
    ASSIGN_OR_RETURN(
        publication,
        add_publication(
            number, Json::object({{"token", ""}, {"keys", Json::Array{}}, {"quorum", step.quorum->to_json()}}), body));
  }
  RETURN_IF_ERROR(ask_signer(number, std::move(body)));
  Json observed = Json::object({{"agreed", true}});
  if (publication.is_object()) observed.set("publication", std::move(publication));
  return observed;
}

Result<Json> CeremonyRun::ask_signer(std::size_t number, Json body) {
  body.set("step", static_cast<std::int64_t>(number));
  return signer_.change("/v1/ceremonies/" + plan_ + "/steps", body);
}

Result<Json> CeremonyRun::generate(const Step& step, bool resumed) {
  CustodyRequest request;
  request.act = CustodyRequest::Act::Generate;
  request.role = step.role;
  request.algorithm = step.algorithm;
  request.id = step.id;
  request.key_label = step.label;
  request.resumed = resumed;
  ASSIGN_OR_RETURN(const Json made, on_token(step.token, request));
  if (made.find("half_made")->as_integer() > 0) {
    RETURN_IF_ERROR(exception("a half-made key of an interrupted attempt was destroyed and the key made anew"));
  }
  if (!made.find("made")->as_bool()) {
    RETURN_IF_ERROR(exception("the key was made by an attempt that was interrupted; it was read back again"));
  }
  ASSIGN_OR_RETURN(const channel::HeldKey held, channel::HeldKey::from_json(*made.find("key")));
  Json observed = Json::object({{"key", in_all_formats(held)},
                                {"attributes", *made.find("attributes")},
                                {"departures", *made.find("departures")},
                                {"attestation", *made.find("attestation")}});
  if (!step.backup || settings_.rehearsing) return observed;
  if (settings_.backup.empty()) {
    return Error{ErrorCode::Refused, "the plan demands a backup of " + step.label + " before it counts",
                 "backup_missing",
                 "make it with the vendor's tool; countersign ceremony resume DIR --backup 'where it is'"};
  }
  observed.set("backup", Json::object({{"where", settings_.backup}}));
  return observed;
}

const Json* CeremonyRun::made_key(const std::string& label) const {
  for (const ceremony::Entry& entry : transcript_.entries()) {
    const Json* observed = entry.kind == "step" ? entry.json.find("observed") : nullptr;
    const Json* key = observed == nullptr ? nullptr : observed->find("key");
    if (key != nullptr && key->is_object() && key->text("label") == label) return key;
  }
  return nullptr;
}

Result<Json> CeremonyRun::stage(std::size_t number, const Step& step) {
  const Json* key = made_key(step.key);
  if (key == nullptr) return Error{ErrorCode::Internal, "no step of this transcript made " + step.key};
  ASSIGN_OR_RETURN(const keymgmt::PublicKey half, keymgmt::PublicKey::from_pem(key->text("pem")));
  const channel::HeldKey held{*keymgmt::role_named(key->text("role")), half, std::string(key->text("id")),
                              std::string(key->text("label")), true};
  Json body = Json::object({{"key", held.to_json()}});
  const ceremony::Step* making = settings_.intent.making(step.key);
  if (making != nullptr && making->backup) body.set("backup", settings_.rehearsing ? "rehearsal" : "in the transcript");
  Json publication;
  // A key that is published already was staged before an interruption: the step answers as it did then.
  if (making != nullptr && !key_named(half.kid())) {
    const Json keys = Json::object({{"token", making->token}, {"keys", Json::Array{held.to_json()}}});
    ASSIGN_OR_RETURN(publication, add_publication(number, keys, body));
  }
  ASSIGN_OR_RETURN(const Json staged, ask_signer(number, std::move(body)));
  ASSIGN_OR_RETURN(const Json listed, key_named(half.kid()));
  Json observed = Json::object({{"kid", half.kid()}, {"published", true}, {"gate_opens", staged.text("gate_opens")}});
  if (publication.is_object()) observed.set("publication", std::move(publication));
  return observed;
}

Result<Json> CeremonyRun::key_named(const std::string& kid) {
  ASSIGN_OR_RETURN(const std::string text, signer_.get("/v1/keys/" + kid));
  return Json::parse(text);
}

Result<Json> CeremonyRun::activate(std::size_t number, const Step& step) {
  const Json* made = made_key(step.key);
  const std::string kid = made == nullptr ? sent_kid(step.key) : std::string(made->text("kid"));
  const auto until = std::chrono::steady_clock::now() + kHoldersStart;
  for (;;) {
    const Result<Json> activated = ask_signer(number, Json::object({}));
    if (activated) break;
    const Error& error = activated.error();
    if (error.reason == "cutover_too_early" && !settings_.wait) {
      return Error{ErrorCode::ApprovalRequired, error.detail, error.reason,
                   "countersign ceremony resume DIR when it has opened, or --wait"};
    }
    const bool patience =
        error.reason == "cutover_too_early" || (to_be_asked_again(error) && std::chrono::steady_clock::now() < until);
    if (!patience) return error;
    RETURN_IF_ERROR(check_interruption());
    std::this_thread::sleep_for(kAskAgain);
  }
  ASSIGN_OR_RETURN(const Json key, key_named(kid));
  if (key.text("state") != "active") {
    return Error{ErrorCode::Conflict, "the key " + kid + " is " + std::string(key.text("state")) + ", not active",
                 "not_active"};
  }
  return Json::object({{"kid", kid}, {"state", "active"}});
}

Result<Json> CeremonyRun::halt(std::size_t number, const Step& step) {
  ASSIGN_OR_RETURN(const Json halted, ask_signer(number, Json::object({})));
  const std::string kid = sent_kid(step.key);
  ASSIGN_OR_RETURN(const Json key, key_named(kid));
  const Json* since = key.find("compromised_since");
  if (since == nullptr || since->is_null()) {
    return Error{ErrorCode::Conflict, "the key " + kid + " is not marked as compromised", "not_halted"};
  }
  Json observed = Json::object({{"kid", kid}, {"compromised", true}, {"compromised_since", *since}});
  const Json* promoted = halted.find("promoted");
  observed.set("promoted", promoted == nullptr ? Json(Json::Array{}) : *promoted);
  return observed;
}

Result<Json> CeremonyRun::destroy(std::size_t number, const Step& step) {
  ASSIGN_OR_RETURN(const Json may, ask_signer(number, Json::object({{"phase", "may"}})));
  if (may.text("state") != "destroyed") {
    CustodyRequest request;
    request.act = CustodyRequest::Act::Destroy;
    request.role = step.role;
    request.id = may.text("id");
    RETURN_IF_ERROR(on_token(step.token, request));
    RETURN_IF_ERROR(ask_signer(number, Json::object({})));
  }
  return Json::object({{"kid", sent_kid(step.key)}, {"destroyed", true}});
}

}  // namespace countersign::command
