// What the parts of the router share: one request on its way, and answers that several routes give.
#pragma once

#include <string>
#include <string_view>

#include "common/json.h"
#include "signer/daemon/router.h"

namespace countersign::daemon {

// Method and path, who may ask, and what answers.
struct Router::Route {
  transport::Method method;
  std::string_view path;
  bool prefix;  // something follows `path`
  config::Operation operation;
  bool by_type;  // permission depends on the statement type: PeerPolicy::authorize decides
  void (Router::*serve)(const transport::HttpRequest&, const Shared&);

  bool matches(std::string_view asked) const {
    return prefix ? asked.size() > path.size() && asked.starts_with(path) : asked == path;
  }
};

// A request that was admitted and is not yet answered.
struct Router::Exchange {
  transport::Responder responder;
  const Route& route;
  Caller caller;
  bool admitted = false;
};

// Nothing is served at `path`.
Error unknown_path(std::string_view path);

// The JSON object that `body` is.
Result<Json> object_of(std::string_view body);

// `body` with its entity tag, or 304 where the request names that tag (RFC 9110, section 13.1.2).
transport::HttpResponse cached(const std::string& body, const std::string& etag, const transport::HttpRequest& request);

// The refusal of a signer without a transparency log.
Error no_log();

}  // namespace countersign::daemon
