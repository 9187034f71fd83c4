// What servers answer to resources/read and prompts/get: the members of the protocol, and no text that speaks to models
// without having been judged.
#include <algorithm>
#include <iterator>
#include <optional>

#include "common/bytes.h"
#include "gate/broker/offer.h"
#include "gate/vetting/injection.h"
#include "gate/vetting/text_scan.h"

namespace countersign::broker {
namespace {

constexpr std::size_t kMostParts = 4096;

// The members of each kind of part, the first of which has to be there; `resource` is a part within it.
struct PartRow {
  std::string_view type;  // empty: an entry of `contents`
  std::vector<std::string_view> members;
};
const PartRow kParts[] = {
    {"text", {"text", "type"}},
    {"image", {"data", "type", "mimeType"}},
    {"audio", {"data", "type", "mimeType"}},
    {"resource_link", {"uri", "type", "name", "title", "description", "mimeType"}},
    {"", {"uri", "mimeType", "text", "blob"}},
};

Error bad_contents(const std::string& what) {
  return Error{ErrorCode::Invalid, "its answer " + what, "bad_contents", "the server's answer was not passed on"};
}

Error withheld(const vetting::Finding& finding) {
  return Error{ErrorCode::Refused, "its answer was withheld: it " + finding.title + " (" + finding.rule + ")",
               "content_withheld", "a person looks at it where it lies; it was not passed on"};
}

Result<Json> members_of(const PartRow& row, const Json& part) {
  Json out = Json::object({});
  for (const std::string_view member : row.members) {
    const Json* value = part.find(member);
    if (value == nullptr || value->is_null()) continue;
    if (!value->is_string()) return bad_contents("has " + std::string(member) + " that is no text");
    out.set(std::string(member), *value);
  }
  if (out.find(row.members.front()) == nullptr) {
    return bad_contents("has a part without " + std::string(row.members.front()));
  }
  return out;
}

Result<Json> resource_in(const Json& part) {
  if (!part.is_object()) return bad_contents("has a resource that is no object");
  ASSIGN_OR_RETURN(Json out, members_of(kParts[std::size(kParts) - 1], part));
  if ((out.find("text") == nullptr) == (out.find("blob") == nullptr)) {
    return bad_contents("has a resource without either text or blob");
  }
  return out;
}

Result<Json> part_of_message(const Json& part) {
  const std::string type(part.text("type"));
  if (type == "resource") {
    const Json* resource = part.find("resource");
    if (resource == nullptr) return bad_contents("has a part without resource");
    ASSIGN_OR_RETURN(Json inner, resource_in(*resource));
    return Json::object({{"type", type}, {"resource", std::move(inner)}});
  }
  const auto row = std::ranges::find(kParts, std::string_view(type), &PartRow::type);
  if (type.empty() || row == std::end(kParts)) return bad_contents("has a part of no known type");
  return members_of(*row, part);
}

Result<Json> message_of(const Json& message) {
  const std::string_view role = message.text("role");
  const Json* content = message.find("content");
  if (role != "user" && role != "assistant") return bad_contents("has a message of nobody");
  if (content == nullptr || !content->is_object()) return bad_contents("has a message without content");
  ASSIGN_OR_RETURN(Json part, part_of_message(*content));
  return Json::object({{"role", role}, {"content", std::move(part)}});
}

// Fails with Refused where the text would be a finding of vetting. `path` says whether it is prose that may quote.
Status look_at_text(const std::string& text, const std::string& path) {
  vetting::FileView view;
  view.path = path;
  view.bytes = text;
  view.text = text;
  std::vector<vetting::Finding> findings;
  vetting::find_injection(view, findings);
  const auto found = std::ranges::find_if(
      findings, [](const vetting::Finding& each) { return each.severity > vetting::Severity::Low; });
  return found == findings.end() ? ok() : withheld(*found);
}

// Every text of it; what stands there in Base64 is what it decodes to.
Status look_at_texts(const Json& value, const std::string& path) {
  if (value.is_array()) {
    for (const Json& each : value.as_array()) RETURN_IF_ERROR(look_at_texts(each, path));
  }
  if (!value.is_object()) return ok();
  for (const auto& [name, each] : value.as_object()) {
    RETURN_IF_ERROR(look_at_texts(each, path));
    if (!each.is_string()) continue;
    if (name != "blob" && name != "data") {
      RETURN_IF_ERROR(look_at_text(each.as_string(), path));
      continue;
    }
    const Result<Bytes> bytes = from_base64(each.as_string());
    if (!bytes) return bad_contents("has " + name + " that is no Base64");
    const std::optional<std::string> text = vetting::text_of_file(text_of(*bytes));
    if (text) RETURN_IF_ERROR(look_at_text(*text, path));  // else a picture, a sound
  }
  return ok();
}

}  // namespace

Result<Json> checked_contents(OfferKind kind, const Json& result) {
  const bool prompt = kind == OfferKind::Prompt;
  const char* member = prompt ? "messages" : "contents";
  const Json* parts = result.find(member);
  if (parts == nullptr || !parts->is_array()) return bad_contents("has no " + std::string(member));
  if (parts->as_array().size() > kMostParts) return bad_contents("has too many parts");
  Json::Array rows;
  for (const Json& part : parts->as_array()) {
    ASSIGN_OR_RETURN(Json row, prompt ? message_of(part) : resource_in(part));
    rows.push_back(std::move(row));
  }
  Json out = Json::object({{member, std::move(rows)}});
  if (prompt && !result.text("description").empty()) out.set("description", result.text("description"));
  // A prompt is there to be obeyed; a resource may be a document that speaks of such phrases.
  RETURN_IF_ERROR(look_at_texts(out, prompt ? "prompt" : "contents.md"));
  return out;
}

}  // namespace countersign::broker
