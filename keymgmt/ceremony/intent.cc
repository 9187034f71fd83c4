#include "keymgmt/ceremony/intent.h"

#include <algorithm>
#include <cstdlib>
#include <set>

namespace countersign::ceremony {
namespace {

constexpr std::size_t kLargestIntent = std::size_t{256} << 10;
constexpr std::size_t kMostSteps = 64;
constexpr std::string_view kPurposes[] = {"first-keys", "rotation", "compromise", "custodians",
                                          "token-loss", "move",     "destruction"};

constexpr StepRow kRows[] = {
    {StepKind::Generate, "generate",
     "makes a key pair in its token, reads its attributes back and lets it prove itself", true, false},
    {StepKind::Establish, "establish", "makes the ledger, enters the first keys as active and publishes them", false,
     true},
    {StepKind::Stage, "stage", "enters the key in the ledger and publishes its public half", false, true},
    {StepKind::Activate, "activate", "cuts the role over to the key once every verifier can know it", false, true},
    {StepKind::Halt, "halt", "stops a key for good; a standby key takes its place", false, true},
    {StepKind::Destroy, "destroy", "destroys the private half in its token, looks that it is gone, and records it",
     true, true},
    {StepKind::Custodians, "custodians", "changes who the custodians are, by the old quorum and the new one", false,
     true},
    {StepKind::Roster, "roster", "records which approvers or verifiers the quorum agreed to", false, true},
};

Error invalid(const std::string& path, std::string what) {
  return Error{ErrorCode::Invalid, path + " " + std::move(what)};
}

bool is_hex(std::string_view text, std::size_t length) {
  return text.size() == length &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Result<UtcTime> time_in(YamlFields& fields, std::string_view name) {
  ASSIGN_OR_RETURN(const std::string text, fields.required_text(name));
  Result<UtcTime> time = UtcTime::parse(text);
  if (!time) return invalid(fields.path_of(name), "is no RFC 3339 time");
  return time;
}

Status read_role(YamlFields& fields, Step& step) {
  ASSIGN_OR_RETURN(const std::string role, fields.required_text("role"));
  const std::optional<keymgmt::Role> known = keymgmt::role_named(role);
  if (!known) return invalid(fields.path_of("role"), "is no role");
  step.role = *known;
  return ok();
}

Status read_generate(YamlFields& fields, Step& step) {
  RETURN_IF_ERROR(read_role(fields, step));
  ASSIGN_OR_RETURN(const std::string algorithm, fields.required_text("algorithm"));
  const std::optional<keymgmt::Algorithm> named = keymgmt::algorithm_named(algorithm);
  if (!named) return invalid(fields.path_of("algorithm"), "is not ed25519 or p256");
  step.algorithm = *named;
  ASSIGN_OR_RETURN(step.token, fields.required_text("token"));
  ASSIGN_OR_RETURN(step.id, fields.required_text("id"));
  if (!is_hex(step.id, 32)) return invalid(fields.path_of("id"), "is not 32 lower-case hex digits");
  ASSIGN_OR_RETURN(step.label, fields.required_text("label"));
  if (!step.label.starts_with(std::string(keymgmt::name_of(step.role)) + "-") || step.label.size() > 64) {
    return invalid(fields.path_of("label"), "must begin with the role: holders find their keys by it");
  }
  ASSIGN_OR_RETURN(step.replaces, fields.required_text("replaces"));
  ASSIGN_OR_RETURN(const std::string backup, fields.text("backup", "none"));
  if (backup != "none" && backup != "required") return invalid(fields.path_of("backup"), "is not none or required");
  step.backup = backup == "required";
  return ok();
}

Status read_roster(YamlFields& fields, Step& step) {
  ASSIGN_OR_RETURN(step.roster, fields.required_text("of"));
  if (step.roster != "approvers" && step.roster != "verifiers") {
    return invalid(fields.path_of("of"), "is not approvers or verifiers");
  }
  ASSIGN_OR_RETURN(step.sha256, fields.required_text("sha256"));
  if (!is_hex(step.sha256, 64)) return invalid(fields.path_of("sha256"), "is not 64 lower-case hex digits");
  return ok();
}

Status read_members(YamlFields& fields, const YamlNode& node, Step& step) {
  switch (step.kind) {
    case StepKind::Generate:
      return read_generate(fields, step);
    case StepKind::Establish:
      return ok();
    case StepKind::Stage:
    case StepKind::Activate: {
      ASSIGN_OR_RETURN(step.key, fields.required_text("key"));
      return ok();
    }
    case StepKind::Halt: {
      RETURN_IF_ERROR(read_role(fields, step));
      ASSIGN_OR_RETURN(step.key, fields.required_text("key"));
      ASSIGN_OR_RETURN(step.reason, fields.required_text("reason"));
      return ok();
    }
    case StepKind::Destroy: {
      RETURN_IF_ERROR(read_role(fields, step));
      ASSIGN_OR_RETURN(step.token, fields.required_text("token"));
      ASSIGN_OR_RETURN(step.key, fields.required_text("key"));
      return ok();
    }
    case StepKind::Custodians: {
      ASSIGN_OR_RETURN(step.quorum, read_quorum(node, "steps.custodians"));
      for (const std::string_view member : {"threshold", "custodians"}) fields.take(member);
      return ok();
    }
    case StepKind::Roster:
      return read_roster(fields, step);
  }
  std::abort();
}

Result<Step> read_step(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::Map || node.map.size() != 1) {
    return invalid("steps (line " + std::to_string(node.line) + ")", "must each be one mapping: generate: {…}");
  }
  const auto& [name, members] = node.map.front();
  Step step;
  const StepRow* row = std::ranges::find(kRows, name, &StepRow::name);
  if (row == std::end(kRows)) return invalid("steps." + name, "is no step");
  step.kind = row->kind;
  YamlFields fields(members, "steps." + name);
  RETURN_IF_ERROR(read_members(fields, members, step));
  RETURN_IF_ERROR(fields.finish());
  return step;
}

// Steps lead on from each other: a key is staged after it was made, and no two are one.
Status check_steps(const Intent& intent) {
  std::set<std::string> ids;
  std::set<std::string> labels;
  std::set<std::string> staged;
  bool established = false;
  for (const Step& step : intent.steps) {
    const std::string path = "steps." + std::string(row_of(step.kind).name);
    if (step.kind == StepKind::Generate) {
      if (!ids.insert(step.id).second) return invalid(path + ".id", step.id + " stands there twice");
      if (!labels.insert(step.label).second) return invalid(path + ".label", step.label + " stands there twice");
    }
    if (step.kind == StepKind::Stage) {
      if (!labels.contains(step.key)) return invalid(path + ".key", step.key + " is made by no step before it");
      staged.insert(step.key);
    }
    if (step.kind == StepKind::Activate && labels.contains(step.key) && !staged.contains(step.key)) {
      return invalid(path + ".key",
                     step.key + " is staged by no step before it: no key is active before it is published");
    }
    if (step.kind == StepKind::Establish) {
      if (established) return invalid(path, "stands there twice");
      established = true;
    }
  }
  if (established != (intent.purpose == Purpose::FirstKeys)) {
    return invalid("steps",
                   established ? "establish first keys under another purpose" : "of first-keys must establish");
  }
  return ok();
}

}  // namespace

std::span<const StepRow> step_rows() {
  return kRows;
}

const StepRow& row_of(StepKind kind) {
  return kRows[static_cast<std::size_t>(kind)];
}

std::string_view name_of(Purpose purpose) {
  return kPurposes[static_cast<std::size_t>(purpose)];
}

std::span<const std::string_view> purposes() {
  return kPurposes;
}

std::string Step::title() const {
  const std::string verb(row_of(kind).name);
  switch (kind) {
    case StepKind::Generate:
      return verb + " " + label + " (" + std::string(keymgmt::name_of(algorithm)) + ") on token " + token;
    case StepKind::Establish:
      return verb + " the ledger and its first keys";
    case StepKind::Stage:
    case StepKind::Activate:
      return verb + " " + key;
    case StepKind::Halt:
      return verb + " " + std::string(keymgmt::name_of(role)) + " key " + key;
    case StepKind::Destroy:
      return verb + " " + std::string(keymgmt::name_of(role)) + " key " + key + " on token " + token;
    case StepKind::Custodians:
      return verb + " become " + std::to_string(quorum->threshold) + " of " + std::to_string(quorum->custodians.size());
    case StepKind::Roster:
      return verb + " of " + roster + " " + sha256.substr(0, 16) + "…";
  }
  std::abort();
}

std::string Step::expected() const {
  switch (kind) {
    case StepKind::Generate:
      return "one new key with id " + id + ", all attributes as the profile demands, and a signature that verifies";
    case StepKind::Establish:
      return "a new ledger in which the keys made here are active, and a key set that lists them";
    case StepKind::Stage:
      return "the key is staged, and the published key set lists it";
    case StepKind::Activate:
      return "the key is active; the one before it signs no more";
    case StepKind::Halt:
      return "the key is compromised; a standby key of the role is active where there was one";
    case StepKind::Destroy:
      return "no object of the key is on the token; the ledger says destroyed";
    case StepKind::Custodians:
      return "the custodians are those of the plan";
    case StepKind::Roster:
      return "the roster counts, and no other";
  }
  std::abort();
}

const Step* Intent::making(std::string_view label) const {
  for (const Step& step : steps) {
    if (step.kind == StepKind::Generate && step.label == label) return &step;
  }
  return nullptr;
}

std::vector<std::string> Intent::initials_wanted() const {
  std::vector<std::string> people = {administrator};
  people.insert(people.end(), witnesses.begin(), witnesses.end());
  return people;
}

Result<Intent> read_intent(std::string_view text) {
  // Before YAML: a place in a comment is one too.
  if (const std::size_t open = text.find("${"); open != std::string_view::npos) {
    const std::string_view place = text.substr(open, std::min<std::size_t>(text.find('}', open) - open + 1, 64));
    return Error{ErrorCode::Invalid, std::string(place) + " is not filled in", "plan_unfilled",
                 "`countersign ceremony plan` makes a plan of a shipped one"};
  }
  ASSIGN_OR_RETURN(const YamlNode document, parse_yaml(text, {.bytes = kLargestIntent}));
  YamlFields fields(document, "");
  Intent intent;
  intent.text = std::string(text);
  intent.digest = sha256(text);
  ASSIGN_OR_RETURN(const std::int64_t version, fields.integer("ceremony", 0, 1, 1));
  static_cast<void>(version);
  ASSIGN_OR_RETURN(intent.name, fields.required_text("name"));
  ASSIGN_OR_RETURN(const std::string purpose, fields.required_text("purpose"));
  const auto named = std::ranges::find(kPurposes, purpose);
  if (named == std::end(kPurposes)) return invalid("purpose", purpose + " is none that there is");
  intent.purpose = static_cast<Purpose>(named - std::begin(kPurposes));
  ASSIGN_OR_RETURN(intent.reason, fields.required_text("reason"));
  const YamlNode* window = fields.take("window");
  if (window == nullptr) return invalid("window", "is missing");
  YamlFields times(*window, "window");
  ASSIGN_OR_RETURN(intent.from, time_in(times, "from"));
  ASSIGN_OR_RETURN(intent.until, time_in(times, "until"));
  RETURN_IF_ERROR(times.finish());
  if (intent.until <= intent.from) return invalid("window", "ends before it begins");
  const YamlNode* quorum = fields.take("quorum");
  if (quorum == nullptr) return invalid("quorum", "is missing");
  ASSIGN_OR_RETURN(intent.quorum, read_quorum(*quorum, "quorum"));
  ASSIGN_OR_RETURN(intent.administrator, fields.required_text("administrator"));
  ASSIGN_OR_RETURN(intent.witnesses, fields.texts("witnesses"));
  if (intent.witnesses.empty()) return invalid("witnesses", "must name at least one: nobody watches themselves");
  if (std::ranges::find(intent.witnesses, intent.administrator) != intent.witnesses.end()) {
    return invalid("witnesses", "names the administrator");
  }
  ASSIGN_OR_RETURN(const std::string rehearsal, fields.text("rehearsal", "required"));
  if (rehearsal != "required" && rehearsal != "optional") return invalid("rehearsal", "is not required or optional");
  intent.rehearsal_required = rehearsal == "required";
  const YamlNode* steps = fields.take("steps");
  if (steps == nullptr || steps->kind != YamlNode::Kind::Sequence || steps->sequence.empty()) {
    return invalid("steps", "must be a list of steps");
  }
  if (steps->sequence.size() > kMostSteps) return invalid("steps", "are more than 64");
  for (const YamlNode& node : steps->sequence) {
    ASSIGN_OR_RETURN(Step step, read_step(node));
    intent.steps.push_back(std::move(step));
  }
  RETURN_IF_ERROR(fields.finish());
  RETURN_IF_ERROR(check_steps(intent));
  return intent;
}

}  // namespace countersign::ceremony
