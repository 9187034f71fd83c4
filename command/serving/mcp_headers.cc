#include "command/serving/mcp_headers.h"

#include <algorithm>

#include "command/serving/web_origin.h"
#include "common/bytes.h"
#include "common/text.h"
#include "gate/broker/mcp_session.h"

namespace countersign::command {
namespace {

using transport::HttpHeaders;

constexpr std::string_view kEncodedBegin = "=?base64?";
constexpr std::string_view kEncodedEnd = "?=";

// The value of the field; nothing where it is absent. A repeated one is refused.
std::optional<McpRefusal> read_field(const HttpHeaders& headers, std::string_view name,
                                     std::optional<std::string>& value) {
  Result<std::string> found = transport::header_value(headers, name);
  if (found) {
    value = *std::move(found);
    return std::nullopt;
  }
  if (found.error().code == ErrorCode::NotFound) return std::nullopt;
  return McpRefusal{400, broker::kHeaderMismatch, found.error().detail};
}

// Values that a field cannot carry as they are come as =?base64?…?=. Nothing where that is malformed.
std::optional<std::string> decoded(const std::string& value) {
  const std::string_view text = value;
  if (!text.starts_with(kEncodedBegin) || !text.ends_with(kEncodedEnd) ||
      text.size() < kEncodedBegin.size() + kEncodedEnd.size()) {
    return value;
  }
  const Result<Bytes> bytes =
      from_base64(text.substr(kEncodedBegin.size(), text.size() - kEncodedBegin.size() - kEncodedEnd.size()));
  if (!bytes) return std::nullopt;
  return std::string(text_of(*bytes));
}

std::optional<McpRefusal> must_equal(const HttpHeaders& headers, std::string_view name, std::string_view wanted) {
  std::optional<std::string> value;
  if (auto refused = read_field(headers, name, value)) return refused;
  if (value && decoded(*value) == wanted) return std::nullopt;
  return McpRefusal{400, broker::kHeaderMismatch, "the field " + std::string(name) + " is not what the body says"};
}

}  // namespace

std::optional<McpRefusal> check_place(const HttpHeaders& headers, std::string_view authority) {
  const Status own = check_origin(headers, authority, OwnNames::AnyOfLoopback);
  if (own) return std::nullopt;
  if (own.error().code != ErrorCode::Refused) return McpRefusal{400, broker::kHeaderMismatch, own.error().detail};
  return McpRefusal{403, broker::kInvalidRequest, own.error().detail};
}

std::optional<McpRefusal> read_bearer(const HttpHeaders& headers, std::string& secret) {
  std::optional<std::string> value;
  if (auto refused = read_field(headers, "authorization", value)) return refused;
  if (!value) return std::nullopt;
  constexpr std::string_view kKind = "bearer ";
  const std::string_view text = *value;
  secret = text.size() > kKind.size() && lowered(text.substr(0, kKind.size())) == kKind
               ? std::string(trimmed(text.substr(kKind.size())))
               : std::string();
  if (!secret.empty()) return std::nullopt;
  return McpRefusal{401, broker::kInvalidRequest, "Authorization must be `Bearer SECRET`"};
}

bool accepts(const HttpHeaders& headers, std::string_view type) {
  bool asked = false;
  for (const auto& [name, value] : headers) {
    if (name != "accept") continue;
    asked = true;
    std::string_view rest = value;
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      const std::string_view range = rest.substr(0, comma);
      const std::string each = lowered(trimmed(range.substr(0, range.find(';'))));
      if (each == type || each == "*/*" || each == std::string(type.substr(0, type.find('/'))) + "/*") return true;
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
  return !asked;
}

bool is_stateless(const HttpHeaders& headers, const Json& message) {
  if (broker::stateless_version(message) != nullptr) return true;
  return std::ranges::any_of(headers, [](const auto& field) {
    return field.first == "mcp-protocol-version" && field.second == broker::kStatelessVersion;
  });
}

std::optional<McpRefusal> check_stateless(const HttpHeaders& headers, const Json& message) {
  const Json* version = broker::stateless_version(message);
  if (version == nullptr || !version->is_string()) {
    return McpRefusal{400, broker::kInvalidParams, "params._meta does not name the protocol version"};
  }
  if (auto refused = must_equal(headers, "mcp-protocol-version", version->as_string())) return refused;
  if (auto refused = must_equal(headers, "mcp-method", message.text("method"))) return refused;
  const std::string_view named = broker::named_by(message.text("method"));
  const Json* name = named.empty() ? nullptr : message.find("params")->find(named);
  if (name == nullptr || !name->is_string()) return std::nullopt;
  return must_equal(headers, "mcp-name", name->as_string());
}

std::optional<McpRefusal> check_version(const HttpHeaders& headers, std::string_view agreed) {
  std::optional<std::string> version;
  if (auto refused = read_field(headers, "mcp-protocol-version", version)) return refused;
  if (!version) return std::nullopt;
  const bool known = std::ranges::find(broker::kHandshakeVersions, *version) != std::end(broker::kHandshakeVersions);
  if (known && (agreed.empty() || *version == agreed)) return std::nullopt;
  return McpRefusal{400, broker::kUnsupportedVersion,
                    known ? "the session agreed on the protocol version " + std::string(agreed)
                          : "this protocol version is not spoken here"};
}

}  // namespace countersign::command
