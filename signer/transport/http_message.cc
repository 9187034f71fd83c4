#include "signer/transport/http_message.h"

#include "common/hex_digit.h"

namespace countersign::transport {

Result<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0 || high + low == 0) {
      return Error{ErrorCode::Invalid, "the request's target has a bad percent escape"};
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

Result<std::string> query_value(std::string_view query, std::string_view name) {
  bool found = false;
  std::string_view value;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    const std::size_t equals = pair.find('=');
    if (pair.substr(0, equals) != name) continue;
    if (found) return Error{ErrorCode::Invalid, "the query repeats " + std::string(name), "repeated_member"};
    found = true;
    value = equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
  }
  if (!found) return Error{ErrorCode::NotFound, "the query has no " + std::string(name)};
  return percent_decoded(value);
}

Result<std::string> header_value(const HttpHeaders& headers, std::string_view name) {
  const std::string* value = nullptr;
  for (const auto& [each, text] : headers) {
    if (each != name) continue;
    if (value != nullptr) {
      return Error{ErrorCode::Invalid, "the head repeats " + std::string(name), "repeated_header"};
    }
    value = &text;
  }
  if (value == nullptr) return Error{ErrorCode::NotFound, "the head has no " + std::string(name)};
  return *value;
}

HttpResponse HttpResponse::json(const Json& value, int status) {
  HttpResponse response;
  response.status = status;
  response.body = value.compact();
  return response;
}

Json error_json(const Error& error) {
  Json json = Json::object({{"code", error.wire_code()}, {"message", error.detail}, {"hint", error.hint}});
  if (!error.field.empty()) json.set("field", error.field);
  return json;
}

HttpResponse HttpResponse::error(const Error& error, const Json* members) {
  Json object = error_json(error);
  if (members != nullptr) {
    for (const Json::Member& member : members->as_object()) object.set(member.first, member.second);
  }
  HttpResponse response = json(Json::object({{"error", std::move(object)}}), row_of(error.code).http_status);
  if (response.status == 429 || response.status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

Responder& Responder::operator=(Responder&& other) noexcept {
  std::swap(sink_, other.sink_);
  std::swap(ticket_, other.ticket_);
  std::swap(begun_, other.begun_);
  return *this;
}

Responder::~Responder() {
  if (sink_ && begun_) end();
  if (sink_) send(HttpResponse::error(Error{ErrorCode::Internal, "the request was dropped", "no_answer"}));
}

void Responder::send(HttpResponse response) {
  const std::shared_ptr<Sink> sink = std::move(sink_);
  if (sink) sink->answer(ticket_, std::move(response));
}

void Responder::begin(const HttpResponse& head) {
  begun_ = true;
  if (sink_) sink_->begin(ticket_, head);
}

void Responder::part(std::string_view bytes) {
  if (sink_) sink_->part(ticket_, bytes);
}

void Responder::end() {
  const std::shared_ptr<Sink> sink = std::move(sink_);
  if (sink) sink->end(ticket_);
}

}  // namespace countersign::transport
