#include "signer/transport/http_request_head.h"

#include <algorithm>

namespace countersign::transport {
namespace {

namespace http = boost::beast::http;

constexpr std::size_t kLongestRequestId = 64;

bool is_json(std::string_view value) {
  constexpr std::string_view kJson = "application/json";
  if (value.size() < kJson.size()) return false;
  for (std::size_t i = 0; i < kJson.size(); ++i) {
    const char c = value[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != kJson[i]) return false;
  }
  return value.size() == kJson.size() || value[kJson.size()] == ';' || value[kJson.size()] == ' ';
}

}  // namespace

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= kLongestRequestId && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

void RequestHead::on_request_impl(http::verb verb, Text, Text text, int version, Code&) {
  method = verb == http::verb::get       ? Method::Get
           : verb == http::verb::post    ? Method::Post
           : verb == http::verb::delete_ ? Method::Delete
                                         : Method::Other;
  http_1_1 = version >= 11;
  target.assign(text.data(), text.size());
}

void RequestHead::on_field_impl(http::field field, Text name, Text value, Code&) {
  if (keep_headers_) {
    std::string lower(name.data(), name.size());
    for (char& c : lower) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    headers.emplace_back(std::move(lower), std::string(value.data(), value.size()));
  }
  // The few that mean something here; the rest is parsed and dropped.
  if (field == http::field::content_type) json = is_json({value.data(), value.size()});
  if (field == http::field::expect) expects = true;
  if (field == http::field::if_none_match) if_none_match.assign(value.data(), value.size());
  if (field == http::field::unknown && boost::beast::iequals(name, "X-Request-Id")) {
    request_id.assign(value.data(), value.size());
  }
}

}  // namespace countersign::transport
