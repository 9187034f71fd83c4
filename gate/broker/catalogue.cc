#include "gate/broker/catalogue.h"

#include <algorithm>
#include <future>

#include "gate/broker/pattern.h"
#include "gate/vetting/injection.h"
#include "gate/vetting/tree.h"

namespace countersign::broker {
namespace {

Error quarantined(std::string_view id) {
  return Error{ErrorCode::Refused, "the server defines " + std::string(id) + " otherwise than it was pinned",
               "tool_quarantined",
               "a person looks at the change: countersign broker quarantine, then broker quarantine --accept TOOL"};
}

std::optional<Tool> tool_of(std::string_view server, const Offer& offer) {
  const Result<std::string> id = id_of(server, offer);
  if (!id) return std::nullopt;  // such a name cannot be asked for
  Json definition = lasting_definition(offer);
  std::string digest = definition.digest().hex();
  return Tool{*id, std::move(definition), std::move(digest), offer.kind, *id};
}

// What stands for the call among the tools of its server: what is listed, else the first template that covers it.
std::optional<Tool> standing_for(const std::vector<Tool>& tools, std::string_view id, const Json& args) {
  const std::string_view uri = args.text("uri");
  const bool resource = kind_of(id) == OfferKind::Resource;
  for (const Tool& tool : tools) {
    if (tool.id != id || tool.kind == OfferKind::Template) continue;
    if (!resource || uri.empty() || tool.definition.text("uri") == uri) return tool;
  }
  if (!resource || uri.empty()) return std::nullopt;
  for (const Tool& tool : tools) {
    if (tool.kind != OfferKind::Template || !stands_for(tool.definition.text("uriTemplate"), uri)) continue;
    Tool covered = tool;
    covered.id = id;
    return covered;
  }
  return std::nullopt;
}

}  // namespace

Catalogue::Catalogue(const BrokerConfig& config, BrokerStore& store) : config_(config), store_(store) {
  for (const auto& [name, server] : config_.servers) {
    servers_.emplace(name,
                     std::make_unique<Server>(name, server, [this, name, &server] { return admitted(name, server); }));
  }
}

void Catalogue::stop() {
  for (const auto& [name, server] : servers_) server->upstream->stop();
}

// A server starts only from the bytes that were vetted and approved; one that others run is used only at the address
// that was approved, and its definitions are pinned then.
Status Catalogue::admitted(const std::string& name, const ServerConfig& config) const {
  if (config.unvetted) return ok();
  if (!config.url.empty()) {
    if (store_.is_approved(name, BrokerStore::Proposed::Url, config.url)) return ok();
    return Error{ErrorCode::Refused, "the server " + name + " was not approved at " + config.url, "server_not_admitted",
                 "countersign broker propose --server-name " + name + " --source url --source-id " + config.url +
                     ", then approve"};
  }
  ASSIGN_OR_RETURN(const vetting::Tree tree, vetting::read_tree(config.source, vetting::TreeLimits{}));
  const std::string digest = tree.digest().hex();
  if (store_.is_approved(name, BrokerStore::Proposed::Digest, digest)) return ok();
  return Error{
      ErrorCode::Refused, "the server " + name + " was not approved with the files it has now (" + digest + ")",
      "server_not_admitted",
      "countersign broker propose --server-name " + name + " --source-path " + config.source + ", then approve"};
}

// The first list of a server is what its approval was about; what it offers beyond that later is looked at first.
Status Catalogue::compare(const Tool& tool, bool known_server) {
  const std::optional<Definition> known = store_.definition(tool.id);
  if (known && known->digest == tool.digest) {
    if (known->offered.empty()) return ok();
    Definition back = *known;  // it says again what it said
    back.offered.clear();
    back.offered_definition = Json();
    return store_.pin(back, {"definition_restored", {{"tool_id", tool.id}, {"definition_digest", tool.digest}}});
  }
  if (known && known->offered == tool.digest) return ok();
  const bool suspicious = addresses_the_model(tool.definition);
  if (!known && !known_server && !suspicious) {
    return store_.pin({tool.id, tool.digest, tool.definition, "", Json()},
                      {"definition_pinned", {{"tool_id", tool.id}, {"definition_digest", tool.digest}}});
  }
  Definition changed = known.value_or(Definition{tool.id, "", Json(), "", Json()});
  changed.offered = tool.digest;
  changed.offered_definition = tool.definition;
  return store_.pin(changed, {"definition_quarantined",
                              {{"tool_id", tool.id},
                               {"definition_digest", tool.digest},
                               {"pinned_digest", changed.digest},
                               {"cause", suspicious ? "it addresses the model"
                                         : known    ? "it changed"
                                                    : "it is new"}}});
}

Status Catalogue::refresh(Server& server) {
  ASSIGN_OR_RETURN(Upstream::Offers offered, server.upstream->offers());
  const std::lock_guard lock(server.mutex);
  if (offered == server.seen) return ok();
  std::vector<Tool> tools;
  for (const Offer& offer : *offered) {
    if (std::optional<Tool> tool = tool_of(server.name, offer)) tools.push_back(*std::move(tool));
  }
  std::ranges::sort(tools, {}, &Tool::id);
  // A server that renames all its tools is no new server.
  const bool known = store_.knows_tools_of(server.name);
  for (const Tool& tool : tools) RETURN_IF_ERROR(compare(tool, known));
  server.seen = std::move(offered);
  server.tools = std::move(tools);
  return ok();
}

Result<std::optional<Tool>> Catalogue::find(std::string_view id, const Json& args) {
  const auto found = servers_.find(server_of(id));
  if (found == servers_.end()) return std::optional<Tool>();
  Server& server = *found->second;
  RETURN_IF_ERROR(refresh(server));
  const std::lock_guard lock(server.mutex);
  const std::optional<Tool> tool = standing_for(server.tools, id, args);
  if (!tool) return std::optional<Tool>();
  const std::optional<Definition> pinned = store_.definition(tool->defined_as);
  if (!pinned || pinned->digest != tool->digest) return quarantined(tool->defined_as);
  return tool;
}

std::vector<Tool> Catalogue::all(std::vector<std::string>& unavailable) {
  // Those of others at the same time. A program is started by the thread that asks, which lives on: a child ends with
  // the thread that made it.
  std::map<std::string_view, std::future<Status>> refreshed;
  for (const auto& [name, server] : servers_) {
    const bool far = !config_.servers.find(name)->second.url.empty();
    refreshed.emplace(name, std::async(far ? std::launch::async : std::launch::deferred,
                                       [this, &each = *server] { return refresh(each); }));
  }
  std::vector<Tool> tools;
  for (const auto& [name, server] : servers_) {
    if (!refreshed.find(name)->second.get()) {
      unavailable.push_back(name);
      continue;
    }
    const std::lock_guard lock(server->mutex);
    for (const Tool& tool : server->tools) {
      const std::optional<Definition> pinned = store_.definition(tool.id);
      if (pinned && pinned->digest == tool.digest) tools.push_back(tool);
    }
  }
  return tools;
}

Result<Json> Catalogue::call(const Tool& tool, const Json& arguments) {
  Server& server = *servers_.find(server_of(tool.id))->second;
  {
    // Another call may have listed the tools anew meanwhile.
    const std::lock_guard lock(server.mutex);
    const bool same = std::ranges::any_of(server.tools, [&](const Tool& now) {
      return now.id == tool.defined_as && now.kind == tool.kind && now.digest == tool.digest;
    });
    if (!same) return quarantined(tool.defined_as);
  }
  const Json params = call_params(tool.kind, tool.definition.text("name"), arguments);
  ASSIGN_OR_RETURN(Json result, server.upstream->call(tool.kind, params, config_.limits.call_timeout));
  const bool failed = result.find("isError") != nullptr && *result.find("isError") == Json(true);
  return tool.kind == OfferKind::Tool || failed ? Result<Json>(std::move(result)) : checked_contents(tool.kind, result);
}

Result<std::vector<Offer>> Catalogue::look_at(std::string_view server, std::string_view url) const {
  const auto config = config_.servers.find(std::string(server));
  if (url.empty() || config == config_.servers.end() || config->second.url != url) {
    return Error{ErrorCode::NotFound,
                 "broker.yaml has no server " + std::string(server) + " at " + std::string(url).substr(0, 200),
                 "unknown_server",
                 "servers: {" + std::string(server) + ": {url: …}} first: nothing else is connected to"};
  }
  ASSIGN_OR_RETURN(const Upstream::Offers offers,
                   make_upstream(std::string(server), config->second, [] { return ok(); })->offers());
  return *offers;
}

Status Catalogue::pin(std::string_view server, const std::vector<Offer>& offers, const AuditEvent& event) {
  for (const Offer& offer : offers) {
    const std::optional<Tool> tool = tool_of(server, offer);
    if (!tool) continue;
    AuditEvent pinned = event;
    pinned.members.emplace_back("tool_id", tool->id);
    pinned.members.emplace_back("definition_digest", tool->digest);
    RETURN_IF_ERROR(store_.pin({tool->id, tool->digest, tool->definition, "", Json()}, std::move(pinned)));
  }
  return ok();
}

bool addresses_the_model(const Json& definition) {
  std::vector<vetting::Finding> findings;
  vetting::find_injection_in(definition.compact(), "definition", findings);
  return !findings.empty();
}

Status Catalogue::accept(std::string_view id, std::string_view seen, AuditEvent event) {
  std::optional<Definition> definition = store_.definition(id);
  if (!definition || definition->offered.empty()) {
    return Error{ErrorCode::NotFound, "no other definition of " + std::string(id) + " waits", "unknown_definition"};
  }
  if (!seen.empty() && seen != definition->offered) {
    return Error{ErrorCode::Conflict, "the server defines " + std::string(id) + " otherwise by now",
                 "definition_changed", "look at it again: countersign broker quarantine"};
  }
  definition->digest = std::exchange(definition->offered, "");
  definition->pinned = std::exchange(definition->offered_definition, Json());
  event.members.emplace_back("definition_digest", definition->digest);
  return store_.pin(*definition, std::move(event));
}

}  // namespace countersign::broker
