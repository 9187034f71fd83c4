// What a client lists and asks for.
#include <algorithm>

#include "common/bytes.h"
#include "gate/broker/mcp_faults.h"
#include "gate/broker/mcp_session.h"
#include "gate/broker/pattern.h"

namespace countersign::broker {
namespace {

constexpr std::string_view kDecision = "countersign/decision";
constexpr std::string_view kUriPrefix = "countersign:";

// What was decided, as a model can read it and a program as well.
Json told(std::string text, Json structured) {
  const Json decision =
      Json::object({{"error", structured.text("error")}, {"request_id", structured.text("request_id")}});
  return Json::object({{"content", Json::Array{Json::object({{"type", "text"}, {"text", std::move(text)}})}},
                       {"structuredContent", std::move(structured)},
                       {"isError", true},
                       {"_meta", Json::object({{std::string(kDecision), decision}})}});
}

std::string sentence(const Json& answer) {
  const std::string error(answer.text("error"));
  const std::string tool(answer.text("tool_id"));
  if (error == "approval_required") {
    return "Approval required: a person has to approve this call (request " + std::string(answer.text("request_id")) +
           "). Call again with the same arguments once it is approved.";
  }
  if (error == "rejected") {
    return "Rejected by a person: " + std::string(answer.text("reason")) + ". Do not repeat this call.";
  }
  if (error == "outcome_unknown") {
    return "The tool did not answer. It may have done its work: look before you call again.";
  }
  if (error == "content_withheld" || error == "bad_contents") return std::string(answer.text("message"));
  const std::string rule(answer.text("rule"));
  return "Not allowed: " + tool + " (" + error + (rule.empty() ? "" : ", " + rule) + ").";
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// Clients ask for what they were shown: links in an answer are of the server that gave it.
void with_client_uris(Json& value, std::string_view server) {
  if (value.is_array()) {
    for (Json& each : value.as_array()) with_client_uris(each, server);
  }
  if (!value.is_object()) return;
  const std::string_view type = value.text("type");
  for (const std::string_view member : {"content", "contents", "messages", "resource"}) {
    if (Json* inner = value.find(member)) with_client_uris(*inner, server);
  }
  const bool has_uri = type == "resource_link" || value.find("text") != nullptr || value.find("blob") != nullptr;
  if (Json* uri = value.find("uri"); uri != nullptr && uri->is_string() && has_uri) {
    *uri = Json(client_uri(server, uri->as_string()));
  }
}

// A definition as clients may take it.
Json shown_to_clients(OfferKind kind, const Json& row, const std::string& name) {
  Json shown = *row.find("definition");
  shown.set(std::string(row_of(kind).name), name);
  shown.erase("_meta");
  // Clients refuse structured answers that are not of it, and the broker's own are not, nor are masked ones.
  if (kind == OfferKind::Tool) shown.erase("outputSchema");
  return shown;
}

// What clients call it; `taken` are those before.
std::string name_for_clients(OfferKind kind, const Json& row, const ToolNames::Names& taken) {
  const std::string_view id = row.text("tool_id");
  if (kind == OfferKind::Resource || kind == OfferKind::Template) {
    return client_uri(server_of(id), row.find("definition")->text(row_of(kind).name));
  }
  const std::string base = client_name(id);
  std::string name = base;
  for (int more = 2; taken.contains(name); ++more) name = base.substr(0, 60) + "_" + std::to_string(more);
  return name;
}

}  // namespace

std::optional<std::string> ToolNames::id_of(OfferKind kind, const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto names = names_.find(kind);
  if (names == names_.end()) return std::nullopt;
  const auto found = names->second.find(name);
  return found == names->second.end() ? std::nullopt : std::optional(found->second);
}

void ToolNames::learn(std::map<OfferKind, Names> names) {
  const std::lock_guard lock(mutex_);
  names_ = std::move(names);
}

std::string client_name(std::string_view id) {
  constexpr std::string_view kPrompt = "prompts/";
  std::string_view own = name_of(id);
  if (kind_of(id) == OfferKind::Prompt) own.remove_prefix(kPrompt.size());
  std::string name;
  for (const char c : std::string(server_of(id)) + ":" + std::string(own)) {
    if (c == ':') {
      name += "__";
    } else {
      name += is_plain(c) ? c : '_';
    }
  }
  return name.substr(0, 64);
}

std::string client_uri(std::string_view server, std::string_view uri) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out(kUriPrefix);
  for (const char c : server) {
    const auto byte = static_cast<unsigned char>(c);
    out += is_plain(c) ? std::string(1, c) : std::string{'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out + "/" + std::string(uri);
}

std::optional<ServerUri> server_uri(std::string_view client_uri) {
  if (!client_uri.starts_with(kUriPrefix)) return std::nullopt;
  client_uri.remove_prefix(kUriPrefix.size());
  const std::size_t end = client_uri.find('/');
  if (end == std::string_view::npos) return std::nullopt;
  ServerUri out{"", std::string(client_uri.substr(end + 1))};
  for (std::size_t i = 0; i < end; ++i) {
    if (client_uri[i] != '%') {
      out.server += client_uri[i];
      continue;
    }
    const Result<Bytes> byte = from_hex(client_uri.substr(i + 1, std::min<std::size_t>(2, end - i - 1)));
    if (!byte || byte->size() != 1) return std::nullopt;
    out.server += text_of(*byte);
    i += 2;
  }
  return out;
}

Result<Json> McpSession::learn_offers() {
  Result<Json> answer = ask_("/v1/tools", Json::object({}));
  if (!answer) return fault(kInternal, "the broker does not answer: " + answer.error().detail);
  std::map<OfferKind, ToolNames::Names> names;
  Json lists = Json::object({});
  for (const OfferRow& each : offer_rows()) {
    const Json* rows = answer->find(each.for_agents);
    if (rows == nullptr || !rows->is_array()) {
      return fault(kInternal, "the broker's list of " + std::string(each.for_agents) + " is none");
    }
    Json::Array listed;
    for (const Json& row : rows->as_array()) {
      if (row.find("definition") == nullptr) continue;
      const std::string name = name_for_clients(each.kind, row, names[each.kind]);
      names[each.kind].emplace(name, row.text("tool_id"));
      listed.push_back(shown_to_clients(each.kind, row, name));
    }
    lists.set(std::string(each.listed), std::move(listed));
  }
  names_->learn(std::move(names));
  return lists;
}

McpSession::Reply McpSession::list(OfferKind kind) {
  const std::string member(row_of(kind).listed);
  ASSIGN_OR_RETURN(Json lists, learn_offers());
  Json result = Json::object({{member, std::move(*lists.find(member))}});
  if (stateless_) {
    result.set("ttlMs", kListLives);
    result.set("cacheScope", "private");
  }
  return result;
}

Result<std::optional<std::string>> McpSession::id_of(OfferKind kind, const std::string& name) {
  std::optional<std::string> id = names_->id_of(kind, name);
  if (id) return id;
  RETURN_IF_ERROR(learn_offers());
  return names_->id_of(kind, name);
}

// True once the call is worth making again.
bool McpSession::wait_for_people(const std::string& request, const std::optional<Json>& progress_token) {
  while (wait_(progress_token)) {
    const Result<Json> state = ask_("/v1/waiting", Json::object({{"request_id", request}}));
    // A broker that is being started again is waited for as well.
    if (state ? !still_waits(*state) : state.error().code != ErrorCode::Unavailable) return true;
  }
  return false;
}

Result<McpSession::Outcome> McpSession::ask_for(const std::string& id, const Json& args, const Json& params) {
  const Json body = Json::object({{"tool_id", id}, {"args", args}});
  const Json* meta = params.find("_meta");
  const Json* token = meta == nullptr ? nullptr : meta->find("progressToken");
  const std::optional<Json> progress = token == nullptr ? std::nullopt : std::optional(*token);
  for (;;) {
    const Result<Json> answer = ask_("/v1/call", body);
    if (!answer && answer.error().reason == "no_answer") {
      // The broker was asked and ended: the tool may have been reached.
      const Json unknown = Json::object({{"error", "outcome_unknown"}, {"tool_id", id}});
      return Outcome{{}, unknown, sentence(unknown)};
    }
    if (!answer) {
      return Outcome{{},
                     Json::object({{"error", answer.error().wire_code()}, {"tool_id", id}}),
                     answer.error().detail + (answer.error().hint.empty() ? "" : " (" + answer.error().hint + ")")};
    }
    if (answer->text("error") == "approval_required" &&
        wait_for_people(std::string(answer->text("request_id")), progress)) {
      continue;
    }
    if (answer->find("error") != nullptr) return Outcome{{}, *answer, sentence(*answer)};
    const Json* result = answer->find("result");
    if (result == nullptr || !result->is_object()) return fault(kInternal, "the broker's answer has no result");
    Json out = *result;
    with_client_uris(out, server_of(id));
    out.set("_meta", Json::object({{std::string(kDecision),
                                    Json::object({{"verdict", "allow"}, {"trace_id", answer->text("trace_id")}})}}));
    return Outcome{std::move(out), {}, {}};
  }
}

McpSession::Reply McpSession::call_tool(const Json& params) {
  const std::string name(params.text("name"));
  if (name.empty()) return fault(kInvalidParams, "name is missing");
  const Json* arguments = params.find("arguments");
  if (arguments != nullptr && !arguments->is_object()) return fault(kInvalidParams, "arguments is no object");
  ASSIGN_OR_RETURN(const std::optional<std::string> tool, id_of(OfferKind::Tool, name));
  if (!tool) {
    return told("There is no tool " + name + " here.", Json::object({{"error", "tool_not_found"}, {"tool_id", name}}));
  }
  ASSIGN_OR_RETURN(Outcome outcome, ask_for(*tool, arguments == nullptr ? Json(Json::Object{}) : *arguments, params));
  if (outcome.result) return *std::move(outcome.result);
  return told(std::move(outcome.sentence), std::move(outcome.decided));
}

// Of a resource or a prompt: a decision is an error, since what stands in a result would be taken for the thing itself.
McpSession::Reply McpSession::passed_on(Outcome outcome, const std::string& id) {
  if (!outcome.result) {
    data_ = std::move(outcome.decided);
    const std::string_view error = data_.text("error");
    if (error == "bad_uri" || error == "bad_arguments") return fault(kInvalidParams, outcome.sentence);
    if (error != "tool_not_found") return fault(kDecided, outcome.sentence);
    const bool resource = kind_of(id) == OfferKind::Resource && !stateless_;
    return fault(resource ? kResourceNotFound : kInvalidParams, "there is no " + id + " here");
  }
  Json& result = *outcome.result;
  const Json* failed = result.find("isError");
  if (failed != nullptr && *failed == Json(true)) {
    const Json* content = result.find("content");
    const bool said = content != nullptr && content->is_array() && !content->as_array().empty();
    data_ = Json::object({{"error", "server_error"}, {"tool_id", id}});
    return fault(kDecided, said ? std::string(content->as_array().front().text("text")) : "the server failed");
  }
  if (stateless_ && kind_of(id) == OfferKind::Resource) {
    result.set("ttlMs", std::int64_t{0});
    result.set("cacheScope", "private");
  }
  return std::move(result);
}

McpSession::Reply McpSession::read_resource(const Json& params) {
  const std::optional<ServerUri> asked = server_uri(params.text("uri"));
  if (!asked) return fault(kInvalidParams, "uri is missing, or none of resources/list");
  const Result<std::string> id = resource_id(asked->server, asked->uri);
  if (!id) return fault(kInvalidParams, id.error().detail);
  ASSIGN_OR_RETURN(Outcome outcome, ask_for(*id, Json::object({{"uri", asked->uri}}), params));
  return passed_on(std::move(outcome), *id);
}

McpSession::Reply McpSession::get_prompt(const Json& params) {
  const std::string name(params.text("name"));
  if (name.empty()) return fault(kInvalidParams, "name is missing");
  const Json* arguments = params.find("arguments");
  if (arguments != nullptr && !arguments->is_object()) return fault(kInvalidParams, "arguments is no object");
  ASSIGN_OR_RETURN(const std::optional<std::string> id, id_of(OfferKind::Prompt, name));
  if (!id) return fault(kInvalidParams, "there is no prompt " + name.substr(0, 100) + " here");
  ASSIGN_OR_RETURN(Outcome outcome, ask_for(*id, arguments == nullptr ? Json(Json::Object{}) : *arguments, params));
  return passed_on(std::move(outcome), *id);
}

}  // namespace countersign::broker
