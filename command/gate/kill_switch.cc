// kill-switch add|list|disable|expire: who is stopped, in the state file that gate eval reads (reference: gait-formats
// §14).
#include <filesystem>

#include "command/decision/attestation.h"
#include "command/gate/commands.h"
#include "command/line/comma_list.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/lock_file.h"
#include "command/line/signer_address.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/state/kill_switch.h"

namespace countersign::command {
namespace {

namespace fs = std::filesystem;

constexpr Flag kStateFlag{"state", Flag::Kind::Text, "FILE", "the state file, the one gate eval is given"};
constexpr Flag kEntryFlag{"entry-id", Flag::Kind::Text, "ID", "the entry, as list shows it"};

constexpr Flag kAddFlags[] = {
    kStateFlag,
    {"agent-id", Flag::Kind::Text, "ID", "stop this agent"},
    {"identity", Flag::Kind::Text, "IDENTITY", "stop this identity"},
    {"tool-name", Flag::Kind::Text, "NAME", "stop this tool"},
    {"target-kind", Flag::Kind::Text, "KIND", "stop targets of this kind"},
    {"target-value", Flag::Kind::Text, "VALUE", "stop this target"},
    {"environment", Flag::Kind::Text, "NAME", "stop what runs there"},
    {"path-prefixes", Flag::Kind::Text, "LIST", "stop paths at or below these, separated by commas"},
    {"workspace-prefixes", Flag::Kind::Text, "LIST", "stop workspaces at or below these, separated by commas"},
    {"reason", Flag::Kind::Text, "TEXT", "why"},
    {"actor", Flag::Kind::Text, "IDENTITY", "who stops it"},
    {"ttl", Flag::Kind::Text, "SPAN", "for how long, \"2h\" (until it is switched off)"},
    {"expires-at", Flag::Kind::Text, "RFC3339", "until when"},
    kSignerFlag,
};
constexpr Flag kListFlags[] = {kStateFlag};
constexpr Flag kChangeFlags[] = {kStateFlag, kEntryFlag, kSignerFlag};

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

std::string text_of(const Arguments& arguments, std::string_view flag) {
  return std::string(trimmed(arguments.text(flag)));
}

Result<std::string> state_path(const Arguments& arguments) {
  if (!arguments.positionals().empty()) return invalid("unexpected positional arguments");
  std::string path = text_of(arguments, "state");
  if (path.empty()) return invalid("--state is required");
  return path;
}

Result<gate::KillSwitch> read_state(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_input("kill switch state", path));
  return gate::KillSwitch::parse(text);
}

void answer(Call& call, std::string_view action, Json members, const std::string& text) {
  members.set("ok", true);
  members.set("action", action);
  if (call.json) return answer_as_gait(call, std::move(members));
  call.console.answer(text);
}

std::string line_of(const gate::KillSwitchEntry& entry) {
  const Json json = entry.json();
  std::string out = entry.entry_id + (entry.enabled ? "  on " : "  off");
  for (const auto& [name, value] : json.as_object()) {
    if (name == "entry_id" || name == "enabled" || name == "created_at") continue;
    if (name == "expires_at" && entry.expires_at.is_zero()) continue;
    out += "  " + name + "=" + (value.is_string() ? value.as_string() : value.compact());
  }
  return out + "\n";
}

// Reads, changes and writes the state under gait's kind of lock, attested where a signer is named.
template <typename Change>
Result<int> change_state(Call& call, const Arguments& arguments, std::string_view action, bool may_begin,
                         Change change) {
  ASSIGN_OR_RETURN(const std::string path, state_path(arguments));
  RETURN_IF_ERROR(prepare_output("kill switch state", path));
  const UtcTime now = SystemClock().now();
  ASSIGN_OR_RETURN(const LockFile lock, LockFile::take(path + ".lock", {}));
  gate::KillSwitch state = gate::KillSwitch::begin(now);
  if (!may_begin || fs::exists(fs::symlink_status(path))) {
    ASSIGN_OR_RETURN(state, read_state(path));
  }
  ASSIGN_OR_RETURN(const gate::KillSwitchEntry entry, change(state, now));
  Json document = state.document();
  RETURN_IF_ERROR(attest_where_named(arguments, document, now));
  RETURN_IF_ERROR(write_output(path, document.gait_file()));
  answer(call, action, Json::object({{"entry", entry.json()}, {"state", document}}), line_of(entry));
  return 0;
}

Result<UtcTime> end_of(const Arguments& arguments, UtcTime now) {
  const std::string ttl = text_of(arguments, "ttl");
  const std::string at = text_of(arguments, "expires-at");
  if (!ttl.empty() && !at.empty()) return invalid("--ttl and --expires-at exclude each other");
  if (!at.empty()) {
    Result<UtcTime> time = UtcTime::parse(at);
    if (!time) return invalid("invalid --expires-at: " + time.error().detail);
    return time;
  }
  if (ttl.empty()) return UtcTime();
  const Result<std::chrono::nanoseconds> span = parse_duration(ttl);
  if (!span || *span <= std::chrono::nanoseconds(0)) return invalid("invalid --ttl, expected positive duration");
  return now + *span;
}

Result<int> add(Call& call, const Arguments& arguments) {
  return change_state(call, arguments, "add", true,
                      [&arguments](gate::KillSwitch& state, UtcTime now) -> Result<gate::KillSwitchEntry> {
                        gate::KillSwitchEntry entry;
                        entry.agent_id = text_of(arguments, "agent-id");
                        entry.identity = text_of(arguments, "identity");
                        entry.tool_name = text_of(arguments, "tool-name");
                        entry.target_kind = text_of(arguments, "target-kind");
                        entry.target_value = text_of(arguments, "target-value");
                        entry.environment = text_of(arguments, "environment");
                        entry.path_prefixes = comma_list(arguments.text("path-prefixes"));
                        entry.workspace_prefixes = comma_list(arguments.text("workspace-prefixes"));
                        entry.reason = text_of(arguments, "reason");
                        entry.actor = text_of(arguments, "actor");
                        ASSIGN_OR_RETURN(entry.expires_at, end_of(arguments, now));
                        return state.add(std::move(entry), now);
                      });
}

Result<int> disable(Call& call, const Arguments& arguments) {
  return change_state(call, arguments, "disable", false, [&arguments](gate::KillSwitch& state, UtcTime now) {
    return state.disable(text_of(arguments, "entry-id"), now);
  });
}

Result<int> expire(Call& call, const Arguments& arguments) {
  return change_state(call, arguments, "expire", false, [&arguments](gate::KillSwitch& state, UtcTime now) {
    return state.expire(text_of(arguments, "entry-id"), now);
  });
}

Result<int> list(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string path, state_path(arguments));
  ASSIGN_OR_RETURN(const gate::KillSwitch state, read_state(path));
  Json::Array entries;
  std::string text;
  for (const gate::KillSwitchEntry& entry : state.entries()) {
    entries.push_back(entry.json());
    text += line_of(entry);
  }
  answer(call, "list", Json::object({{"entries", Json(std::move(entries))}, {"state", state.document()}}),
         text.empty() ? "nothing is stopped\n" : text);
  return 0;
}

}  // namespace

