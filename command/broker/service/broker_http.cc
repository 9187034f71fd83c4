#include "command/broker/service/broker_http.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <functional>

#include "common/json_fields.h"

namespace countersign::command {
namespace {

using transport::HttpRequest;
using transport::HttpResponse;
using transport::Method;

constexpr std::size_t kWorkers = 4;
constexpr std::size_t kPatientWorkers = 24;
constexpr std::size_t kMostWaiting = 4096;
constexpr double kRequestsPerSecond = 2000;
constexpr double kBurst = 4000;
constexpr int kInFlight = 1024;
constexpr std::size_t kMostFound = 1000;
constexpr std::size_t kMostLines = 5000;
constexpr std::chrono::seconds kSignerAnswers{30};

// What a route works with: copies, since it is run by a worker.
struct Asked {
  BrokerService& service;
  client::SignerClient& signer;
  BrokerCaller caller;
  std::string id;  // of the path: /v1/requests/{id}/approve
  Json body;       // of a POST, without the members that say who asks
  std::string query;
  std::optional<std::string> lines = {};  // the answer, where it is one JSON object a line
};

using Act = Result<Json> (*)(Asked&);

struct ToolCallBody {
  std::string tool;
  Json args;
};

Result<ToolCallBody> read_call(const Json& body) {
  ToolCallBody read;
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(read.tool, fields.text("tool_id"));
  const Json* args = fields.take("args");
  read.args = args == nullptr ? Json(Json::Object{}) : *args;
  RETURN_IF_ERROR(fields.finish());
  return read;
}

Result<Json> call(Asked& asked) {
  ASSIGN_OR_RETURN(const ToolCallBody read, read_call(asked.body));
  return asked.service.call(asked.caller, read.tool, read.args, asked.signer);
}

Result<Json> explain(Asked& asked) {
  ASSIGN_OR_RETURN(const ToolCallBody read, read_call(asked.body));
  return asked.service.explain(asked.caller, read.tool, read.args, asked.signer);
}

// Which agent the peer is.
Result<Json> agent(const BrokerCaller& caller) {
  RETURN_IF_ERROR(require_agent(caller));
  return Json::object({{"agent_id", caller.agent}});
}

Result<Json> search(Asked& asked) {
  JsonFields fields(asked.body, "");
  ASSIGN_OR_RETURN(const std::string query, fields.text("query"));
  std::int64_t most = 10;
  if (asked.body.find("max_results") != nullptr) {
    ASSIGN_OR_RETURN(most, fields.integer("max_results", 1, kMostFound));
  }
  RETURN_IF_ERROR(fields.finish());
  return asked.service.search(asked.caller, query, static_cast<std::size_t>(most));
}

Result<Json> describe(Asked& asked) {
  JsonFields fields(asked.body, "");
  ASSIGN_OR_RETURN(const std::string tool, fields.text("tool_id"));
  RETURN_IF_ERROR(fields.finish());
  return asked.service.describe(asked.caller, tool);
}

Result<Json> load(Asked& asked) {
  JsonFields fields(asked.body, "");
  ASSIGN_OR_RETURN(const std::vector<std::string> tools, fields.texts("tool_ids"));
  RETURN_IF_ERROR(fields.finish());
  return asked.service.load(asked.caller, tools);
}

Result<Json> waiting(Asked& asked) {
  JsonFields fields(asked.body, "");
  ASSIGN_OR_RETURN(const std::string request, fields.text("request_id"));
  RETURN_IF_ERROR(fields.finish());
  return asked.service.waiting(asked.caller, request);
}

Result<Json> audit(Asked& asked) {
  std::uint64_t first = 0;
  if (const Result<std::string> given = transport::query_value(asked.query, "first")) {
    const auto read = std::from_chars(given->data(), given->data() + given->size(), first);
    if (read.ec != std::errc() || read.ptr != given->data() + given->size()) {
      return Error{ErrorCode::Invalid, "`first` is no number"};
    }
  }
  if (transport::query_value(asked.query, "lines")) {
    ASSIGN_OR_RETURN(asked.lines, asked.service.audit_lines(asked.caller, first, kMostLines));
    return Json();
  }
  return asked.service.audit(asked.caller, first, kMostFound,
                             transport::query_value(asked.query, "verify").has_value());
}

// `path` may have one part {id}, which is handed over. Who asks as an agent says so in the body of a POST.
struct Route {
  Method method;
  std::string_view before;  // of the id
  std::string_view after;   // empty where the path ends with the id; "-" where there is no id
  Act act;
};
constexpr Route kRoutes[] = {
    {Method::Post, "/v1/call", "-", call},
    {Method::Post, "/v1/explain", "-", explain},
    {Method::Post, "/v1/search", "-", search},
    {Method::Post, "/v1/describe", "-", describe},
    {Method::Post, "/v1/load", "-", load},
    {Method::Post, "/v1/tools", "-", [](Asked& a) { return a.service.tools(a.caller); }},
    {Method::Post, "/v1/waiting", "-", waiting},
    {Method::Post, "/v1/agent", "-", [](Asked& a) { return agent(a.caller); }},
    {Method::Get, "/v1/pending", "-", [](Asked& a) { return a.service.pending(a.caller); }},
    {Method::Post, "/v1/revoke", "-", [](Asked& a) { return a.service.revoke(a.caller, a.body); }},
    {Method::Get, "/v1/quarantine", "-", [](Asked& a) { return a.service.quarantine(a.caller); }},
    {Method::Post, "/v1/quarantine", "-", [](Asked& a) { return a.service.accept_definition(a.caller, a.body); }},
    {Method::Get, "/v1/requests", "-",
     [](Asked& a) {
       const Result<std::string> after = transport::query_value(a.query, "after");
       return a.service.requests(a.caller, after ? *after : "");
     }},
    {Method::Get, "/v1/ended", "-", [](Asked& a) { return a.service.ended_requests(a.caller); }},
    {Method::Post, "/v1/import", "-", [](Asked& a) { return a.service.note_import(a.caller, a.body); }},
    {Method::Get, "/v1/break-glass", "-", [](Asked& a) { return a.service.break_glass(a.caller); }},
    {Method::Get, "/v1/lists", "-", [](Asked& a) { return a.service.lists(a.caller); }},
    {Method::Get, "/v1/audit", "-", audit},
    {Method::Post, "/v1/deliveries", "-", [](Asked& a) { return a.service.deliver_now(a.caller); }},
    {Method::Post, "/v1/reply", "-", [](Asked& a) { return a.service.reply(a.caller, a.body); }},
    {Method::Get, "/v1/deliveries", "-",
     [](Asked& a) {
       const Result<std::string> status = transport::query_value(a.query, "status");
       return a.service.deliveries(a.caller, status ? *status : "");
     }},
    {Method::Get, "/v1/proposals", "-", [](Asked& a) { return a.service.proposals(a.caller); }},
    {Method::Post, "/v1/proposals", "-", [](Asked& a) { return a.service.propose(a.caller, a.body, a.signer); }},
    {Method::Get, "/healthz", "-",
     [](Asked&) -> Result<Json> {
       return Json::object({{"live", true}});
     }},
    {Method::Post, "/v1/requests/", "/prepare",
     [](Asked& a) { return a.service.prepare(a.caller, a.id, a.body, a.signer); }},
    {Method::Post, "/v1/requests/", "/approve",
     [](Asked& a) { return a.service.approve(a.caller, a.id, a.body, a.signer); }},
    {Method::Post, "/v1/requests/", "/review", [](Asked& a) { return a.service.review(a.caller, a.id, a.body); }},
    {Method::Post, "/v1/requests/", "/reject", [](Asked& a) { return a.service.reject(a.caller, a.id, a.body); }},
    {Method::Get, "/v1/requests/", "", [](Asked& a) { return a.service.request(a.caller, a.id); }},
    {Method::Post, "/v1/proposals/", "/prepare",
     [](Asked& a) { return a.service.prepare_admission(a.caller, a.id, a.body, a.signer); }},
    {Method::Post, "/v1/proposals/", "/approve",
     [](Asked& a) { return a.service.decide_proposal(a.caller, a.id, a.body, true, a.signer); }},
    {Method::Post, "/v1/proposals/", "/reject",
     [](Asked& a) { return a.service.decide_proposal(a.caller, a.id, a.body, false, a.signer); }},
    {Method::Get, "/v1/proposals/", "", [](Asked& a) { return a.service.proposal(a.caller, a.id); }},
};

// Whether it may wait for a tool server, or for a vetting.
bool waits(const Route& route) {
  constexpr std::string_view kWait[] = {"/v1/call", "/v1/explain", "/v1/search",   "/v1/describe",
                                        "/v1/load", "/v1/tools",   "/v1/proposals"};
  return route.method == Method::Post && route.after == "-" &&
         std::ranges::find(kWait, route.before) != std::end(kWait);
}

// The id in a path of the route; nothing where it is another one's.
std::optional<std::string> id_in(const Route& route, std::string_view path) {
  if (route.after == "-") return path == route.before ? std::optional(std::string()) : std::nullopt;
  if (!path.starts_with(route.before) || !path.ends_with(route.after)) return std::nullopt;
  path.remove_prefix(route.before.size());
  if (path.size() <= route.after.size()) return std::nullopt;
  path.remove_suffix(route.after.size());
  const bool plain = path.find_first_not_of("0123456789abcdef") == std::string_view::npos && path.size() <= 64;
  return plain ? std::optional(std::string(path)) : std::nullopt;
}

// Whom a request is for. A front that serves others on a socket of its own says in `peer_uid` who is there: a number
// is the word of the broker's own user and of root alone; null says that the kernel does not tell, so that only a
// secret makes an agent. Nobody is a person through a front.
struct Origin {
  std::optional<std::uint32_t> uid;
  bool front = false;
};

Result<Origin> taken_origin(Json& body, std::uint32_t peer) {
  const Json* member = body.find("peer_uid");
  if (member == nullptr) return Origin{peer, false};
  const Json said = *member;
  body.erase("peer_uid");
  if (said.is_null()) return Origin{std::nullopt, true};
  const bool number = said.is_integer() && said.as_integer() >= 0 && said.as_integer() < transport::Peer::kNobody;
  if (!number) return Error{ErrorCode::Invalid, "peer_uid is no user"};
  const auto uid = static_cast<std::uint32_t>(said.as_integer());
  if (uid == peer || peer == 0 || peer == ::geteuid()) return Origin{uid, true};
  return Error{ErrorCode::Refused, "uid " + std::to_string(peer) + " does not speak for uid " + std::to_string(uid),
               "not_a_front", "a front for several users runs as the broker's own user"};
}

HttpResponse response_of(Asked& asked, const Json& said) {
  if (!asked.lines) return HttpResponse::json(said);
  HttpResponse response;
  response.body = *std::move(asked.lines);
  response.content_type = "application/x-ndjson";
  return response;
}

// Takes the members that say who asks out of a body.
std::string taken(Json& body, std::string_view member) {
  std::string value(body.text(member));
  body.erase(member);
  return value;
}

}  // namespace

struct BrokerHttp::Exchange {
  transport::Responder responder;
  std::uint32_t uid = 0;
};

BrokerHttp::BrokerHttp(transport::EventLoop& loop, BrokerService& service, const std::string& signer)
    : loop_(loop),
      service_(service),
      limiter_(kRequestsPerSecond, kBurst, kInFlight),
      server_(loop, transport::HttpLimits{}),
      patient_(kPatientWorkers, kMostWaiting, [signer] { return client::SignerClient(signer, kSignerAnswers); }),
      workers_(kWorkers, kMostWaiting, [signer] { return client::SignerClient(signer, kSignerAnswers); }) {}

Status BrokerHttp::serve(transport::Listener listener) {
  return server_.serve(std::move(listener), [this](const HttpRequest& request, transport::Responder responder) {
    handle(request, std::move(responder));
  });
}

void BrokerHttp::sweep() {
  limiter_.sweep(std::chrono::steady_clock::now());
}

void BrokerHttp::answer(const std::shared_ptr<Exchange>& exchange, HttpResponse response) {
  limiter_.release(exchange->uid);
  exchange->responder.send(std::move(response));
}

void BrokerHttp::handle(const HttpRequest& request, transport::Responder responder) {
  const std::uint32_t uid = request.peer.uid;
  const Status admitted = limiter_.admit(uid, std::chrono::steady_clock::now());
  if (!admitted) return responder.send(HttpResponse::error(admitted.error()));
  const auto exchange = std::make_shared<Exchange>(Exchange{std::move(responder), uid});
  const Route* route = nullptr;
  std::string id;
  for (const Route& each : kRoutes) {
    if (each.method != request.method || route != nullptr) continue;
    if (std::optional<std::string> found = id_in(each, request.path)) {
      route = &each;
      id = *std::move(found);
    }
  }
  if (route == nullptr) {
    return answer(exchange,
                  HttpResponse::error(Error{ErrorCode::NotFound, "there is nothing of this method and path"}));
  }
  Result<Json> body = request.method == Method::Post ? Json::parse(request.body, {.exact_integers = true})
                                                     : Result<Json>(Json(Json::Object{}));
  if (!body) return answer(exchange, HttpResponse::error(body.error()));
  if (!body->is_object()) {
    return answer(exchange, HttpResponse::error(Error{ErrorCode::Invalid, "the body is no JSON object"}));
  }
  const std::string claimed = taken(*body, "agent_id");
  const std::string secret = taken(*body, "agent_secret");
  const Result<Origin> origin = taken_origin(*body, uid);
  if (!origin) return answer(exchange, HttpResponse::error(origin.error()));
  Result<BrokerCaller> caller = service_.recognise(origin->uid, claimed, secret);
  if (!caller) return answer(exchange, HttpResponse::error(caller.error()));
  if (origin->front) caller->person = false;
  const bool took = (waits(*route) ? patient_ : workers_)
                        .take([this, exchange, route, id, claimed, caller = *caller, query = std::string(request.query),
                               body = std::make_shared<Json>(*std::move(body))](client::SignerClient& signer) {
                          Asked asked{service_, signer, caller, id, std::move(*body), query};
                          // A person may look at what an agent would be told, and revoke what it was given.
                          if (caller.person && caller.agent.empty() && route->act == explain)
                            asked.caller.agent = claimed;
                          if (caller.person && std::string_view(route->before) == "/v1/revoke")
                            asked.body.set("agent_id", claimed);
                          const Result<Json> said = route->act(asked);
                          auto response = std::make_shared<HttpResponse>(said ? response_of(asked, *said)
                                                                              : HttpResponse::error(said.error()));
                          loop_.post([this, exchange, response] { answer(exchange, std::move(*response)); });
                        });
  if (!took) {
    answer(exchange, HttpResponse::error(Error{ErrorCode::Unavailable, "more requests wait than the broker takes on",
                                               "broker_busy", "ask again in a moment"}));
  }
}

}  // namespace countersign::command
