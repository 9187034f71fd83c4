// What a server offers: tools, resources, templates of resources and prompts (Model Context Protocol, "Server
// Features"). All of them are asked for in one way, so each has an id by which lists, approvals and the audit know it:
//   SERVER:NAME             a tool
//   SERVER:resources/URI    a resource, or a template of such: what their URI may say is in resource_id()
//   SERVER:prompts/NAME     a prompt
// A tool whose name begins like the last two is nobody's: it cannot be asked for.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"

namespace countersign::broker {

enum class OfferKind { Tool, Resource, Template, Prompt };

struct OfferRow {
  OfferKind kind;
  std::string_view capability;   // of the server, under which it says that it has some
  std::string_view list;         // the method that lists them
  std::string_view listed;       // the member of its answer
  std::string_view name;         // the member of a definition that names it
  std::string_view call;         // the method that asks for one
  std::string_view in_proposal;  // the member of a proposal of a server by address
  std::string_view for_agents;   // the member of what agents are told
};
std::span<const OfferRow> offer_rows();
const OfferRow& row_of(OfferKind kind);
// The member of the params of a method that says what is asked for ("name", "uri"); empty for other methods.
std::string_view named_by(std::string_view method);

struct Offer {
  OfferKind kind = OfferKind::Tool;
  Json definition;  // as the server gave it
  friend bool operator==(const Offer&, const Offer&) = default;
};

// Its id; Invalid where it has a name that cannot be asked for.
Result<std::string> id_of(std::string_view server, const Offer& offer);
// By the id alone; never Template: what a template stands for is a resource.
OfferKind kind_of(std::string_view id);

// The id of the resource at `uri`. It begins with the URI in its normal form (RFC 3986 §6.2.2: scheme and host in small
// letters, %41 as A), so that a pattern of the lists holds for other spellings, too; what an id cannot hold is '_' in
// it, and then, or where it was cut, 16 digits of the URI's SHA-256 end it. Fails with Invalid, reason "bad_uri", where
// it is none, is longer than 2048 bytes, or has a part "." or "..", as such or escaped.
Result<std::string> resource_id(std::string_view server, std::string_view uri);

// Whether the template (RFC 6570) may stand for the URI. Every expression stands for any characters, which is more than
// the RFC says: it decides whose definition an answer is held against, and not whether it may be asked for.
bool stands_for(std::string_view uri_template, std::string_view uri);

// What is asked for by `id` with these arguments: any object of a tool, {"uri"} of the resource of that id, texts of a
// prompt. Fails with Invalid, reason "bad_arguments" or "bad_uri".
Status check_arguments(std::string_view id, const Json& args);
// The params of the method that asks for it. `name` is the definition's.
Json call_params(OfferKind kind, std::string_view name, const Json& args);

// The definition as it is pinned and shown: without `_meta`, and without what tells of a resource's state and changes
// with it (size, annotations.lastModified).
Json lasting_definition(const Offer& offer);

// An answer to resources/read or prompts/get, reduced to the members that the protocol gives it. Fails with Invalid,
// reason "bad_contents", where it is none of that kind; with Refused, reason "content_withheld", where a text of it
// speaks to the model or hides characters: what nobody has read is held to what a definition is held to.
Result<Json> checked_contents(OfferKind kind, const Json& result);

}  // namespace countersign::broker
