#include "gate/broker/offer.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include "common/digest.h"
#include "gate/broker/pattern.h"

namespace countersign::broker {
namespace {

constexpr std::string_view kResources = "resources/";
constexpr std::string_view kPrompts = "prompts/";
constexpr std::size_t kLongestUri = 2048;
constexpr std::size_t kMark = 16;  // digits of the digest

constexpr OfferRow kRows[] = {
    {OfferKind::Tool, "tools", "tools/list", "tools", "name", "tools/call", "definitions", "tools"},
    {OfferKind::Resource, "resources", "resources/list", "resources", "uri", "resources/read", "resources",
     "resources"},
    {OfferKind::Template, "resources", "resources/templates/list", "resourceTemplates", "uriTemplate", "resources/read",
     "resource_templates", "resource_templates"},
    {OfferKind::Prompt, "prompts", "prompts/list", "prompts", "name", "prompts/get", "prompts", "prompts"},
};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
char small(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Characters that stand for themselves wherever a URI has them (RFC 3986 §2.3).
bool is_unreserved(char c) {
  return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

Error bad_uri(const std::string& what) {
  return Error{ErrorCode::Invalid, "the uri " + what, "bad_uri", "ask for it as resources/list spells it"};
}

// How long the scheme is; 0 where there is none.
std::size_t scheme_of(std::string_view uri) {
  const std::size_t colon = uri.find(':');
  if (colon == std::string_view::npos || colon == 0 || !is_letter(uri.front())) return 0;
  const bool plain = std::ranges::all_of(
      uri.substr(0, colon), [](char c) { return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.'; });
  return plain ? colon : 0;
}

std::optional<char> escaped(std::string_view uri, std::size_t at) {
  unsigned value = 0;
  if (at + 2 >= uri.size() || uri[at] != '%') return std::nullopt;
  const auto read = std::from_chars(uri.data() + at + 1, uri.data() + at + 3, value, 16);
  return read.ptr == uri.data() + at + 3 ? std::optional(static_cast<char>(value)) : std::nullopt;
}

// RFC 3986 §6.2.2.1 and .2.
std::string normal(std::string_view uri, std::size_t scheme) {
  std::size_t small_until = scheme;
  if (uri.substr(scheme + 1).starts_with("//")) {
    small_until = std::min(uri.find_first_of("/?#", scheme + 3), uri.size());
  }
  std::string out;
  for (std::size_t i = 0; i < uri.size(); ++i) {
    const std::optional<char> meant = escaped(uri, i);
    const bool resolves = meant && is_unreserved(*meant);
    out += i < small_until ? small(resolves ? *meant : uri[i]) : resolves ? *meant : uri[i];
    if (resolves) i += 2;
  }
  return out;
}

bool has_dot_part(std::string_view uri) {
  const std::size_t colon = uri.find(':');
  std::string_view rest = uri.substr(colon + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
    const std::string_view part = rest.substr(0, end);
    if (part == "." || part.find("..") != std::string_view::npos) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

// `text` with a mark of `whole` at its end where it does not say all of it.
std::string in_id(const std::string& prefix, std::string_view text, std::string_view whole) {
  std::string out = prefix;
  for (const char c : text) out += check_tool_id(std::string(1, c)) ? c : '_';
  const bool same = out.size() == prefix.size() + whole.size() && std::string_view(out).ends_with(whole);
  if (same && out.size() <= kLongestName) return out;
  return out.substr(0, kLongestName - kMark - 1) + "_" + sha256(view_of(whole)).hex().substr(0, kMark);
}

Error no_name() {
  return Error{ErrorCode::Invalid, "such a name cannot be asked for", "bad_tool_id"};
}

// An expression is no part of a URI; what is beside it has to be.
std::string without_expressions(std::string_view uri_template, char instead) {
  std::string out;
  bool inside = false;
  for (const char c : uri_template) {
    if (c == '{' && !inside) out += instead;
    if (c == '{' || c == '}') {
      inside = c == '{';
    } else if (!inside) {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::span<const OfferRow> offer_rows() {
  return kRows;
}

const OfferRow& row_of(OfferKind kind) {
  return *std::ranges::find(kRows, kind, &OfferRow::kind);
}

std::string_view named_by(std::string_view method) {
  const auto* row = std::ranges::find(kRows, method, &OfferRow::call);
  return row == std::end(kRows) ? std::string_view() : row->name;
}

OfferKind kind_of(std::string_view id) {
  const std::string_view name = name_of(id);
  if (name.starts_with(kResources)) return OfferKind::Resource;
  return name.starts_with(kPrompts) ? OfferKind::Prompt : OfferKind::Tool;
}

Result<std::string> resource_id(std::string_view server, std::string_view uri) {
  if (uri.size() > kLongestUri) return bad_uri("is longer than 2048 bytes");
  const std::size_t scheme = scheme_of(uri);
  if (scheme == 0) return bad_uri("has no scheme");
  constexpr std::string_view kNever = "\"<>\\^`{|}";
  for (std::size_t i = 0; i < uri.size(); ++i) {
    if (uri[i] <= ' ' || uri[i] > '~' || kNever.find(uri[i]) != std::string_view::npos ||
        (uri[i] == '%' && !escaped(uri, i))) {
      return bad_uri("has a character that a URI does not have");
    }
  }
  const std::string meant = normal(uri, scheme);
  if (has_dot_part(meant)) return bad_uri("has a part that leads elsewhere (. or ..)");
  return in_id(std::string(server) + ":" + std::string(kResources), meant, uri);
}

Result<std::string> id_of(std::string_view server, const Offer& offer) {
  const std::string name(offer.definition.text(row_of(offer.kind).name));
  switch (offer.kind) {
    case OfferKind::Tool: {
      const std::string id = std::string(server) + ":" + name;
      if (name.empty() || !check_tool_id(id) || kind_of(id) != OfferKind::Tool) return no_name();
      return id;
    }
    case OfferKind::Prompt: {
      const std::string id = std::string(server) + ":" + std::string(kPrompts) + name;
      if (name.empty() || !check_tool_id(id)) return no_name();
      return id;
    }
    case OfferKind::Resource:
      return resource_id(server, name);
    case OfferKind::Template: {
      const std::string beside = without_expressions(name, '_');
      RETURN_IF_ERROR(resource_id(server, beside));
      return in_id(std::string(server) + ":" + std::string(kResources), normal(beside, scheme_of(beside)), name);
    }
  }
  return no_name();
}

bool stands_for(std::string_view uri_template, std::string_view uri) {
  return matches(without_expressions(uri_template, '*'), uri);
}

Status check_arguments(std::string_view id, const Json& args) {
  if (kind_of(id) == OfferKind::Resource) {
    const Json* uri = args.find("uri");
    if (uri == nullptr || !uri->is_string() || args.as_object().size() != 1) {
      return Error{ErrorCode::Invalid, "a resource is asked for by its uri alone: {\"uri\": …}", "bad_arguments"};
    }
    ASSIGN_OR_RETURN(const std::string its, resource_id(server_of(id), uri->as_string()));
    if (its == id) return ok();
    return Error{ErrorCode::Invalid, "the uri is another resource's: " + its, "bad_arguments"};
  }
  if (kind_of(id) != OfferKind::Prompt) return ok();
  for (const auto& [name, value] : args.as_object()) {
    if (value.is_string()) continue;
    return Error{ErrorCode::Invalid, "arguments of a prompt are texts, and one is none", "bad_arguments"};
  }
  return ok();
}

Json call_params(OfferKind kind, std::string_view name, const Json& args) {
  if (kind == OfferKind::Resource || kind == OfferKind::Template) return args;
  return Json::object({{"name", name}, {"arguments", args}});
}

Json lasting_definition(const Offer& offer) {
  Json out = offer.definition;
  if (offer.kind == OfferKind::Tool) return out;
  out.erase("_meta");
  out.erase("size");
  if (Json* annotations = out.find("annotations"); annotations != nullptr && annotations->is_object()) {
    annotations->erase("lastModified");
  }
  return out;
}

}  // namespace countersign::broker
