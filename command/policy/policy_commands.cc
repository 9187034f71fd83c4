// policy validate, policy fmt: one policy, read and checked without an intent.
#include <sys/stat.h>

#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/policy/commands.h"
#include "command/policy/policy_file.h"
#include "common/durable_file.h"
#include "common/text.h"
#include "gate/document/optional_members.h"
#include "gate/policy/policy_format.h"

namespace countersign::command {
namespace {

using gate::put;
using gate::put_flag;

constexpr Flag kFmtFlags[] = {{"write", Flag::Kind::Switch, "", "write the formatted policy back to the file"}};

std::string_view default_verdict(const gate::Policy& policy) {
  return statement::name_of(policy.default_verdict());
}

std::int64_t rule_count(const gate::Policy& policy) {
  return static_cast<std::int64_t>(policy.rules().size());
}

Result<std::string> only_path(const Arguments& arguments) {
  if (arguments.positionals().size() != 1) return Error{ErrorCode::Invalid, "expected <policy.yaml>"};
  return arguments.positionals().front();
}

Result<int> validate(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string path, only_path(arguments));
  const Result<gate::Policy> policy = read_policy(path);
  if (!policy) return refuse_policy(call, "policy validate", policy.error(), path);
  const std::string digest = policy->policy_digest().hex();
  const std::string summary = "policy validate ok: default=" + std::string(default_verdict(*policy)) +
                              " rules=" + std::to_string(policy->rules().size()) + " digest=" + digest;
  if (!call.json) {
    call.console.answer(summary + "\n");
    return 0;
  }
  Json answer = Json::object({{"ok", true}});
  put(answer, "schema_id", policy->schema_id());
  put(answer, "schema_version", policy->schema_version());
  put(answer, "policy_digest", digest);
  put(answer, "default_verdict", default_verdict(*policy));
  put(answer, "rule_count", rule_count(*policy));
  put(answer, "summary", summary);
  answer_as_gait(call, std::move(answer));
  return 0;
}

struct Formatted {
  gate::Policy policy;
  std::string text;
  bool changed;
};

Result<Formatted> formatted(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string given, read_input("policy", path));
  ASSIGN_OR_RETURN(gate::Policy policy, gate::Policy::parse(given));
  ASSIGN_OR_RETURN(std::string text, gate::formatted_policy(given));
  const bool changed = text != given;
  return Formatted{std::move(policy), std::move(text), changed};
}

// The file keeps its mode: a policy is read by others than its author.
Status write_back(const std::string& path, const std::string& text) {
  constexpr mode_t kOwnerOnly = 0600;
  struct stat before {};
  const bool known = lstat(path.c_str(), &before) == 0;
  return write_durable(path, text, known ? before.st_mode & 07777U : kOwnerOnly);
}

Result<int> format(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string given, only_path(arguments));
  const std::string path(trimmed(given));
  if (path.empty()) return Error{ErrorCode::Invalid, "policy path must not be empty"};
  const Result<Formatted> made = formatted(path);
  if (!made) return refuse_policy(call, "policy fmt", made.error(), path);
  const bool writes = arguments.is_on("write");
  if (writes && made->changed) RETURN_IF_ERROR(write_back(path, made->text));
  if (!call.json) {
    if (!writes) {
      call.console.answer(made->text);
      return 0;
    }
    call.console.answer("policy fmt ok: path=" + path + " changed=" + (made->changed ? "true" : "false") +
                        " written=" + (made->changed ? "true" : "false") +
                        " rules=" + std::to_string(made->policy.rules().size()) + "\n");
    return 0;
  }
  Json answer = Json::object({{"ok", true}});
  put(answer, "path", path);
  put_flag(answer, "written", writes && made->changed);
  put_flag(answer, "changed", made->changed);
  put(answer, "policy_digest", made->policy.policy_digest().hex());
  put(answer, "default_verdict", default_verdict(made->policy));
  put(answer, "rule_count", rule_count(made->policy));
  if (!writes) put(answer, "formatted", made->text);
  answer_as_gait(call, std::move(answer));
  return 0;
}

}  // namespace

Command policy_validate_command() {
  return {"policy validate",
          "FILE",
          "Reads a policy as the gate does and says its digest",
          "Exits 0 when the gate can use it and 6 when not.",
          "countersign policy validate policy.yaml --json",
          {},
          Positionals::Anywhere,
          Shape::Gait,
          validate};
}

Command policy_fmt_command() {
  return {"policy fmt",
          "FILE [--write]",
          "Writes a policy with every member and its effective value",
          "The digest stays the same. Comments do not survive --write.",
          "countersign policy fmt policy.yaml",
          kFmtFlags,
          Positionals::Anywhere,
          Shape::Gait,
          format};
}

}  // namespace countersign::command
