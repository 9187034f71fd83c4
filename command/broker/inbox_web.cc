#include "command/broker/inbox_web.h"

#include <algorithm>
#include <limits>

#include "command/broker/inbox_page.h"
#include "command/serving/web_origin.h"
#include "common/digest.h"
#include "common/json_fields.h"
#include "common/text.h"

namespace countersign::command {
namespace {

using transport::HttpRequest;
using transport::HttpResponse;
using transport::Method;
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kRandomBytes = 32;
constexpr std::size_t kMostWaiting = 32;
constexpr std::string_view kTokenHeader = "x-inbox-token";

// Nothing is loaded from elsewhere, nothing runs that is not ours, nobody frames it, and no address leaks.
constexpr std::pair<std::string_view, std::string_view> kHeaders[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
     "form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cache-Control", "no-store"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

struct Asset {
  std::string_view path;
  std::string_view content;
  std::string_view type;
};
constexpr Asset kAssets[] = {
    {"/", kInboxHtml, "text/html; charset=utf-8"},
    {"/inbox.js", kInboxScript, "text/javascript; charset=utf-8"},
    {"/inbox.css", kInboxStyle, "text/css; charset=utf-8"},
};

transport::HttpLimits http_limits() {
  transport::HttpLimits limits;
  limits.connections = 64;
  limits.body = std::size_t{64} << 10;
  limits.keep_headers = true;
  return limits;
}

// Whether both are the same, in a time that does not tell how far they are.
bool same_secret(std::string_view a, std::string_view b) {
  if (a.empty() || a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]));
  }
  return difference == 0;
}

void send(transport::Responder& responder, HttpResponse response) {
  for (const auto& [name, value] : kHeaders) response.headers.emplace_back(name, value);
  responder.send(std::move(response));
}

void refuse(transport::Responder& responder, const Error& error, int status = 0) {
  HttpResponse response = HttpResponse::error(error);
  if (status != 0) response.status = status;
  send(responder, std::move(response));
}

// The cookie's name carries the port: cookies are shared by all ports of a host.
std::string cookie_name(std::string_view authority) {
  return "countersign_inbox_" + std::string(authority.substr(authority.rfind(':') + 1));
}

