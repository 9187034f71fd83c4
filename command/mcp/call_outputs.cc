#include "command/mcp/call_outputs.h"

#include "command/line/input_file.h"
#include "command/mcp/call_exports.h"
#include "common/appended_file.h"
#include "common/text.h"
#include "gate/document/optional_members.h"
#include "packs/call_runpack.h"

namespace countersign::command {
namespace {

constexpr std::size_t kFractionDigits = 9;

// The files, by gait's words for them.
struct Row {
  std::string_view what;
  std::string CallOutputs::*path;
};
constexpr Row kRows[] = {{"trace", &CallOutputs::trace},
                         {"runpack output", &CallOutputs::runpack},
                         {"pack output", &CallOutputs::pack},
                         {"log export", &CallOutputs::log_export},
                         {"otel export", &CallOutputs::otel_export}};

std::string_view session_of(const PresentedCall& presented) {
  const Json* context = presented.call.intent.find("context");
  return context == nullptr ? std::string_view() : trimmed(context->text("session_id"));
}

std::string runpack_of(const Json& answer, const Json& trace) {
  return packs::runpack_of_call({std::string(answer.text("run_id")), std::string(trace.text("created_at")),
                                 std::string(trace.text("tool_name")), std::string(trace.text("args_digest")),
                                 std::string(answer.text("verdict")), gate::texts_of(answer.find("reason_codes")),
                                 gate::texts_of(answer.find("violations")), std::string(trace.text("trace_id"))});
}

CallEvidence evidence_of(const JudgedCall& judged, std::string runpack) {
  CallEvidence out;
  out.runpack = std::move(runpack);
  out.trace = judged.said.records.front().document;
  for (const DecisionRecord& record : judged.said.records) {
    if (record.name == "approval_audit") out.approval_audits.push_back(record.document);
    if (record.name == "delegation_audit") out.delegation_audits.push_back(record.document);
    if (record.name == "credential_evidence") out.credential_evidence.push_back(record.document);
  }
  return out;
}

}  // namespace

Status prepare_outputs(const CallOutputs& outputs) {
  for (const Row& row : kRows) {
    const std::string& path = outputs.*row.path;
    if (path.empty()) continue;
    RETURN_IF_ERROR(refuse_traversal(row.what, path));
    RETURN_IF_ERROR(prepare_output(row.what, path));
  }
  return ok();
}

Status write_outputs(const CallOutputs& outputs, const JudgedCall& judged, const PresentedCall& presented,
                     DecisionSigner& signer, Json& answer) {
  const Json& trace = judged.said.records.front().document;
  if (!outputs.trace.empty()) {
    RETURN_IF_ERROR(write_output(outputs.trace, trace.gait_file()));
    answer.set("trace_path", outputs.trace);
  }
  if (!outputs.runpack.empty()) {
    RETURN_IF_ERROR(write_output(outputs.runpack, runpack_of(answer, trace)));
    answer.set("runpack_path", outputs.runpack);
  }
  if (!outputs.pack.empty()) {
    ASSIGN_OR_RETURN(const SealedPack pack, signer.pack(evidence_of(judged, runpack_of(answer, trace))));
    RETURN_IF_ERROR(write_output(outputs.pack, pack.archive));
    answer.set("pack_path", outputs.pack);
    answer.set("pack_id", pack.pack_id);
  }
  const std::string_view session = session_of(presented);
  if (!outputs.log_export.empty()) {
    RETURN_IF_ERROR(append_line(outputs.log_export, log_line(answer, trace, session)));
    answer.set("log_export", outputs.log_export);
  }
  if (!outputs.otel_export.empty()) {
    ASSIGN_OR_RETURN(const std::string line, otel_line(answer, trace, session));
    RETURN_IF_ERROR(append_line(outputs.otel_export, line));
    answer.set("otel_export", outputs.otel_export);
  }
  return ok();
}

std::string file_stamp(UtcTime now) {
  std::string text = now.whole_seconds().rfc3339();
  std::erase_if(text, [](char c) { return c == '-' || c == ':' || c == 'Z'; });
  const std::string fraction = std::to_string(now.nanoseconds());
  return text + "." + std::string(kFractionDigits - fraction.size(), '0') + fraction;
}

}  // namespace countersign::command
