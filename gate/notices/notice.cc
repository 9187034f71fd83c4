#include "gate/notices/notice.h"

#include <algorithm>
#include <array>
#include <map>

#include "common/joined.h"
#include "common/text.h"
#include "gate/broker/masking.h"

namespace countersign::notices {
namespace {

using broker::BrokerStore;
using broker::NoticeKind;
using broker::ToolRequest;

constexpr std::size_t kLongestShown = 4096;
// In the lines for people, so that what follows them fits into a chat's message.
constexpr std::size_t kLongestArguments = 1500;
constexpr std::size_t kLongestInDigest = 100;  // of each

// What a notice is made of beside its record.
struct Told {
  const BrokerStore& store;
  const std::string& socket;
};

// What others wrote, on one line with everything in it to be seen, and no longer than a message can hold.
std::string shown(std::string_view text, std::size_t most = kLongestShown) {
  if (text.size() <= most) return displayed(text);
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;  // not within a character
  return displayed(text.substr(0, most)) + " …";
}

Json masked_text(std::string_view text) {
  return broker::masked(Json(text));
}

Notice notice(NoticeKind kind, std::string key, std::string_view at, Json data, const std::vector<std::string>& lines) {
  Json all = Json::object({{"notice", broker::name_of(kind)}, {"summary", lines.front()}});
  for (auto& [name, value] : data.as_object()) all.set(name, std::move(value));
  all.set("text", joined(lines, "\n"));
  return {kind, std::string(broker::name_of(kind)) + "/" + key,
          Json::object(
              {{"type", "broker." + std::string(broker::name_of(kind))}, {"timestamp", at}, {"data", std::move(all)}})};
}

Json data_of(const ToolRequest& request) {
  return Json::object({{"request_id", request.id},
                       {"agent_id", request.agent},
                       {"tool_id", request.tool},
                       {"action_class", request.action_class},
                       {"args_digest", request.args_digest}});
}

// A call that waits: everything that a person needs to look at it and to answer.
Notice asking(NoticeKind kind, const ToolRequest& request, std::string_view at, const std::string& summary,
              const std::string& socket) {
  const Json args = broker::masked(request.args);
  const std::string arguments = args.compact();
  const std::string approve = broker::how_to_approve(request.id, socket);
  const std::string reject = broker::broker_line("reject --request-id " + request.id + " --reason TEXT", socket);
  Json data = data_of(request);
  if (arguments.size() <= kLongestShown) {
    data.set("args", args);
  } else {
    data.set("args_cut", true);
  }
  data.set("rule", request.rule);
  data.set("required_approvals", request.required);
  data.set("requested_at", request.requested_at.rfc3339());
  data.set("expires_at", request.expires_at.rfc3339());
  data.set("how_to_approve", approve);
  data.set("how_to_reject", reject);
  std::vector<std::string> lines = {summary, "class: " + request.action_class,
                                    "arguments: " + shown(arguments, kLongestArguments),
                                    "until: " + request.expires_at.rfc3339()};
  if (request.required > 1) lines.push_back("approvals needed: " + std::to_string(request.required));
  lines.push_back("approve: " + approve);
  lines.push_back("reject: " + reject);
  return notice(kind, request.id, at, std::move(data), lines);
}

std::optional<Notice> of_request(const Json& record, const Told& told) {
  const Result<ToolRequest> request = told.store.request(record.text("request_id"));
  if (!request) return std::nullopt;
  return asking(NoticeKind::Request, *request, record.text("at"), request->summary(), told.socket);
}

std::string by(const Json& record) {
  const Json* approvers = record.find("approvers");
  if (approvers != nullptr && approvers->is_array()) {
    std::vector<std::string> names;
    for (const Json& each : approvers->as_array()) names.push_back(each.is_string() ? shown(each.as_string()) : "");
    return " by " + joined(names, ", ");
  }
  const Json* uid = record.find("uid");
  if (uid == nullptr) return "";
  return (record.text("by") == "reply" ? " by an answer to a notice, uid " : " by uid ") + uid->compact();
}

std::optional<Notice> of_end(NoticeKind kind, const std::string& what, const Json& record, const Told& told) {
  const Result<ToolRequest> request = told.store.request(record.text("request_id"));
  if (!request) return std::nullopt;
  Json data = data_of(*request);
  data.set("outcome", what);
  std::vector<std::string> lines = {request->summary() + ": " + what + by(record)};
  if (!record.text("mode").empty()) {
    data.set("mode", record.text("mode"));
    lines.push_back("granted: " + std::string(record.text("mode")));
  }
  if (!record.text("reason").empty()) {
    const Json reason = masked_text(record.text("reason"));
    data.set("reason", reason);
    lines.push_back("reason: " + shown(reason.as_string()));
  }
  return notice(kind, request->id, record.text("at"), std::move(data), lines);
}

std::optional<Notice> of_approval(const Json& record, const Told& told) {
  return of_end(NoticeKind::Decided, "approved", record, told);
}
std::optional<Notice> of_break_glass(const Json& record, const Told& told) {
  return of_end(NoticeKind::BreakGlass,
                "BREAK-GLASS, with any arguments until " + std::string(record.text("expires_at")), record, told);
}
std::optional<Notice> of_rejection(const Json& record, const Told& told) {
  return of_end(NoticeKind::Decided, "rejected", record, told);
}
std::optional<Notice> of_expiry(const Json& record, const Told& told) {
  return of_end(NoticeKind::Expired, "expired", record, told);
}

// docs/broker.md, "Servers": what there is to say, where vetting did not say it.
std::string how_to_admit(const std::string& what, std::string_view vetted, const std::string& socket) {
  const std::string_view more = vetted == "pass" || vetted == "warn" ? ""
                                : vetted == "definitions"            ? " --reason TEXT"
                                                                     : " --override-vetting --reason TEXT";
  return broker::broker_line("approve --request-id " + what + std::string(more), socket);
}

// `socket` empty where nobody is asked any more.
Notice about_proposal(NoticeKind kind, const Json& record, const std::string& summary, const std::string& socket) {
  const std::string id(record.text("proposal_id"));
  Json data = Json::object({{"proposal_id", id},
                            {"version", *record.find("version")},
                            {"server_name", record.text("server_name")},
                            {"digest", record.text("digest")},
                            {"vetting_status", record.text("vetting_status")},
                            {"by", shown(record.text("by"))}});
  const std::string vetted(record.text("vetting_status"));
  std::vector<std::string> lines = {summary, "vetting: " + (vetted.empty() ? "none" : vetted)};
  if (!record.text("reason").empty()) {
    const Json reason = masked_text(record.text("reason"));
    data.set("reason", reason);
    lines.push_back("reason: " + shown(reason.as_string()));
  }
  if (!socket.empty()) {
    const std::string line =
        how_to_admit(id + " --proposal-version " + record.find("version")->compact(), vetted, socket);
    data.set("how_to_approve", line);
    lines.push_back("approve: " + line);
  }
  const std::string key = id + "/" + record.find("version")->compact() + "/" + record.find("index")->compact();
  return notice(kind, key, record.text("at"), std::move(data), lines);
}

std::string server_in(const Json& record) {
  return "'" + shown(record.text("server_name")) + "'";
}

std::optional<Notice> of_proposal(const Json& record, const Told& told) {
  return about_proposal(NoticeKind::Proposal, record,
                        "'" + shown(record.text("by")) + "' proposes the tool server " + server_in(record),
                        told.socket);
}

std::optional<Notice> of_override(const Json& record, const Told& told) {
  return about_proposal(
      NoticeKind::Override, record,
      "Vetting of the tool server " + server_in(record) + " is to be overridden; a second person has to", told.socket);
}

std::optional<Notice> of_decided_proposal(const Json& record, const Told&) {
  const Json* override_given = record.find("override");
  const bool overridden = override_given != nullptr && *override_given == Json(true);
  const bool approved = record.text("event") == "proposal_approved";
  if (approved && overridden) {
    return about_proposal(NoticeKind::Override, record,
                          "The tool server " + server_in(record) + " was admitted, overriding its vetting", "");
  }
  return about_proposal(NoticeKind::Decided, record,
                        "The tool server " + server_in(record) + " was " + (approved ? "admitted" : "rejected"), "");
}

std::optional<Notice> of_quarantine(const Json& record, const Told& told) {
  const std::string tool(record.text("tool_id"));
  const std::string cause(record.text("cause"));
  const std::string look = broker::broker_line("quarantine", told.socket);
  const std::string digest(record.text("definition_digest"));
  const std::string accept =
      broker::broker_line("quarantine --accept " + tool + " --digest " + digest + " --reason TEXT", told.socket);
  Json data = Json::object({{"tool_id", tool},
                            {"cause", cause},
                            {"definition_digest", digest},
                            {"pinned_digest", record.text("pinned_digest")},
                            {"how_to_look", look},
                            {"how_to_accept", accept}});
  return notice(NoticeKind::Quarantine, tool + "/" + record.find("index")->compact(), record.text("at"),
                std::move(data),
                {"The tool '" + tool + "' is quarantined: " + cause, "look: " + look, "accept: " + accept});
}

// Records that nobody is told of have no row.
struct EventRow {
  std::string_view event;
  std::optional<Notice> (*notice)(const Json& record, const Told& told);
};
constexpr EventRow kEvents[] = {
    {"request_opened", of_request},
    {"approved", of_approval},
    {"break_glass_opened", of_break_glass},
    {"rejected", of_rejection},
    {"request_expired", of_expiry},
    {"proposed", of_proposal},
    {"override_asked", of_override},
    {"proposal_approved", of_decided_proposal},
    {"proposal_rejected", of_decided_proposal},
    {"definition_quarantined", of_quarantine},
};

}  // namespace

bool is_notable(std::string_view event) {
  return std::ranges::find(kEvents, event, &EventRow::event) != std::end(kEvents);
}

std::optional<Notice> notice_of(const Json& record, const BrokerStore& store, const std::string& socket) {
  const auto* const row = std::ranges::find(kEvents, record.text("event"), &EventRow::event);
  return row == std::end(kEvents) ? std::nullopt : row->notice(record, Told{store, socket});
}

Notice reminder_of(const ToolRequest& request, UtcTime now, const std::string& socket) {
  return asking(NoticeKind::Reminder, request, now.rfc3339(), "Still waiting: " + request.summary(), socket);
}

void add_reply(Json& message, const std::string& code) {
  Json* data = message.find("data");
  if (data == nullptr) return;
  const std::string text(data->text("text"));
  data->set("reply", Json::object({{"code", code}, {"no", "no " + code}, {"yes", "yes " + code}}));
  data->set("text", text + "\nanswer: \"no " + code + "\" rejects it; \"yes " + code +
                        "\" is answered with the line that approves");
}

Json digest_of(const std::vector<Json>& messages, UtcTime now) {
  std::string ids = "countersign-digest\n";
  Json::Array notices;
  std::map<std::string, int> kinds;
  std::vector<std::string> lines = {""};
  for (const Json& message : messages) {
    ids += std::string(message.text("id")) + "\n";
    const Json& data = *message.find("data");
    ++kinds[std::string(data.text("notice"))];
    lines.push_back("- " + std::string(data.text("summary")));
    if (data.find("args") != nullptr) lines.push_back("  " + shown(data.find("args")->compact(), kLongestInDigest));
    if (!data.text("how_to_approve").empty()) lines.push_back("  approve: " + std::string(data.text("how_to_approve")));
    if (const Json* reply = data.find("reply"))
      lines.push_back("  answer \"" + std::string(reply->text("no")) + "\": rejects it");
    notices.push_back(data);
  }
  std::vector<std::string> counts;
  for (const auto& [kind, count] : kinds) counts.push_back(std::to_string(count) + " " + kind);
  const std::string summary = std::to_string(messages.size()) + " notices of the broker: " + joined(counts, ", ");
  lines.front() = summary;
  constexpr std::size_t kDigits = 32;
  return Json::object({{"id", "msg_" + sha256(ids).hex().substr(0, kDigits)},
                       {"type", "broker.digest"},
                       {"timestamp", now.rfc3339()},
                       {"data", Json::object({{"notice", "digest"},
                                              {"summary", summary},
                                              {"count", messages.size()},
                                              {"notices", std::move(notices)},
                                              {"text", joined(lines, "\n")}})}});
}

Json::Object subject_of(const Json& message) {
  Json::Object subject;
  const Json* data = message.find("data");
  if (data == nullptr) return subject;
  for (const char* name : {"request_id", "proposal_id", "tool_id"}) {
    if (const Json* value = data->find(name)) subject.emplace_back(name, *value);
  }
  return subject;
}

}  // namespace countersign::notices