std::string cookie_in(const transport::HttpHeaders& headers, const std::string& name) {
  const Result<std::string> header = transport::header_value(headers, "cookie");
  std::string_view rest = header ? std::string_view(*header) : std::string_view();
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view each = trimmed(rest.substr(0, end));
    if (each.starts_with(name + "=")) return std::string(each.substr(name.size() + 1));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

Result<Json> approve(BrokerDesk& desk, const std::string& id, const Json& body) {
  JsonFields fields(body, "");
  ApprovalChoice choice;
  ASSIGN_OR_RETURN(choice.mode, fields.text("mode"));
  ASSIGN_OR_RETURN(choice.reason, fields.text("reason"));
  if (choice.mode == "uses") {
    ASSIGN_OR_RETURN(choice.uses, fields.integer("uses", 1, 10'000));
  }
  if (choice.mode == "until") {
    ASSIGN_OR_RETURN(choice.until, fields.text("until"));
  }
  RETURN_IF_ERROR(fields.finish());
  return desk.approve(id, choice);
}

Result<std::string> reason_in(const Json& body) {
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(std::string reason, fields.text("reason"));
  RETURN_IF_ERROR(fields.finish());
  return reason;
}

Result<Json> reject(BrokerDesk& desk, const std::string& id, const Json& body) {
  ASSIGN_OR_RETURN(const std::string reason, reason_in(body));
  return desk.reject(id, reason);
}

Result<Json> review(BrokerDesk& desk, const std::string& id, const Json& body) {
  ASSIGN_OR_RETURN(const std::string reason, reason_in(body));
  return desk.review(id, reason);
}

Result<Json> decide(BrokerDesk& desk, const std::string& id, const Json& body, bool approved, bool override_vetting) {
  ProposalDecision decision{approved, override_vetting, "", 0};
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(decision.reason, fields.text("reason"));
  // Of the one that the page shows: who proposes may do so anew while somebody reads.
  ASSIGN_OR_RETURN(decision.version, fields.integer("version", 1, std::numeric_limits<std::int32_t>::max()));
  RETURN_IF_ERROR(fields.finish());
  return desk.decide_proposal(id, decision);
}

}  // namespace

struct InboxWeb::Route {
  Method method;
  std::string_view before;  // of the id
  std::string_view after;   // "-": the path has no id
  Result<Json> (*act)(BrokerDesk& desk, const std::string& id, const Json& body);
};

InboxWeb::InboxWeb(transport::EventLoop& loop, const Arguments& arguments)
    : loop_(loop),
      key_(to_hex(random_bytes(kRandomBytes))),
      token_(to_hex(random_bytes(kRandomBytes))),
      used_(SteadyClock::now()),
      server_(loop, http_limits()),
      worker_(1, kMostWaiting, [arguments] { return BrokerDesk(arguments); }) {}

Status InboxWeb::serve(transport::Listener listener) {
  authority_ = listener.path();
  return server_.serve(std::move(listener), [this](const HttpRequest& request, transport::Responder responder) {
    handle(request, std::move(responder));
  });
}

std::string InboxWeb::link() const {
  return "http://" + authority_ + "/open?key=" + key_;
}

SteadyClock::duration InboxWeb::unused_for() const {
  return SteadyClock::now() - used_;
}

std::optional<Error> InboxWeb::misplaced(const HttpRequest& request) const {
  const auto refused = [](const std::string& detail) {
    return Error{ErrorCode::Refused, detail, "wrong_origin", "open the inbox by the link that it printed"};
  };
  const Status own = check_origin(request.headers, authority_, OwnNames::Address);
  if (!own) return own.error().code == ErrorCode::Refused ? refused(own.error().detail) : own.error();
  const bool names_origin = transport::header_value(request.headers, "origin").has_value();
  if (!names_origin && request.method == Method::Post) return refused("a POST names its Origin");
  const Result<std::string> site = transport::header_value(request.headers, "sec-fetch-site");
  const bool by_link = request.path == "/open" || request.path == "/";
  if (site && *site != "same-origin" && !(by_link && (*site == "none" || *site == "cross-site"))) {
    return refused("the request comes from another site");
  }
  return std::nullopt;
}

bool InboxWeb::is_let_in(const HttpRequest& request) const {
  return same_secret(cookie_in(request.headers, cookie_name(authority_)), session_);
}

// The link's one use. The address is replaced at once, so that it stays in no history that can be followed.
void InboxWeb::open(const HttpRequest& request, transport::Responder responder) {
  const Result<std::string> key = transport::query_value(request.query, "key");
  if (!key || !same_secret(*key, key_)) {
    return refuse(responder, Error{ErrorCode::Refused, "this link was used already, or is another one's", "link_used",
                                   "start `countersign broker inbox --web` again for a new one"});
  }
  key_.clear();
  session_ = to_hex(random_bytes(kRandomBytes));
  HttpResponse response;
  response.status = 303;
  response.content_type = "text/plain; charset=utf-8";
  response.headers.emplace_back("Location", "/");
  response.headers.emplace_back("Set-Cookie",
                                cookie_name(authority_) + "=" + session_ + "; Path=/; HttpOnly; SameSite=Strict");
  send(responder, std::move(response));
}

void InboxWeb::handle(const HttpRequest& request, transport::Responder responder) {
  static constexpr Route kRoutes[] = {
      {Method::Get, "/api/inbox", "-", [](BrokerDesk& desk, const std::string&, const Json&) { return desk.inbox(); }},
      {Method::Get, "/api/history", "-",
       [](BrokerDesk& desk, const std::string&, const Json&) { return desk.history(); }},
      {Method::Post, "/api/requests/", "/approve", approve},
      {Method::Post, "/api/requests/", "/reject", reject},
      {Method::Post, "/api/requests/", "/review", review},
      {Method::Get, "/api/requests/", "",
       [](BrokerDesk& desk, const std::string& id, const Json&) { return desk.request(id); }},
      {Method::Post, "/api/proposals/", "/approve",
       [](BrokerDesk& desk, const std::string& id, const Json& body) { return decide(desk, id, body, true, false); }},
      {Method::Post, "/api/proposals/", "/override",
       [](BrokerDesk& desk, const std::string& id, const Json& body) { return decide(desk, id, body, true, true); }},
      {Method::Post, "/api/proposals/", "/reject",
       [](BrokerDesk& desk, const std::string& id, const Json& body) { return decide(desk, id, body, false, false); }},
      {Method::Get, "/api/proposals/", "",
       [](BrokerDesk& desk, const std::string& id, const Json&) { return desk.proposal(id); }},
  };
  if (const auto error = misplaced(request)) return refuse(responder, *error);
  if (request.method == Method::Get && request.path == "/open") return open(request, std::move(responder));
  if (!is_let_in(request)) {
    return refuse(responder,
                  Error{ErrorCode::Refused, "this browser was not let in", "not_let_in",
                        "open the link that `countersign broker inbox --web` printed"},
                  401);
  }
  used_ = SteadyClock::now();
  if (request.method == Method::Get) {
    for (const Asset& asset : kAssets) {
      if (asset.path != request.path) continue;
      HttpResponse response;
      response.body = asset.content;
      response.content_type = asset.type;
      return send(responder, std::move(response));
    }
    if (request.path == "/api/token") return send(responder, HttpResponse::json(Json::object({{"token", token_}})));
  }
  for (const Route& route : kRoutes) {
    std::string_view path = request.path;
    if (route.method != request.method) continue;
    if (route.after == "-") {
      if (path != route.before) continue;
      return ask(request, std::move(responder), route, "");
    }
    if (!path.starts_with(route.before) || !path.ends_with(route.after)) continue;
    path.remove_prefix(route.before.size());
    if (path.size() <= route.after.size()) continue;
    std::string id(path.substr(0, path.size() - route.after.size()));
    if (!check_request_id(id)) continue;
    return ask(request, std::move(responder), route, std::move(id));
  }
  refuse(responder, Error{ErrorCode::NotFound, "there is nothing at " + std::string(request.path)});
}

void InboxWeb::ask(const HttpRequest& request, transport::Responder responder, const Route& route, std::string id) {
  Json body{Json::Object{}};
  if (request.method == Method::Post) {
    const Result<std::string> token = transport::header_value(request.headers, kTokenHeader);
    if (!token || !same_secret(*token, token_)) {
      return refuse(responder,
                    Error{ErrorCode::Refused, "the page's token is missing", "token_missing", "reload the page"});
    }
    Result<Json> read = Json::parse(request.body);
    if (!read) return refuse(responder, read.error());
    body = *std::move(read);
  }
  ++under_way_;
  auto waiting = std::make_shared<transport::Responder>(std::move(responder));
  const bool took = worker_.take([this, waiting, &route, id = std::move(id), body](BrokerDesk& desk) {
    auto answer = std::make_shared<const Result<Json>>(route.act(desk, id, body));
    loop_.post([this, waiting, answer] {
      --under_way_;
      if (*answer) return send(*waiting, HttpResponse::json(**answer));
      refuse(*waiting, answer->error());
    });
  });
  if (took) return;
  --under_way_;
  refuse(*waiting, Error{ErrorCode::OverLimit, "too much waits already", "busy", "Try again in a moment."});
}

}  // namespace countersign::command