Command kill_switch_add_command() {
  return {"kill-switch add",
          "--state FILE [selectors] [--reason TEXT]",
          "Stops an agent, an identity, a tool or a target",
          "Every selector given has to match for an intent to be stopped. gate eval --kill-switch-state FILE blocks\n"
          "what matches, with exit 3. Where a signer is named, the file carries its attestation.",
          "countersign kill-switch add --state kill.json --tool-name db.write --reason incident-42",
          kAddFlags,
          Positionals::EndFlags,
          Shape::Gait,
          add};
}

Command kill_switch_list_command() {
  return {"kill-switch list",
          "--state FILE",
          "Shows who and what is stopped",
          "",
          "countersign kill-switch list --state kill.json",
          kListFlags,
          Positionals::EndFlags,
          Shape::Gait,
          list};
}

Command kill_switch_disable_command() {
  return {"kill-switch disable",
          "--state FILE --entry-id ID",
          "Switches an entry off; it stays in the file",
          "",
          "countersign kill-switch disable --state kill.json --entry-id fed5b73b575e547ca41ea731",
          kChangeFlags,
          Positionals::EndFlags,
          Shape::Gait,
          disable};
}

Command kill_switch_expire_command() {
  return {"kill-switch expire",
          "--state FILE --entry-id ID",
          "Lets an entry end now; it stays in the file",
          "",
          "countersign kill-switch expire --state kill.json --entry-id fed5b73b575e547ca41ea731",
          kChangeFlags,
          Positionals::EndFlags,
          Shape::Gait,
          expire};
}

}  // namespace countersign::command
