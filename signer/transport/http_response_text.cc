#include "signer/transport/http_response_text.h"

#include <utility>

namespace countersign::transport {
namespace {

// RFC 9110, section 15; RFC 6585, section 4.
constexpr std::pair<int, std::string_view> kReasons[] = {
    {200, "OK"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
};

std::string_view reason_of(int status) {
  for (const auto& [code, reason] : kReasons) {
    if (code == status) return reason;
  }
  return "Other";
}

bool has_body(int status) {
  return status != 204 && status != 304;
}

}  // namespace

void append_head(std::string& out, const HttpResponse& response, std::string_view request_id, bool last,
                 Length length) {
  out += "HTTP/1.1 ";
  out += std::to_string(response.status);
  out += ' ';
  out += reason_of(response.status);
  if (has_body(response.status)) {
    out += "\r\nContent-Type: ";
    out += response.content_type;
    if (length == Length::Known) out += "\r\nContent-Length: " + std::to_string(response.body.size());
    if (length == Length::Chunked) out += "\r\nTransfer-Encoding: chunked";
  }
  if (!request_id.empty()) {
    out += "\r\nX-Request-Id: ";
    out += request_id;
  }
  for (const auto& [name, value] : response.headers) {
    out += "\r\n";
    out += name;
    out += ": ";
    out += value;
  }
  if (last) out += "\r\nConnection: close";
  out += "\r\n\r\n";
}

void append_response(std::string& out, const HttpResponse& response, std::string_view request_id, bool last) {
  append_head(out, response, request_id, last, Length::Known);
  if (has_body(response.status)) out += response.body;
}

void append_chunk(std::string& out, std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string size;
  for (std::size_t left = bytes.size(); left != 0; left /= 16) size.insert(size.begin(), kDigits[left % 16]);
  out += size;
  out += "\r\n";
  out += bytes;
  out += "\r\n";
}

}  // namespace countersign::transport
