// policy init: a policy to begin with.
#include <filesystem>

#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/policy/commands.h"
#include "command/policy/policy_templates.h"
#include "common/text.h"
#include "gate/document/optional_members.h"

namespace countersign::command {
namespace {

constexpr std::string_view kUsualFile = "gait.policy.yaml";

constexpr Flag kFlags[] = {
    {"out", Flag::Kind::Text, "FILE", "where the policy goes (gait.policy.yaml)"},
    {"force", Flag::Kind::Switch, "", "replace a file that is there"},
};

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

Result<const PolicyTemplate*> template_of(const Arguments& arguments) {
  if (arguments.positionals().size() != 1) {
    return invalid("expected <template>, one of: " + policy_template_names());
  }
  const std::string name = lowered(trimmed(arguments.positionals().front()));
  const PolicyTemplate* found = policy_template(name);
  if (found == nullptr) return invalid("unknown template: " + name);
  return found;
}

Result<int> init(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const PolicyTemplate* chosen, template_of(arguments));
  const std::string path(trimmed(arguments.text("out", kUsualFile)));
  if (path.empty()) return invalid("output path must not be empty");
  std::error_code failure;
  // A link counts as a file that is there, wherever it leads.
  const bool is_there = std::filesystem::exists(std::filesystem::symlink_status(path, failure));
  if (is_there && !arguments.is_on("force")) {
    return invalid("output path already exists (use --force to overwrite): " + path);
  }
  RETURN_IF_ERROR(prepare_output("policy", path));
  RETURN_IF_ERROR(write_output(path, chosen->yaml));
  const std::vector<std::string> next = {"countersign policy validate " + path + " --json",
                                         "countersign policy fmt " + path + " --write --json",
                                         "countersign doctor --json"};
  if (!call.json) {
    std::string text = "policy init ok: template=" + std::string(chosen->name) + " output=" + path + "\nnext: ";
    for (const std::string& command : next) text += (&command == next.data() ? "" : " | ") + command;
    call.console.answer(text + "\n");
    return 0;
  }
  Json answer = Json::object({{"ok", true}});
  gate::put(answer, "template", chosen->name);
  gate::put(answer, "policy_path", path);
  gate::put(answer, "next_commands", next);
  answer_as_gait(call, std::move(answer));
  return 0;
}

}  // namespace

Command policy_init_command() {
  return {"policy init",
          "TEMPLATE [--out FILE] [--force]",
          "Writes a policy to begin with",
          "Templates: baseline-lowrisk (low), baseline-mediumrisk (medium), baseline-highrisk (high).\n"
          "They are named as gait's and are ours: read one before it decides anything.",
          "countersign policy init medium --out policy.yaml",
          kFlags,
          Positionals::Anywhere,
          Shape::Gait,
          init};
}

}  // namespace countersign::command
