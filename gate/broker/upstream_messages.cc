#include "gate/broker/upstream_messages.h"

#include <algorithm>
#include <iterator>

#include "gate/broker/mcp_session.h"

namespace countersign::broker {
namespace {

constexpr std::size_t kMostOffers = 4096;

Status list_into(std::vector<Offer>& found, const OfferRow& row, const Request& request) {
  const std::string what(row.list);
  std::string cursor;
  do {
    Json params = Json::object({});
    if (!cursor.empty()) params.set("cursor", cursor);
    ASSIGN_OR_RETURN(const Json page, request(what, std::move(params)));
    const Json* rows = page.find(row.listed);
    if (rows == nullptr || !rows->is_array()) return Error{ErrorCode::Invalid, "its answer to " + what + " is no list"};
    for (const Json& definition : rows->as_array()) {
      if (definition.text(row.name).empty()) {
        return Error{ErrorCode::Invalid, "its answer to " + what + " has something without " + std::string(row.name)};
      }
      found.push_back({row.kind, definition});
    }
    if (found.size() > kMostOffers) return Error{ErrorCode::TooLarge, "it offers too many things"};
    cursor = page.text("nextCursor");
  } while (!cursor.empty());
  return ok();
}

}  // namespace

Error server_unavailable(const std::string& name, const std::string& what) {
  return Error{ErrorCode::Unavailable, "the server " + name + " " + what, "server_unavailable",
               "see the broker's journal; the call was not made"};
}

Error outcome_unknown(const std::string& name, const std::string& what) {
  return Error{ErrorCode::Unavailable, "the server " + name + " " + what + " after the call was sent",
               "outcome_unknown", "it may have been done: look before asking again"};
}

Json hello() {
  return Json::object(
      {{"protocolVersion", *std::rbegin(kHandshakeVersions)},
       {"capabilities", Json::Object{}},
       {"clientInfo", Json::object({{"name", "countersign-broker"}, {"version", COUNTERSIGN_VERSION}})}});
}

Result<std::string> agreed_version(const Json& answer) {
  const std::string version(answer.text("protocolVersion"));
  if (std::ranges::find(kHandshakeVersions, version) != std::end(kHandshakeVersions)) return version;
  return Error{ErrorCode::Invalid, "speaks the protocol \"" + version + "\", which is not known here"};
}

Json answer_to_server(const Json& asked) {
  if (asked.text("method") != "ping") return rpc_error(*asked.find("id"), kMethodNotFound, "not offered to servers");
  return Json::object({{"jsonrpc", "2.0"}, {"id", *asked.find("id")}, {"result", Json::Object{}}});
}

Result<Json> result_in(const Json& answer) {
  if (const Json* error = answer.find("error")) {
    return Error{ErrorCode::Refused, std::string(error->text("message")), "server_error"};
  }
  const Json* result = answer.find("result");
  if (result == nullptr || !result->is_object()) return Error{ErrorCode::Invalid, "its answer has no result"};
  return *result;
}

Json tool_failure(const std::string& text) {
  return Json::object({{"content", Json::Array{Json::object({{"type", "text"}, {"text", text}})}}, {"isError", true}});
}

Result<std::vector<Offer>> listed_offers(const Json& capabilities, const Request& request) {
  std::vector<Offer> found;
  for (const OfferRow& row : offer_rows()) {
    const bool said = capabilities.is_object() && capabilities.find(row.capability) != nullptr;
    if (!said && row.kind != OfferKind::Tool) continue;
    const Status listed = list_into(found, row, request);
    // A server may have resources and no templates, and say so by not knowing the method.
    const bool none = !listed && row.kind == OfferKind::Template && listed.error().reason == "server_error";
    if (!none) RETURN_IF_ERROR(listed);
  }
  return found;
}

bool tells_of_change(const Json& note) {
  const std::string_view method = note.text("method");
  return std::ranges::any_of(offer_rows(), [method](const OfferRow& row) {
    return method == "notifications/" + std::string(row.capability) + "/list_changed";
  });
}

}  // namespace countersign::broker
