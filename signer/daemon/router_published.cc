#include "signer/daemon/router_exchange.h"

namespace countersign::daemon {

using transport::HttpRequest;
using transport::HttpResponse;

// Keys, log and publication directory: what anybody may read.

void Router::keys(const HttpRequest& request, const Shared& exchange) {
  answer(exchange, cached(services_.keys.document(), services_.keys.etag(), request));
}

void Router::key(const HttpRequest& request, const Shared& exchange) {
  const Result<Json> key = services_.queries.key(request.path.substr(exchange->route.path.size()));
  if (!key) return answer(exchange, HttpResponse::error(key.error()));
  answer(exchange, cached(key->compact(), services_.keys.etag(), request));
}

void Router::jwks(const HttpRequest& request, const Shared& exchange) {
  answer(exchange, cached(services_.keys.jwks(), services_.keys.etag(), request));
}

void Router::published_file(const HttpRequest& request, const Shared& exchange) {
  const std::shared_ptr<const publication::Files> files = services_.publisher.published();
  const auto file = files ? files->find(request.path.substr(1)) : publication::Files::const_iterator();
  if (!files || file == files->end()) return answer(exchange, HttpResponse::error(unknown_path(request.path)));
  HttpResponse response = cached(file->second, '"' + sha256(file->second).hex().substr(0, 32) + '"', request);
  if (!file->first.ends_with(".json")) response.content_type = "text/plain; charset=utf-8";
  answer(exchange, std::move(response));
}

void Router::checkpoint(const HttpRequest&, const Shared& exchange) {
  if (services_.log == nullptr) return answer(exchange, HttpResponse::error(no_log()));
  if (services_.log->note().empty()) {
    return answer(exchange, HttpResponse::error(Error{ErrorCode::Unavailable, "the log has no checkpoint yet",
                                                      "log_behind", "Ask again in a second."}));
  }
  HttpResponse response;
  response.body = services_.log->note();
  response.content_type = "text/plain; charset=utf-8";
  response.headers.emplace_back("Cache-Control", "no-cache");
  answer(exchange, std::move(response));
}

void Router::tile(const HttpRequest& request, const Shared& exchange) {
  if (services_.log == nullptr) return answer(exchange, HttpResponse::error(no_log()));
  Result<std::string> bytes = services_.log->tile(request.path.substr(std::string_view("/v1/log/").size()));
  if (!bytes) return answer(exchange, HttpResponse::error(bytes.error()));
  HttpResponse response;
  response.body = *std::move(bytes);
  response.content_type = "application/octet-stream";
  response.headers.emplace_back("Cache-Control", "public, max-age=31536000, immutable");
  answer(exchange, std::move(response));
}

void Router::proof(const HttpRequest& request, const Shared& exchange) {
  if (services_.log == nullptr) return answer(exchange, HttpResponse::error(no_log()));
  const Result<std::uint64_t> index = services_.queries.log_index(request.query);
  answer(exchange, index ? services_.log->proof(*index) : Result<Json>(index.error()));
}

}  // namespace countersign::daemon
