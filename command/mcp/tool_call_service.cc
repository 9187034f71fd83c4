#include "command/mcp/tool_call_service.h"

#include "command/decision/decision_evidence.h"
#include "command/decision/decision_signer.h"
#include "command/decision/evaluation_request.h"
#include "command/mcp/tool_call_answer.h"
#include "common/clock.h"
#include "common/json_fields.h"
#include "common/text.h"
#include "gate/document/verdict.h"

namespace countersign::command {
namespace {

Status read_text(JsonFields& fields, const char* name, std::string& out) {
  const Json* given = fields.take(name);
  if (given == nullptr) return ok();
  if (!given->is_string()) return fields.wrong(name, "is not a text");
  if (const std::string_view text = trimmed(given->as_string()); !text.empty()) out = text;
  return ok();
}

struct AskedCall {
  PresentedCall presented;
  FileWishes files;
};

Result<AskedCall> read_call(const Json& request, std::string_view usual_adapter) {
  JsonFields fields(request, "");
  AskedCall asked;
  PresentedCall& presented = asked.presented;
  presented.adapter = usual_adapter;
  RETURN_IF_ERROR(read_text(fields, "adapter", presented.adapter));
  ASSIGN_OR_RETURN(const Json* call, fields.required("call"));
  ASSIGN_OR_RETURN(presented.call, gate::ToolCall::parse(presented.adapter, *call, gate::CallReading::Whole));
  // What the caller names its run and session; the call's own context is what is judged.
  RETURN_IF_ERROR(read_text(fields, "run_id", presented.call.run_id));
  RETURN_IF_ERROR(read_text(fields, "session_id", presented.call.session_id));
  RETURN_IF_ERROR(read_tokens(fields, "approval_tokens", presented.approval_tokens));
  RETURN_IF_ERROR(read_tokens(fields, "delegation_tokens", presented.delegation_tokens));
  ASSIGN_OR_RETURN(asked.files, read_file_wishes(fields));
  RETURN_IF_ERROR(fields.finish());
  return asked;
}

}  // namespace

Result<std::unique_ptr<GateAnswers>> ToolCallService::load(const Arguments& settings) {
  RETURN_IF_ERROR(DecisionEvidence::prepare(settings));
  ASSIGN_OR_RETURN(CallFolders folders, CallFolders::open(settings));
  std::unique_ptr<ToolCallService> service(new ToolCallService(settings, std::move(folders)));
  RETURN_IF_ERROR(service->reload());
  RETURN_IF_ERROR(service->policies_.chosen("", false));  // one policy: a call names none
  return std::unique_ptr<GateAnswers>(std::move(service));
}

Result<Json> ToolCallService::evaluate(const Json& request, std::uint32_t, client::SignerClient& signer) {
  ASSIGN_OR_RETURN(const AskedCall asked, read_call(request, settings_.text("adapter", "mcp")));
  ASSIGN_OR_RETURN(const CallOutputs outputs, folders_.outputs(asked.files, asked.presented, SystemClock().now()));
  RETURN_IF_ERROR(prepare_outputs(outputs));
  ASSIGN_OR_RETURN(LoadedPolicy policy, policies_.chosen("", false));
  const std::unique_ptr<DecisionSigner> signs = decision_signer(signer);
  ASSIGN_OR_RETURN(const JudgedCall judged, judge_call(settings_, std::move(policy), asked.presented, *signs));
  Json out = call_members(judged, asked.presented);
  RETURN_IF_ERROR(write_outputs(outputs, judged, asked.presented, *signs, out));
  RETURN_IF_ERROR(folders_.conclude(asked.files, out));
  const std::optional<statement::Verdict> verdict = statement::verdict_named(out.text("verdict"));
  out.set("exit_code", gate::exit_code_of(verdict.value_or(statement::Verdict::Block)));
  for (const DecisionRecord& record : judged.said.records) out.set(record.name, record.document);
  return out;
}

}  // namespace countersign::command
