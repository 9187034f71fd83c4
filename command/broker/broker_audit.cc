// broker audit: the chain of everything that happened, printed or checked.
#include "command/broker/broker_connection.h"
#include "command/broker/commands.h"
#include "command/line/command.h"
#include "common/text.h"

namespace countersign::command {
namespace {

constexpr Flag kAuditFlags[] = {
    {"verify", Flag::Kind::Switch, "", "check the whole chain"},
    {"format", Flag::Kind::Text, "KIND", "jsonl (default) or csv"},
    kBrokerFlag,
};

std::string csv_field(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string csv_line(const Json& record) {
  std::string line;
  for (const std::string_view member : {"index", "at", "event", "agent_id", "tool_id", "action_class", "args_digest",
                                        "rule", "outcome", "request_id"}) {
    const Json* value = record.find(member);
    const std::string text = value == nullptr ? "" : value->is_string() ? value->as_string() : value->compact();
    line += (line.empty() ? "" : ",") + csv_field(text);
  }
  return line + "\n";
}

Result<std::string> csv_lines(std::string_view text) {
  std::string lines;
  for (const std::string_view line : lines_of(text)) {
    ASSIGN_OR_RETURN(const Json record, Json::parse(line, {.bytes = line.size()}));
    lines += csv_line(record);
  }
  return lines;
}

Result<int> audit(Call& call, const Arguments& arguments) {
  BrokerConnection broker(arguments);
  if (arguments.is_on("verify")) {
    ASSIGN_OR_RETURN(const Json answer, broker.get("/v1/audit?verify=1"));
    return answered(call, answer);
  }
  const std::string_view format = arguments.text("format", "jsonl");
  if (format != "jsonl" && format != "csv") return Error{ErrorCode::Invalid, "--format is jsonl or csv"};
  if (format == "csv") {
    call.console.answer("index,at,event,agent_id,tool_id,action_class,args_digest,rule,outcome,request_id\n");
  }
  for (std::uint64_t first = 0;;) {
    ASSIGN_OR_RETURN(const BrokerConnection::Lines records, broker.audit_lines(first));
    if (records.count == 0) return 0;
    if (format == "csv") {
      ASSIGN_OR_RETURN(const std::string lines, csv_lines(records.text));
      call.console.answer(lines);
    } else {
      call.console.answer(records.text);
    }
    if (!call.console.complete()) return 0;  // nobody reads any more, and whoever started this is told so
    first += records.count;
  }
}

}  // namespace

Command broker_audit_command() {
  return {"broker audit",
          "[--verify | --format jsonl|csv]",
          "Prints everything the broker recorded, or checks its chain",
          "Each record's hash covers the one before it; --verify reads all of them.",
          "countersign broker audit --format csv > audit.csv",
          kAuditFlags,
          Positionals::Anywhere,
          Shape::Ours,
          audit};
}

}  // namespace countersign::command
