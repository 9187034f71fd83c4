#include "command/ceremony/token_uri.h"

#include <set>

namespace countersign::command {
namespace {

constexpr std::string_view kScheme = "pkcs11:";

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, "the PKCS #11 URI " + std::move(detail), "token_uri",
               "pkcs11:token=LABEL;object=KEY?module-path=/usr/lib/…/module.so"};
}

Result<std::string> decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    const Result<Bytes> byte = from_hex(text.substr(i + 1, 2));
    if (!byte || byte->size() != 1) return invalid("has a % without two hex digits");
    plain += static_cast<char>(byte->front());
    i += 2;
  }
  return plain;
}

Status take(std::string_view name, std::string value, TokenUri& uri) {
  if (name == "token")
    uri.token = std::move(value);
  else if (name == "serial")
    uri.serial = std::move(value);
  else if (name == "object")
    uri.object = std::move(value);
  else if (name == "id")
    uri.id = Bytes(value.begin(), value.end());
  else if (name == "module-path")
    uri.module_path = std::move(value);
  else if (name == "type" && value == "private")
    return ok();
  else
    return invalid("has the attribute " + std::string(name) + ", which is not taken");
  return ok();
}

}  // namespace

bool is_token_uri(std::string_view text) {
  return text.starts_with(kScheme);
}

Result<TokenUri> read_token_uri(std::string_view text) {
  if (!is_token_uri(text)) return invalid("does not begin with pkcs11:");
  text.remove_prefix(kScheme.size());
  TokenUri uri;
  std::set<std::string, std::less<>> seen;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(";?&");
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals + 1 == pair.size())
      return invalid("has an attribute without a value");
    const std::string_view name = pair.substr(0, equals);
    if (!seen.emplace(name).second) return invalid("names " + std::string(name) + " twice");
    ASSIGN_OR_RETURN(std::string value, decoded(pair.substr(equals + 1)));
    RETURN_IF_ERROR(take(name, std::move(value), uri));
  }
  if (uri.token.empty() && uri.serial.empty()) return invalid("names no token");
  if (uri.object.empty() && uri.id.empty()) return invalid("names no key");
  if (!uri.module_path.starts_with('/')) return invalid("needs module-path, an absolute path");
  return uri;
}

}  // namespace countersign::command
