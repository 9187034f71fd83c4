#include "command/serving/web_origin.h"

#include <optional>
#include <string>

namespace countersign::command {
namespace {

constexpr std::string_view kScheme = "http://";

Result<std::optional<std::string>> field(const transport::HttpHeaders& headers, std::string_view name) {
  Result<std::string> found = transport::header_value(headers, name);
  if (found) return std::optional(*std::move(found));
  if (found.error().code == ErrorCode::NotFound) return std::optional<std::string>();
  return std::move(found).error();
}

bool is_own(std::string_view host, std::string_view authority, OwnNames names) {
  if (authority.empty()) return false;
  if (names == OwnNames::Address) return host == authority;
  const std::string_view port = authority.substr(authority.rfind(':'));
  for (const std::string_view name : {"127.0.0.1", "localhost", "[::1]"}) {
    if (host.starts_with(name) && host.substr(name.size()) == port) return true;
  }
  return false;
}

}  // namespace

Status check_origin(const transport::HttpHeaders& headers, std::string_view authority, OwnNames names) {
  ASSIGN_OR_RETURN(const std::optional<std::string> host, field(headers, "host"));
  ASSIGN_OR_RETURN(const std::optional<std::string> origin, field(headers, "origin"));
  if (!authority.empty() && (!host || !is_own(*host, authority, names))) {
    return Error{ErrorCode::Refused, "Host does not name this server, which is " + std::string(authority),
                 "wrong_origin"};
  }
  if (!origin) return ok();
  const std::string_view page = *origin;
  if (page.starts_with(kScheme) && is_own(page.substr(kScheme.size()), authority, names)) return ok();
  return Error{ErrorCode::Refused, "pages of other origins are not served", "wrong_origin"};
}

}  // namespace countersign::command
