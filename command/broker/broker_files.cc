// broker events, export, import: what happens, for programs that follow it, and the files of the written workflow.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <thread>

#include "command/broker/broker_connection.h"
#include "command/broker/commands.h"
#include "command/line/command.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/durable_file.h"
#include "common/text.h"
#include "gate/broker/pattern.h"
#include "gate/broker/tool_request.h"

namespace countersign::command {
namespace {

constexpr Flag kEventsFlags[] = {
    {"follow", Flag::Kind::Switch, "", "go on with what comes; without --from or --state from now on"},
    {"from", Flag::Kind::Integer, "N", "begin at record N (0)"},
    {"state", Flag::Kind::Text, "FILE", "remember there how far it came, and go on from there: nothing is missed"},
    {"every", Flag::Kind::Text, "SPAN", "between two looks, \"500ms\""},
    kBrokerFlag,
};
constexpr Flag kExportFlags[] = {{"output-dir", Flag::Kind::Text, "DIR", "where the three files are written"},
                                 kBrokerFlag};
constexpr Flag kImportFlags[] = {
    {"from", Flag::Kind::Text, "DIR", "the known implementation's ai/supervisor"},
    {"dry-run", Flag::Kind::Switch, "", "ask no broker: nothing is recorded"},
    kBrokerFlag,
};

constexpr std::string_view kPending = "pending_approvals.json";
constexpr std::string_view kAllowlists = "allowlists.json";
constexpr std::string_view kAudit = "audit_log.jsonl";
constexpr std::size_t kLargest = std::size_t{64} << 20;

std::uint64_t number(const Json& json, std::string_view name) {
  const Json* value = json.find(name);
  return value != nullptr && value->is_integer() && value->as_integer() > 0
             ? static_cast<std::uint64_t>(value->as_integer())
             : 0;
}

Result<Json> page_from(BrokerConnection& broker, std::uint64_t first) {
  return broker.get("/v1/audit?first=" + std::to_string(first));
}

// What an orchestrator tells a person, besides what is recorded.
Json event_of(Json record, const std::string& socket) {
  if (record.text("event") != "request_opened") return record;
  record.set("summary", "Agent '" + std::string(record.text("agent_id")) + "' wants to call tool '" +
                            std::string(record.text("tool_id")) + "'");
  record.set("how_to_approve", broker::how_to_approve(record.text("request_id"), socket));
  return record;
}

class Follower {
 public:
  Follower(Call& call, const Arguments& arguments)
      : call_(call), arguments_(arguments), broker_(arguments), socket_(broker_socket(arguments)) {}

  Status begin() {
    state_ = arguments_.text("state");
    const std::int64_t from = arguments_.integer("from").value_or(0);
    if (from < 0) return Error{ErrorCode::Invalid, "--from is no number of a record"};
    next_ = static_cast<std::uint64_t>(from);
    if (!state_.empty() && std::filesystem::exists(state_)) {
      ASSIGN_OR_RETURN(const std::string text, read_file(state_));
      const Result<Json> kept = Json::parse(text);
      if (!kept || kept->find("next") == nullptr) {
        return Error{ErrorCode::Invalid, state_ + " is no state of broker events", "bad_state", "remove it"};
      }
      next_ = number(*kept, "next");
      return ok();
    }
    if (!arguments_.is_on("follow") || arguments_.given("from") || !state_.empty()) return ok();
    ASSIGN_OR_RETURN(const Json page, page_from(broker_, 0));
    next_ = number(page, "size");
    return ok();
  }

  // Everything that is new. What was printed and not yet remembered is printed again: never less than once.
  Status look() {
    for (;;) {
      ASSIGN_OR_RETURN(const Json page, page_from(broker_, next_));
      const Json::Array& records = page.find("records")->as_array();
      if (records.empty() && !state_.empty() && number(page, "size") < next_) {
        return Error{ErrorCode::Conflict,
                     "the broker has " + std::to_string(number(page, "size")) + " records, and " +
                         std::to_string(next_) + " were seen of it: it is not what it was",
                     "records_gone", "see what became of broker.db; then remove " + state_ + " to begin anew"};
      }
      if (records.empty()) return ok();
      for (const Json& record : records) call_.console.answer(event_of(record, socket_).compact() + "\n");
      if (!call_.console.complete()) return Error{ErrorCode::Unavailable, "nobody reads any more", "closed_pipe"};
      next_ += records.size();
      if (!state_.empty()) {
        RETURN_IF_ERROR(write_durable(state_, Json::object({{"next", next_}}).compact() + "\n", 0600));
      }
    }
  }

