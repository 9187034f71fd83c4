#include "command/broker/inbox_terminal.h"

#include <charconv>
#include <vector>

#include "command/line/padded.h"
#include "common/text.h"
#include "gate/document/optional_members.h"

namespace countersign::command {
namespace {

std::string number(const Json& json, std::string_view name) {
  const Json* value = json.find(name);
  return value != nullptr && value->is_integer() ? std::to_string(value->as_integer()) : "?";
}

std::int64_t version_of(const Json& proposal) {
  const Json* version = proposal.find("version");
  return version != nullptr && version->is_integer() ? version->as_integer() : 0;
}

// The first word, and what follows it.
std::pair<std::string_view, std::string_view> split(std::string_view text) {
  text = trimmed(text);
  const std::size_t space = std::min(text.find(' '), text.size());
  return {text.substr(0, space), trimmed(text.substr(space))};
}

std::string request_line(std::size_t place, const Json& request) {
  return padded(std::to_string(place), 4) + padded(displayed(request.text("tool_id")), 28) +
         padded(displayed(request.text("agent_id")), 16) + padded(displayed(request.text("action_class")), 10) +
         std::to_string(gate::texts_of(request.find("approvers")).size()) + " of " +
         number(request, "required_approvals") + "  until " + std::string(request.text("expires_at")) + "\n";
}

std::string proposal_line(std::size_t place, const Json& proposal) {
  const std::string_view vetted = proposal.text("vetting_status");
  return padded(std::to_string(place), 4) + padded("server " + displayed(proposal.text("server_name")), 28) +
         padded(displayed(proposal.text("proposed_by")), 16) +
         (vetted.empty() ? "not vetted" : "vetting: " + std::string(vetted)) + "\n";
}

// Two-space JSON, every line shown and not obeyed.
std::string block(const Json& json, std::string_view indent) {
  const std::string text = json.gait_file();
  std::string out;
  for (const std::string_view line : lines_of(text)) out += std::string(indent) + displayed(line) + "\n";
  return out;
}

std::string field(std::string_view name, std::string_view value) {
  return value.empty() ? "" : padded(name, 14) + displayed(value) + "\n";
}

std::string member_block(const Json& json, std::string_view member, std::string_view title) {
  const Json* value = json.find(member);
  if (value == nullptr || (value->is_object() && value->as_object().empty())) return "";
  return std::string(title) + "\n" + block(*value, "    ");
}

std::string whole_request(const Json& request) {
  return "\n" + field("request", request.text("id")) + field("summary", request.text("summary")) +
         field("tool", request.text("tool_id")) + field("agent", request.text("agent_id")) +
         field("class", request.text("action_class")) + field("rule", request.text("rule")) +
         field("asked", request.text("requested_at")) + field("until", request.text("expires_at")) +
         padded("approvals", 14) + std::to_string(gate::texts_of(request.find("approvers")).size()) + " of " +
         number(request, "required_approvals") + "\n" + member_block(request, "args", "arguments (secrets masked)") +
         member_block(request, "since_last_approved", "changed since the last approved call") +
         member_block(request, "definition", "the tool, as its server defined it") +
         member_block(request, "server", "its server, as vetting found it");
}

std::string whole_proposal(const Json& proposal) {
  std::string text =
      "\n" + field("proposal", proposal.text("id")) + field("server", proposal.text("server_name")) +
      field("source", std::string(proposal.text("source")) + " " + std::string(proposal.text("source_id"))) +
      field("proposed by", proposal.text("proposed_by")) + field("digest", proposal.text("digest")) +
      field("vetting", proposal.text("vetting_status"));
  const std::string_view report = proposal.text("vetting_report");
  if (!report.empty()) text += "\n";
  for (const std::string_view line : lines_of(report)) text += "    " + displayed(line) + "\n";
  return text;
}

}  // namespace

struct InboxTerminal::Word {
  std::string_view word;
  std::string_view usage;
  std::string_view help;
  Status (InboxTerminal::*act)(std::string_view rest);
};

Status InboxTerminal::run() {
  RETURN_IF_ERROR(list());
  while (true) {
    console_.answer("inbox> ");
    const std::optional<std::string> line = next_line_();
    if (!line) return ok();
    const std::string_view word = split(*line).first;
    if (word == "q" || word == "quit") return ok();
    act(*line);
  }
}

void InboxTerminal::act(const std::string& line) {
  static constexpr Word kWords[] = {
      {"show", "show N", "everything about it; N alone does the same", &InboxTerminal::do_show},
      {"approve", "approve N [once | uses K | until TIME | allowlist | break-glass] [REASON]",
       "sign an approval with your own key (the broker's default where nothing is said)", &InboxTerminal::do_approve},
      {"override", "override N REASON", "admit a server that vetting did not pass; takes two people",
       &InboxTerminal::do_override},
      {"reject", "reject N REASON", "turn it down; the agent is told the reason", &InboxTerminal::do_reject},
      {"review", "review N WHAT YOU FOUND", "of a break-glass that somebody opened", &InboxTerminal::do_review},
      {"history", "history", "what was decided", &InboxTerminal::do_history},
      {"list", "list", "ask again what waits; so does an empty line", &InboxTerminal::do_list},
  };
  auto [word, rest] = split(line);
  if (word.empty()) word = "list";
  const bool is_number = word.find_first_not_of("0123456789") == std::string_view::npos;
  if (is_number) {
    rest = word;
    word = "show";
  }
  if (word == "help") {
    std::string text;
    for (const Word& each : kWords) text += padded(each.usage, 60) + std::string(each.help) + "\n";
    console_.answer(text + padded("quit", 60) + "\n");
    return;
  }
  for (const Word& each : kWords) {
    if (each.word != word) continue;
    if (const Status done = (this->*each.act)(rest); !done) {
      console_.answer("refused: " + displayed(done.error().detail) + "\n" +
                      (done.error().hint.empty() ? "" : "hint: " + displayed(done.error().hint) + "\n"));
    }
    return;
  }
  console_.answer("there is no word \"" + displayed(word) + "\"; help lists them\n");
}

Status InboxTerminal::list() {
  ASSIGN_OR_RETURN(const Json inbox, desk_.inbox());
  items_.clear();
  std::string text;
  for (const Json& request : inbox.find("requests")->as_array()) {
    items_.push_back({std::string(request.text("id")), false, 0});
    text += request_line(items_.size(), request);
  }
  for (const Json& proposal : inbox.find("proposals")->as_array()) {
    items_.push_back({std::string(proposal.text("id")), true, version_of(proposal)});
    text += proposal_line(items_.size(), proposal);
  }
  for (const Json& tool : inbox.find("quarantine")->as_array()) {
    text += "    " + displayed(tool.text("tool_id")) +
            " changed its definition and is withheld: countersign broker quarantine\n";
  }
  for (const Json& request : inbox.find("break_glass")->as_array()) {
    items_.push_back({std::string(request.text("id")), false, 0});
    text += padded(std::to_string(items_.size()), 4) + "BREAK-GLASS of " + displayed(request.text("tool_id")) +
            " for " + displayed(request.text("agent_id")) + ", not reviewed: " + displayed(request.text("reason")) +
            "\n";
  }
  console_.answer(text.empty() ? "nothing waits\n" : text);
  return ok();
}

Result<InboxTerminal::Item> InboxTerminal::item_named(std::string_view text) const {
  std::size_t place = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), place);
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
  if (whole && place >= 1 && place <= items_.size()) return items_[place - 1];
  for (const Item& item : items_) {
    if (item.id == text) return item;
  }
  return Error{ErrorCode::NotFound, "there is no \"" + std::string(text) + "\" in the list", "unknown_item",
               "an empty line lists what waits"};
}

