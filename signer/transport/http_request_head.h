// The head of a request; for this folder alone.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <string>
#include <string_view>

#include "signer/transport/http_message.h"

namespace countersign::transport {

// What the server needs of a request's head, copied out of the buffer it came in.
class RequestHead : public boost::beast::http::basic_parser<true> {
 public:
  explicit RequestHead(bool keep_headers) : keep_headers_(keep_headers) {}

  Method method = Method::Other;
  std::string target;
  std::string request_id;
  std::string if_none_match;
  bool json = false;
  bool expects = false;
  bool http_1_1 = true;
  HttpHeaders headers;

 private:
  bool keep_headers_;
  using Text = boost::beast::string_view;
  using Code = boost::beast::error_code;
  void on_request_impl(boost::beast::http::verb verb, Text, Text text, int, Code&) override;
  void on_field_impl(boost::beast::http::field field, Text name, Text value, Code&) override;
  void on_response_impl(int, Text, int, Code&) override {}
  void on_header_impl(Code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Code&) override {}
  std::size_t on_body_impl(Text body, Code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, Text, Code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text body, Code&) override { return body.size(); }
  void on_finish_impl(Code&) override {}
};

// What may stand in a record and a journal line unescaped: 1 to 64 letters, digits, hyphens, low lines and full stops.
bool is_request_id(std::string_view text);

}  // namespace countersign::transport