 private:
  Call& call_;
  const Arguments& arguments_;
  BrokerConnection broker_;
  std::string socket_;
  std::string state_;
  std::uint64_t next_ = 0;
};

Result<int> events(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "broker events takes flags only"};
  ASSIGN_OR_RETURN(const std::chrono::nanoseconds every, parse_duration(arguments.text("every", "500ms")));
  Follower follower(call, arguments);
  RETURN_IF_ERROR(follower.begin());
  bool away = false;
  for (;;) {
    const Status seen = follower.look();
    if (!arguments.is_on("follow")) return seen ? Result<int>(0) : Result<int>(seen.error());
    const bool is_away = !seen && seen.error().code == ErrorCode::Unavailable && seen.error().reason != "closed_pipe";
    if (!seen && !is_away) return seen.error();
    if (is_away && !away) call.console.tell("the broker does not answer; it is asked again: " + seen.error().detail);
    away = is_away;
    std::this_thread::sleep_for(every);
  }
}

// As the known implementation writes one. What was used was approved before.
Json approval_entry(const Json& request) {
  const std::string_view status = request.text("status");
  const bool approved = status == "approved" || status == "used";
  const Json* decided = request.find("decided_at");
  const Json at = decided == nullptr ? Json() : *decided;
  const Json* reason = request.find("reason");
  return Json::object({{"id", request.text("id")},
                       {"agent_id", request.text("agent_id")},
                       {"tool_id", request.text("tool_id")},
                       {"args", *request.find("args")},
                       {"status", approved ? std::string_view("approved") : status},
                       {"requested_at", request.text("requested_at")},
                       {"approved_at", approved ? at : Json()},
                       {"rejected_at", status == "rejected" ? at : Json()},
                       {"reason", reason == nullptr ? Json() : *reason},
                       {"summary", request.text("summary")}});
}

Json audit_line(Json record) {
  record.set("timestamp", record.text("at"));
  if (record.text("event") != "call") return record;
  const std::string outcome(record.text("outcome"));
  constexpr std::string_view kRan[] = {"done", "tool_error", "outcome_unknown", "content_withheld", "bad_contents"};
  const bool ran = std::ranges::find(kRan, outcome) != std::end(kRan);
  record.set("event", ran ? "call_tool" : "call_blocked");
  record.set(ran ? "status" : "reason", ran ? (outcome == "done" ? "ok" : "error") : outcome);
  return record;
}

Result<Json> exported_lists(BrokerConnection& broker) {
  ASSIGN_OR_RETURN(const Json lists, broker.get("/v1/lists"));
  Json out = *lists.find("agents");
  for (const Json& entry : lists.find("allowed")->as_array()) {
    Json* agent = out.find(entry.text("agent_id"));
    if (agent == nullptr) continue;  // an agent that is configured no more
    agent->find("allow")->as_array().emplace_back(entry.text("tool_id"));
  }
  return out;
}

Result<Json> exported_requests(BrokerConnection& broker) {
  Json::Object out;
  for (std::string last;;) {
    ASSIGN_OR_RETURN(const Json page, broker.get("/v1/requests?after=" + last));
    if (page.as_array().empty()) return Json(std::move(out));
    for (const Json& request : page.as_array()) out.emplace_back(request.text("id"), approval_entry(request));
    last = page.as_array().back().text("id");
  }
}

Result<int> export_files(Call& call, const Arguments& arguments) {
  const std::string folder(arguments.text("output-dir"));
  if (folder.empty() || !arguments.positionals().empty()) {
    return Error{ErrorCode::Invalid, "--output-dir is required", "missing_flag"};
  }
  BrokerConnection broker(arguments);
  ASSIGN_OR_RETURN(const Json pending, exported_requests(broker));
  ASSIGN_OR_RETURN(const Json lists, exported_lists(broker));
  std::string audit;
  std::uint64_t records = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const BrokerConnection::Lines lines, broker.audit_lines(records));
    if (lines.count == 0) break;
    for (const std::string_view line : lines_of(lines.text)) {
      ASSIGN_OR_RETURN(Json record, Json::parse(line, {.bytes = line.size()}));
      audit_line(std::move(record)).append_compact(audit);
      audit += '\n';
    }
    records += lines.count;
  }
  const std::string base = folder + "/";
  RETURN_IF_ERROR(write_durable(base + std::string(kPending), pending.gait_file(), 0600));
  RETURN_IF_ERROR(write_durable(base + std::string(kAllowlists), lists.gait_file(), 0600));
  RETURN_IF_ERROR(write_durable(base + std::string(kAudit), audit, 0600));
  call.console.answer(Json::object({{"ok", true},
                                    {"output_dir", folder},
                                    {"requests", pending.as_object().size()},
                                    {"agents", lists.as_object().size()},
                                    {"records", records}})
                          .compact() +
                      "\n");
  return 0;
}

