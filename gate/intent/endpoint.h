// What kind of thing a target is, where the intent does not say (reference: gait-formats §5.2.5).
#pragma once

#include <string>
#include <string_view>

namespace countersign::gate {

// One of the known endpoint classes ("fs.read" … "other").
bool is_endpoint_class(std::string_view name);
bool is_target_kind(std::string_view name);
bool is_discovery_method(std::string_view name);
bool is_network_class(std::string_view endpoint_class);

// `kind` and `operation` lower-cased; `tool_name` of the intent or, in a script, of the step.
std::string inferred_endpoint_class(std::string_view kind, std::string_view operation, std::string_view tool_name);
// The host name of a host or url target, lower-cased; empty for other kinds and for a url that does not parse.
std::string inferred_endpoint_domain(std::string_view kind, std::string_view value);
// delete, remove, rm, … exec, spawn.
bool is_destructive_operation(std::string_view operation);
bool is_destructive_class(std::string_view endpoint_class);

}  // namespace countersign::gate
