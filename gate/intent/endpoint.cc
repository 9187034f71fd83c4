#include "gate/intent/endpoint.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "common/hex_digit.h"
#include "common/text.h"

namespace countersign::gate {
namespace {

using Words = std::span<const std::string_view>;

constexpr std::string_view kKinds[] = {"path", "url", "host", "repo", "bucket", "table", "queue", "topic", "other"};
constexpr std::string_view kClasses[] = {"fs.read", "fs.write", "fs.delete", "proc.exec",   "net.http",
                                         "net.dns", "ui.click", "ui.type",   "ui.navigate", "other"};
constexpr std::string_view kDiscoveryMethods[] = {"webmcp",     "dynamic_mcp", "a2a",    "mcp",
                                                  "static_mcp", "manual",      "unknown"};

constexpr std::string_view kReadOperations[] = {"read", "get", "list", "open", "cat", "head", "download", "stat"};
constexpr std::string_view kWriteOperations[] = {"write", "append", "put",  "create", "update",
                                                 "save",  "copy",   "move", "rename"};
constexpr std::string_view kDeleteOperations[] = {"delete", "remove", "rm", "unlink", "rmdir", "drop", "truncate"};
constexpr std::string_view kExecOperations[] = {"exec", "spawn", "run", "shell", "command"};
constexpr std::string_view kDnsOperations[] = {"dns", "resolve", "lookup"};
constexpr std::string_view kReadWords[] = {"read", "list", "fetch", "search"};
constexpr std::string_view kWriteWords[] = {"write", "update", "save", "create"};
constexpr std::string_view kDeleteWords[] = {"delete", "remove", "rm", "drop"};
constexpr std::string_view kDestructiveOperations[] = {"delete", "remove",   "rm",   "unlink", "rmdir",
                                                       "drop",   "truncate", "exec", "spawn"};

bool holds(Words words, std::string_view text) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool has_word(Words words, std::string_view name) {
  return std::any_of(words.begin(), words.end(),
                     [name](std::string_view word) { return name.find(word) != std::string_view::npos; });
}

bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Whether every '%' starts an escape.
bool has_good_escapes(std::string_view text) {
  for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    if (at + 2 >= text.size() || hex_digit(text[at + 1]) < 0 || hex_digit(text[at + 2]) < 0) return false;
  }
  return true;
}

bool is_optional_port(std::string_view text) {
  if (text.empty()) return true;
  return text.front() == ':' && std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// A host name with its escapes undone, by the rules of Go's net/url: only bytes from 0x80 and "%25" may be escaped.
std::optional<std::string> unescaped_host(std::string_view host) {
  constexpr std::string_view kAllowed = "-_.~!$&'()*+,;=:[]<>\"";
  std::string out;
  for (std::size_t i = 0; i < host.size(); ++i) {
    const char c = host[i];
    if (c == '%') {
      if (i + 2 >= host.size()) return std::nullopt;
      const int high = hex_digit(host[i + 1]);
      const int low = hex_digit(host[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      if (high < 8 && host.substr(i, 3) != "%25") return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else if (static_cast<unsigned char>(c) >= 0x80 || is_alnum(c) || kAllowed.find(c) != std::string_view::npos) {
      out += c;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::optional<std::string> host_of_authority(std::string_view authority) {
  constexpr std::string_view kUserInfo = "-._:~!$&'()*+,;=%@";
  const std::size_t at = authority.rfind('@');
  std::string_view host = authority;
  if (at != std::string_view::npos) {
    const std::string_view user = authority.substr(0, at);
    const bool good = has_good_escapes(user) && std::all_of(user.begin(), user.end(), [&](char c) {
                        return is_alnum(c) || kUserInfo.find(c) != std::string_view::npos;
                      });
    if (!good) return std::nullopt;
    host = authority.substr(at + 1);
  }
  const std::size_t port = host.starts_with('[') ? host.rfind(']') + 1 : host.rfind(':');
  if (host.starts_with('[') && host.rfind(']') == std::string_view::npos) return std::nullopt;
  if (port != std::string_view::npos && !is_optional_port(host.substr(port))) return std::nullopt;
  if (port != std::string_view::npos) host = host.substr(0, port);
  std::optional<std::string> name = unescaped_host(host);
  if (name && name->starts_with('[') && name->ends_with(']')) name = name->substr(1, name->size() - 2);
  return name;
}

// The host name of a URL as Go's url.Parse finds it; empty where it has none or does not parse.
std::string host_of_url(std::string_view url) {
  const bool control =
      std::any_of(url.begin(), url.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (control) return "";
  const std::size_t hash = url.find('#');
  if (hash != std::string_view::npos && !has_good_escapes(url.substr(hash + 1))) return "";
  std::string_view rest = url.substr(0, hash);
  bool has_scheme = false;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter) continue;
    if (i > 0 && ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')) continue;
    if (c == ':') {
      if (i == 0) return "";
      has_scheme = true;
      rest.remove_prefix(i + 1);
    }
    break;
  }
  rest = rest.substr(0, rest.find('?'));
  if (!rest.starts_with("//") || (!has_scheme && rest.starts_with("///"))) return "";
  rest.remove_prefix(2);
  const std::size_t slash = rest.find('/');
  if (slash != std::string_view::npos && !has_good_escapes(rest.substr(slash))) return "";
  return host_of_authority(rest.substr(0, slash)).value_or("");
}

}  // namespace

bool is_endpoint_class(std::string_view name) {
  return holds(kClasses, name);
}

bool is_target_kind(std::string_view name) {
  return holds(kKinds, name);
}

bool is_discovery_method(std::string_view name) {
  return holds(kDiscoveryMethods, name);
}

bool is_network_class(std::string_view endpoint_class) {
  return endpoint_class.starts_with("net.");
}

std::string inferred_endpoint_class(std::string_view kind, std::string_view operation, std::string_view tool_name) {
  const std::size_t slash = tool_name.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? tool_name : tool_name.substr(slash + 1);
  if (kind == "path") {
    if (holds(kReadOperations, operation)) return "fs.read";
    if (holds(kWriteOperations, operation)) return "fs.write";
    if (holds(kDeleteOperations, operation)) return "fs.delete";
    if (has_word(kReadWords, name)) return "fs.read";
    if (has_word(kWriteWords, name)) return "fs.write";
    if (has_word(kDeleteWords, name)) return "fs.delete";
    return "other";
  }
  if (kind == "host" || kind == "url") return holds(kDnsOperations, operation) ? "net.dns" : "net.http";
  if (kind == "other") {
    return holds(kExecOperations, operation) || has_word(kExecOperations, name) ? "proc.exec" : "other";
  }
  return "other";
}

std::string inferred_endpoint_domain(std::string_view kind, std::string_view value) {
  if (kind == "url") return lowered(host_of_url(value));
  if (kind != "host") return "";
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (value.starts_with(scheme)) value.remove_prefix(scheme.size());
  }
  value = value.substr(0, value.find('/'));
  return lowered(value.substr(0, value.find(':')));
}

bool is_destructive_operation(std::string_view operation) {
  return holds(kDestructiveOperations, operation);
}

bool is_destructive_class(std::string_view endpoint_class) {
  return endpoint_class == "fs.delete" || endpoint_class == "proc.exec";
}

}  // namespace countersign::gate
