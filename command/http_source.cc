#include "command/http_source.h"

#include <memory>

#include "common/curl/curl_library.h"

namespace countersign::command {
namespace {

constexpr long kLongestWait = 30'000;  // milliseconds, for one file
constexpr long kNotFound = 404;
constexpr long kForbidden = 403;
constexpr long kOk = 200;

struct Body {
  std::string text;
  std::size_t limit;
  bool too_large = false;
};

std::size_t take(char* bytes, std::size_t size, std::size_t count, void* place) {
  auto& body = *static_cast<Body*>(place);
  const std::size_t more = size * count;
  if (body.text.size() + more > body.limit) {
    body.too_large = true;
    return 0;
  }
  body.text.append(bytes, more);
  return more;
}

}  // namespace

HttpSource::HttpSource(std::string base) : base_(std::move(base)) {
  while (base_.ends_with('/')) base_.pop_back();
}

Result<std::string> HttpSource::fetch(const std::string& path, std::size_t limit) {
  const Result<curl::Library>& loaded = curl::library();
  if (!loaded) return loaded.error();
  const curl::Library& library = *loaded;
  const std::unique_ptr<CURL, decltype(library.easy_cleanup)> handle(library.easy_init(), library.easy_cleanup);
  if (!handle) return Error{ErrorCode::Unavailable, "libcurl has no handle"};
  const std::string address = base_ + "/" + path;
  Body body{{}, limit};
  CURL* easy = handle.get();
  library.easy_setopt(easy, CURLOPT_URL, address.c_str());
  library.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  library.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  library.easy_setopt(easy, CURLOPT_TIMEOUT_MS, kLongestWait);
  library.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  library.easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
  library.easy_setopt(easy, CURLOPT_WRITEDATA, &body);
  const CURLcode done = library.easy_perform(easy);
  if (body.too_large) {
    return Error{ErrorCode::TooLarge, address + " is longer than " + std::to_string(limit) + " bytes",
                 "endless_data_attack"};
  }
  if (done != CURLE_OK) return Error{ErrorCode::Unavailable, address + ": " + library.easy_strerror(done)};
  long status = 0;
  library.easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  if (status == kNotFound || status == kForbidden) return Error{ErrorCode::NotFound, address + " is not there"};
  if (status != kOk) return Error{ErrorCode::Unavailable, address + " answered " + std::to_string(status)};
  return std::move(body.text);
}

bool is_url(std::string_view from) {
  return from.starts_with("http://") || from.starts_with("https://");
}

}  // namespace countersign::command