Result<Json> InboxTerminal::show(const Item& item) {
  ASSIGN_OR_RETURN(Json whole, item.proposal ? desk_.proposal(item.id) : desk_.request(item.id));
  console_.answer(item.proposal ? whole_proposal(whole) : whole_request(whole));
  for (Item& each : items_) {
    if (item.proposal && each.id == item.id) each.version = version_of(whole);
  }
  return whole;
}

Status InboxTerminal::do_show(std::string_view rest) {
  ASSIGN_OR_RETURN(const Item item, item_named(split(rest).first));
  RETURN_IF_ERROR(show(item));
  return ok();
}

Status InboxTerminal::do_approve(std::string_view rest) {
  const auto [which, more] = split(rest);
  ASSIGN_OR_RETURN(const Item item, item_named(which));
  // Everything that will run is shown before it is agreed to, whatever was shown before.
  RETURN_IF_ERROR(show(item));
  if (item.proposal) {
    ASSIGN_OR_RETURN(const Json answer, desk_.decide_proposal(item.id, {true, false, std::string(more), item.version}));
    console_.answer(std::string(answer.text("status")) + "\n");
    return ok();
  }
  ApprovalChoice choice;
  auto [mode, after] = split(more);
  if (mode == "once" || mode == "allowlist" || mode == "break-glass") {
    choice.mode = mode == "break-glass" ? std::string_view("break_glass") : mode;
    choice.reason = after;
  } else if (mode == "uses" || mode == "until") {
    choice.mode = mode;
    const auto [value, reason] = split(after);
    choice.reason = reason;
    if (mode == "until") choice.until = value;
    if (mode == "uses") {
      const auto read = std::from_chars(value.data(), value.data() + value.size(), choice.uses);
      if (read.ec != std::errc() || read.ptr != value.data() + value.size()) {
        return Error{ErrorCode::Invalid, "uses needs a number: approve N uses 3"};
      }
    }
  } else {
    choice.reason = more;
  }
  ASSIGN_OR_RETURN(const Json answer, desk_.approve(item.id, choice));
  if (answer.text("status") == "approved") {
    console_.answer("approved: " + std::string(answer.text("mode")) + "\n");
  } else {
    console_.answer("approved by " + number(answer, "approvals") + " of " + number(answer, "required_approvals") +
                    "; it waits for others\n");
  }
  return ok();
}

