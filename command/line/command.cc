#include "command/line/command.h"

#include "gate/document/verdict.h"

namespace countersign::command {
namespace {

Json details(const Error& error) {
  Json json = Json::object({{"code", error.wire_code()}, {"message", error.detail}});
  if (!error.field.empty()) json.set("field", error.field);
  if (!error.hint.empty()) json.set("hint", error.hint);
  return json;
}

}  // namespace

void tell_refusal(Call& call, std::string_view words, const Error& error) {
  call.console.tell(std::string(words) + " error: " + error.detail);
  if (!error.field.empty()) call.console.tell("at: " + error.field);
}

Json gait_error(const Error& error) {
  Json answer = Json::object({{"ok", false}, {"error_detail", details(error)}});
  gate::add_error(answer, row_of(error.code).exit_code, error.detail);
  if (error.reason == "legacy_policy") answer.set("hint", error.hint);  // gait's own, beside the migration
  if (error.code == ErrorCode::Unavailable || error.code == ErrorCode::OverLimit) answer.set("retryable", true);
  return answer;
}

Json our_error(const Error& error) {
  return Json::object({{"ok", false}, {"error", details(error)}});
}

void answer_as_gait(Call& call, Json members) {
  members.set("correlation_id", gate::correlation_id(call.argv));
  std::string line = members.gait_line();
  if (!line.ends_with('\n')) line += '\n';
  call.console.answer(line);
}

}  // namespace countersign::command
