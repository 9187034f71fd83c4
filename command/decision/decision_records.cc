#include "command/decision/decision_records.h"

#include <algorithm>
#include <string>

#include "command/decision/kept_evidence.h"
#include "command/line/input_file.h"
#include "common/text.h"
#include "gate/document/optional_members.h"

namespace countersign::command {
namespace {

std::string flag_of(const DecisionRecord& record) {
  std::string flag = std::string(record.name) + "-out";
  std::ranges::replace(flag, '_', '-');
  return flag;
}

Status write_record(const Arguments& arguments, const DecisionRecord& record, std::string_view trace_id,
                    Json& members) {
  const std::string name(record.name);
  const std::string flag = flag_of(record);
  std::string path(name == "trace" ? arguments.text(flag) : trimmed(arguments.text(flag)));
  if (path.empty()) {
    path = name + "_" + std::string(trace_id) + ".json";
    keep_earlier(path);
  }
  RETURN_IF_ERROR(write_output(path, record.document.gait_file()));
  gate::put(members, name + "_path", path);
  return ok();
}

void add_warning(Json& members, const std::string& warning) {
  std::vector<std::string> warnings = gate::texts_of(members.find("warnings"));
  warnings.push_back(warning);
  members.set("warnings", Json::array(warnings));
}

}  // namespace

Status prepare_records(const Arguments& arguments) {
  RETURN_IF_ERROR(prepare_output("trace", std::string(arguments.text("trace-out"))));
  for (const std::string_view flag : {"approval-audit-out", "delegation-audit-out", "credential-evidence-out"}) {
    RETURN_IF_ERROR(prepare_output(flag, std::string(trimmed(arguments.text(flag)))));
  }
  return ok();
}

Status write_records(const Arguments& arguments, const std::vector<DecisionRecord>& records, Json& members) {
  const std::string trace_id(members.text("trace_id"));
  for (const DecisionRecord& record : records) {
    const Status written = write_record(arguments, record, trace_id, members);
    if (written) continue;
    if (record.name == "trace") return written.error();
    // It can be rebuilt from the ledger.
    add_warning(members, "no " + std::string(record.name) + " was written: " + written.error().detail);
  }
  return ok();
}

}  // namespace countersign::command
