// broker call, search, describe, load, explain: what agents ask.
#include <algorithm>

#include "command/broker/broker_connection.h"
#include "command/broker/commands.h"
#include "command/line/comma_list.h"
#include "command/line/command.h"

namespace countersign::command {
namespace {

constexpr Flag kCallFlags[] = {
    {"tool-id", Flag::Kind::Text, "ID", "SERVER:NAME"},
    {"args", Flag::Kind::Text, "JSON", "the tool's arguments, an object ({})"},
    kAgentFlag,
    kSecretFlag,
    kBrokerFlag,
};
constexpr Flag kSearchFlags[] = {
    {"query", Flag::Kind::Text, "WORD", "what to look for in names and descriptions"},
    {"max-results", Flag::Kind::Integer, "N", "most answers (10)"},
    kAgentFlag,
    kSecretFlag,
    kBrokerFlag,
};
constexpr Flag kToolFlags[] = {
    {"tool-id", Flag::Kind::Text, "ID", "SERVER:NAME"}, kAgentFlag, kSecretFlag, kBrokerFlag};
constexpr Flag kLoadFlags[] = {
    {"tool-ids", Flag::Kind::Text, "LIST", "SERVER:NAME, separated by commas"}, kAgentFlag, kSecretFlag, kBrokerFlag};

// What a call's `error` means for who called: approval is still open, it was refused, it is not there, or nobody knows.
struct OutcomeRow {
  std::string_view error;
  ErrorCode code;
};
constexpr OutcomeRow kOutcomes[] = {
    {"approval_required", ErrorCode::ApprovalRequired},
    {"tool_not_found", ErrorCode::NotFound},
    {"outcome_unknown", ErrorCode::Unavailable},
    {"server_unavailable", ErrorCode::Unavailable},
};

int exit_code_of(const Json& answer) {
  const std::string_view error = answer.text("error");
  if (error.empty()) {
    const Json* result = answer.find("result");
    const Json* failed = result == nullptr ? nullptr : result->find("isError");
    return failed != nullptr && *failed == Json(true) ? row_of(ErrorCode::Internal).exit_code : 0;
  }
  const auto row = std::ranges::find(kOutcomes, error, &OutcomeRow::error);
  return row_of(row == std::end(kOutcomes) ? ErrorCode::Refused : row->code).exit_code;
}

Result<std::string> required(const Arguments& arguments, std::string_view flag) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "unexpected positional arguments"};
  if (!arguments.text(flag).empty()) return std::string(arguments.text(flag));
  return Error{ErrorCode::Invalid, "--" + std::string(flag) + " is required", "missing_flag"};
}

// The written workflow's commands always print JSON.
int outcome(Call& call, const Json& answer) {
  return answered(call, answer, exit_code_of(answer));
}

Result<Json> call_body(const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string tool, required(arguments, "tool-id"));
  Result<Json> args = Json::parse(arguments.text("args", "{}"), {.exact_integers = true});
  if (!args) return Error{ErrorCode::Invalid, "--args: " + args.error().detail, "bad_arguments"};
  Json body = Json::object({{"tool_id", tool}, {"args", *std::move(args)}});
  RETURN_IF_ERROR(add_agent(arguments, body));
  return body;
}

Result<int> call_tool(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Json body, call_body(arguments));
  ASSIGN_OR_RETURN(const Json answer, BrokerConnection(arguments).post("/v1/call", body));
  return outcome(call, answer);
}

Result<int> explain(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Json body, call_body(arguments));
  ASSIGN_OR_RETURN(const Json answer, BrokerConnection(arguments).post("/v1/explain", body));
  return outcome(call, answer);
}

Result<int> search(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string query, required(arguments, "query"));
  Json body = Json::object({{"query", query}, {"max_results", arguments.integer("max-results").value_or(10)}});
  RETURN_IF_ERROR(add_agent(arguments, body));
  ASSIGN_OR_RETURN(const Json answer, BrokerConnection(arguments).post("/v1/search", body));
  for (const Json& name : answer.find("unavailable")->as_array()) {
    call.console.tell("warning: the server " + name.as_string() + " does not answer; its tools are missing");
  }
  return outcome(call, *answer.find("tools"));
}

Result<int> describe(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string tool, required(arguments, "tool-id"));
  Json body = Json::object({{"tool_id", tool}});
  RETURN_IF_ERROR(add_agent(arguments, body));
  ASSIGN_OR_RETURN(const Json answer, BrokerConnection(arguments).post("/v1/describe", body));
  return outcome(call, answer);
}

Result<int> load(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string list, required(arguments, "tool-ids"));
  Json body = Json::object({{"tool_ids", Json::array(comma_list(list))}});
  RETURN_IF_ERROR(add_agent(arguments, body));
  ASSIGN_OR_RETURN(const Json answer, BrokerConnection(arguments).post("/v1/load", body));
  for (const Json& each : answer.find("missing")->as_array()) {
    call.console.tell("warning: " + std::string(each.text("tool_id")) + ": " + std::string(each.text("error")));
  }
  return outcome(call, *answer.find("tools"));
}

}  // namespace

Command broker_call_command() {
  return {"broker call",
          "--tool-id ID [--args JSON] [--agent-id NAME]",
          "Calls a tool, or asks people for leave",
          "Prints the tool's result, or {\"error\": WORD, …}. Exit 0: done; 1: done, and the tool reports\n"
          "an error; 4: approval_required (call again once it is approved); 3: denied or rejected; 5: no such tool; 7: "
          "no answer, or nobody knows whether it was done.",
          "countersign broker call --tool-id fs:write --args '{\"path\":\"a.txt\",\"text\":\"hello\"}'",
          kCallFlags,
          Positionals::Anywhere,
          Shape::Ours,
          call_tool};
}

Command broker_explain_command() {
  return {"broker explain",
          "--tool-id ID [--args JSON] [--agent-id NAME]",
          "Says how a call would be decided, by which rule, and what would change it",
          "Nothing is called, signed or recorded.",
          "countersign broker explain --tool-id fs:write --args '{\"path\":\"a.txt\"}' --agent-id web",
          kCallFlags,
          Positionals::Anywhere,
          Shape::Ours,
          explain};
}

Command broker_search_command() {
  return {"broker search",
          "--query WORD [--max-results N]",
          "Finds tools that may be asked for",
          "",
          "countersign broker search --query write",
          kSearchFlags,
          Positionals::Anywhere,
          Shape::Ours,
          search};
}

Command broker_describe_command() {
  return {"broker describe",
          "--tool-id ID",
          "Shows a tool as its server defines it",
          "",
          "countersign broker describe --tool-id fs:write",
          kToolFlags,
          Positionals::Anywhere,
          Shape::Ours,
          describe};
}

Command broker_load_command() {
  return {"broker load",
          "--tool-ids LIST",
          "Shows several tools; what may not be shown is named on stderr",
          "",
          "countersign broker load --tool-ids fs:read,fs:write",
          kLoadFlags,
          Positionals::Anywhere,
          Shape::Ours,
          load};
}

}  // namespace countersign::command