Status InboxTerminal::do_override(std::string_view rest) {
  const auto [which, reason] = split(rest);
  ASSIGN_OR_RETURN(const Item item, item_named(which));
  if (!item.proposal) return Error{ErrorCode::Invalid, "only the vetting of a server can be overridden"};
  RETURN_IF_ERROR(show(item));
  ASSIGN_OR_RETURN(const Json answer, desk_.decide_proposal(item.id, {true, true, std::string(reason), item.version}));
  const std::string_view needs = answer.text("needs");
  console_.answer(std::string(answer.text("status")) + (needs.empty() ? "" : "; it needs " + std::string(needs)) +
                  "\n");
  return ok();
}

Status InboxTerminal::do_reject(std::string_view rest) {
  const auto [which, reason] = split(rest);
  ASSIGN_OR_RETURN(const Item item, item_named(which));
  ASSIGN_OR_RETURN(const Json answer,
                   item.proposal ? desk_.decide_proposal(item.id, {false, false, std::string(reason), item.version})
                                 : desk_.reject(item.id, std::string(reason)));
  console_.answer(std::string(answer.text("status")) + "\n");
  return ok();
}

Status InboxTerminal::do_review(std::string_view rest) {
  const auto [which, found] = split(rest);
  ASSIGN_OR_RETURN(const Item item, item_named(which));
  ASSIGN_OR_RETURN(const Json answer, desk_.review(item.id, std::string(found)));
  console_.answer(std::string(answer.text("status")) + "\n");
  return ok();
}

Status InboxTerminal::do_history(std::string_view) {
  ASSIGN_OR_RETURN(const Json history, desk_.history());
  std::string text;
  for (const Json& request : history.find("requests")->as_array()) {
    text += padded(std::string(request.text("requested_at")), 32) + padded(std::string(request.text("status")), 10) +
            padded(displayed(request.text("tool_id")), 28) + displayed(request.text("reason")) + "\n";
  }
  for (const Json& proposal : history.find("proposals")->as_array()) {
    text += padded(std::string(proposal.text("proposed_at")), 32) + padded(std::string(proposal.text("status")), 10) +
            "server " + displayed(proposal.text("server_name")) + "\n";
  }
  console_.answer(text.empty() ? "nothing was decided yet\n" : text);
  return ok();
}

Status InboxTerminal::do_list(std::string_view) {
  return list();
}

}  // namespace countersign::command
