#include "command/policy/policy_file.h"

#include "command/line/input_file.h"

namespace countersign::command {
namespace {

constexpr std::string_view kLegacyHint =
    "use the repo-root `.gait.yaml` contract: `schema_id`, `schema_version`, `default_verdict`, optional "
    "`fail_closed`, optional `mcp_trust`, and `rules`";

}  // namespace

Result<gate::Policy> read_policy(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_input("policy", path));
  return gate::Policy::parse(text);
}

int refuse_policy(Call& call, std::string_view words, const Error& error, const std::string& path) {
  if (call.json) {
    Json answer = gait_error(error);
    if (error.reason == "legacy_policy") {
      if (const Result<std::string> text = read_input("policy", path)) {
        answer.set("migration", gate::legacy_policy_migration(*text));
      }
      answer.set("hint", Json(kLegacyHint));
    }
    answer_as_gait(call, std::move(answer));
  }
  tell_refusal(call, words, error);
  return row_of(error.code).exit_code;
}

}  // namespace countersign::command
