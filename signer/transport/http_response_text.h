// An answer as bytes on the wire (RFC 9112); for this folder alone.
#pragma once

#include <string>
#include <string_view>

#include "signer/transport/http_message.h"

namespace countersign::transport {

// How the end of a body is told.
enum class Length { Known, Chunked, UntilClosed };

// Status line and head; `last` says that the connection ends after this answer.
void append_head(std::string& out, const HttpResponse& response, std::string_view request_id, bool last, Length length);

// Head and body.
void append_response(std::string& out, const HttpResponse& response, std::string_view request_id, bool last);

// One chunk of a body; empty `bytes` would end it.
void append_chunk(std::string& out, std::string_view bytes);

}  // namespace countersign::transport