// A file of the known implementation, and what is recorded of it.
struct Found {
  std::string name;
  std::string text;
  std::uint64_t entries = 0;
};

Result<std::vector<Found>> files_in(const std::string& folder) {
  std::vector<Found> out;
  for (const std::string_view name : {kPending, kAllowlists, kAudit}) {
    auto text = read_file(folder + "/" + std::string(name), kLargest);
    if (!text && text.error().code == ErrorCode::NotFound) continue;
    if (!text) return text.error();
    out.push_back({std::string(name), *std::move(text)});
  }
  if (!out.empty()) return out;
  return Error{ErrorCode::NotFound, "none of the workflow's files is in " + folder, "nothing_to_import",
               "--from is the folder with " + std::string(kAllowlists)};
}

Error unreadable(const std::string& where, const std::string& what) {
  return Error{ErrorCode::Invalid, where + ": " + what, "bad_import", "correct it there; nothing was imported"};
}

// One list as YAML of broker.yaml. A pattern that means nothing here is left out of `allow` and said; in `deny` it is
// an error, because leaving it out would allow something.
Result<std::string> list_line(const std::string& agent, const std::string& name, const Json& list,
                              std::vector<std::string>& notes) {
  if (!list.is_array()) return unreadable(agent + "." + name, "is no list");
  std::string line;
  for (const Json& each : list.as_array()) {
    if (!each.is_string()) return unreadable(agent + "." + name, "holds something that is no text");
    const std::string& pattern = each.as_string();
    if (!broker::check_pattern(pattern)) {
      if (name != "allow") return unreadable(agent + "." + name, "\"" + pattern + "\" is no pattern here");
      notes.push_back(agent + ".allow: \"" + pattern + "\" is no pattern here and was left out");
      continue;
    }
    const std::size_t star = pattern.find('*');
    if (star != std::string::npos && star + 1 != pattern.size()) {
      notes.push_back(agent + "." + name + ": " + pattern +
                      " matched any text that begins with it without its stars; " +
                      "here each star stands for any characters where it is");
    }
    line += (line.empty() ? "" : ", ") + Json(pattern).compact();
  }
  return line.empty() ? std::string() : "    " + name + ": [" + line + "]\n";
}

Result<std::string> agents_of(Found& file, std::vector<std::string>& notes) {
  const Result<Json> json = Json::parse(file.text, {.bytes = kLargest});
  if (!json) return unreadable(file.name, json.error().detail);
  if (!json->is_object()) return unreadable(file.name, "is no object");
  std::string out = "agents:\n";
  for (const auto& [agent, lists] : json->as_object()) {
    if (!lists.is_object() || agent == "agent_profiles" || agent == "default_allowlist") {
      notes.push_back(file.name + ": " + Json(agent).compact() +
                      " is nobody's lists; it had no effect, and has none here");
      continue;
    }
    std::string members;
    for (const char* name : {"allow", "deny", "servers"}) {
      const Json* list = lists.find(name);
      if (list == nullptr) continue;
      ASSIGN_OR_RETURN(const std::string line, list_line(agent, name, *list, notes));
      members += line;
    }
    // Who an agent is, no file of the workflow says.
    const std::string who =
        agent == "default" ? "" : "    user: " + Json(agent).compact() + "  # or uid:, or secret: FILE\n";
    out += "  " + Json(agent).compact() + (who.empty() && members.empty() ? ": {}\n" : ":\n" + who + members);
    ++file.entries;
  }
  return out;
}

