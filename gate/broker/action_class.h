// What kind of thing a tool does, as far as its name says so: for people who judge a request, for the risk class of its
// intent and for the audit. It is never a reason to allow.
#pragma once

#include <span>
#include <string_view>

namespace countersign::broker {

enum class ActionClass { Unknown, Read, Network, Write, Credential, Exec };
std::string_view name_of(ActionClass action);  // "unknown", "read", …
// The risk class of the intent: "low" for Read, "medium" for Network, "critical" for Credential and Exec, otherwise
// "high".
std::string_view risk_of(ActionClass action);

struct ActionWord {
  std::string_view word;
  ActionClass action;
};
std::span<const ActionWord> action_words();

// By the words of the tool's id alone (its arguments are the caller's): the most dangerous of them counts, and a name
// without any known word is Unknown, never Read.
ActionClass action_class_of(std::string_view tool);
// Of anything that a server offers, by its id (offer.h): resources and prompts are read, whatever they are called.
ActionClass action_class_of_offer(std::string_view id);

}  // namespace countersign::broker