Status count_requests(Found& file, std::vector<std::string>& notes) {
  const Result<Json> json = Json::parse(file.text, {.bytes = kLargest});
  if (!json || !json->is_object()) return unreadable(file.name, json ? "is no object" : json.error().detail);
  std::map<std::string, std::uint64_t> states;
  for (const auto& [id, request] : json->as_object()) ++states[std::string(request.text("status"))];
  file.entries = json->as_object().size();
  for (const auto& [state, count] : states) {
    notes.push_back(file.name + ": " + std::to_string(count) + " " + state +
                    (state == "approved" ? ": nobody proved who approved; the next call asks again" : ""));
  }
  return ok();
}

Status record_import(const Arguments& arguments, const std::vector<Found>& files) {
  Json::Array rows;
  for (const Found& each : files) {
    rows.push_back(Json::object({{"name", each.name}, {"sha256", sha256(each.text).hex()}, {"entries", each.entries}}));
  }
  const auto said = BrokerConnection(arguments).post("/v1/import", Json::object({{"files", std::move(rows)}}));
  return said ? ok() : Status(said.error());
}

Result<int> import_files(Call& call, const Arguments& arguments) {
  const std::string folder(arguments.text("from"));
  if (folder.empty() || !arguments.positionals().empty()) {
    return Error{ErrorCode::Invalid, "--from is required", "missing_flag"};
  }
  ASSIGN_OR_RETURN(std::vector<Found> files, files_in(folder));
  std::vector<std::string> notes;
  std::string agents;
  for (Found& file : files) {
    if (file.name == kAllowlists) {
      ASSIGN_OR_RETURN(agents, agents_of(file, notes));
    } else if (file.name == kPending) {
      RETURN_IF_ERROR(count_requests(file, notes));
    } else {
      file.entries = static_cast<std::uint64_t>(std::count(file.text.begin(), file.text.end(), '\n'));
      notes.push_back(file.name + ": its digest is recorded; it has no chain that could be continued");
    }
  }
  if (!arguments.is_on("dry-run")) RETURN_IF_ERROR(record_import(arguments, files));
  if (call.json) {
    call.console.answer(Json::object({{"ok", true}, {"agents_yaml", agents}, {"notes", Json::array(notes)}}).compact() +
                        "\n");
    return 0;
  }
  for (const std::string& note : notes) call.console.tell(displayed(note));
  call.console.answer(displayed_json(agents));  // its texts are JSON's
  return 0;
}

}  // namespace

Command broker_events_command() {
  return {"broker events",
          "[--follow] [--from N | --state FILE]",
          "Prints what happens at the broker, one JSON object a line",
          "The records of the audit chain; request_opened also has summary and how_to_approve, for whoever tells a\n"
          "person. With --state an orchestrator that was stopped goes on where it was; what it may have seen already\n"
          "comes again. --follow outlives restarts of the broker.",
          "countersign broker events --follow --state /var/lib/orchestrator/broker.json",
          kEventsFlags,
          Positionals::Anywhere,
          Shape::Ours,
          events};
}

Command broker_export_command() {
  return {"broker export",
          "--output-dir DIR",
          "Writes pending_approvals.json, allowlists.json and audit_log.jsonl",
          "The files of the written workflow, for tools that read them. Copies: nothing reads them back, and editing\n"
          "one grants nothing. Secrets in arguments are masked.",
          "countersign broker export --output-dir ai/supervisor",
          kExportFlags,
          Positionals::Anywhere,
          Shape::Ours,
          export_files};
}

Command broker_import_command() {
  return {"broker import",
          "--from DIR [--dry-run]",
          "Turns allowlists.json of the known implementation into `agents` of broker.yaml, for a person to read",
          "Says which patterns mean something else here and what was ignored there. Approvals are not taken over:\n"
          "nobody proved who gave them. The digests of all files are recorded in the audit chain.",
          "countersign broker import --from ai/supervisor > agents.yaml",
          kImportFlags,
          Positionals::Anywhere,
          Shape::Ours,
          import_files};
}

}  // namespace countersign::command
