// The tools, resources and prompts of every server, as they were when somebody first saw them, or admitted the server
// with them. A definition that changed since is quarantined until a person accepts it: a description is read by models,
// and what was approved was read with the old one.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gate/broker/broker_store.h"
#include "gate/broker/upstream.h"

namespace countersign::broker {

// Something that may be asked for: a tool, or what is like one (offer.h).
struct Tool {
  std::string id;      // "server:name"
  Json definition;     // MCP's object: name, description, inputSchema, …
  std::string digest;  // SHA-256 of its canonical form, hex
  OfferKind kind = OfferKind::Tool;
  std::string defined_as;  // the id under which the definition is pinned: the template's, of a resource that it covers
};

// `source` of a proposal of a server that others run: its `source_id` is the address.
inline constexpr std::string_view kUrlSource = "url";

// Whether a text of the definition, which models read, speaks to them.
bool addresses_the_model(const Json& definition);

class Catalogue {
 public:
  // Both outlive it.
  Catalogue(const BrokerConfig& config, BrokerStore& store);

  // Nothing where no configured server offers it. A resource that is not listed is one of the template that covers the
  // uri of `args`. Fails with Refused: "tool_quarantined", "server_not_admitted"; with Unavailable where the server
  // does not answer.
  Result<std::optional<Tool>> find(std::string_view id, const Json& args);

  // What every server that starts offers, without the quarantined ones, in the order of ids; `unavailable` gets the
  // names of the others.
  std::vector<Tool> all(std::vector<std::string>& unavailable);

  // As Upstream::call; and, of resources and prompts, as checked_contents().
  Result<Json> call(const Tool& tool, const Json& arguments);

  // What the server offers by HTTP now, for those who judge whether it may be used: nobody has admitted it yet, and
  // nothing of it is called. Fails with NotFound where the configuration has no such server, or another address for
  // it; with Unavailable.
  Result<std::vector<Offer>> look_at(std::string_view server, std::string_view url) const;
  // Pins what people admitted a server with; what was quarantined of it before is settled by that.
  Status pin(std::string_view server, const std::vector<Offer>& offers, const AuditEvent& event);

  // The definition that the server offers now becomes the pinned one. Fails with NotFound where none is quarantined,
  // and with Conflict, reason "definition_changed", where it has another digest than `seen` (if that is not empty).
  Status accept(std::string_view id, std::string_view seen, AuditEvent event);

  void stop();

 private:
  struct Server {
    Server(std::string named, const ServerConfig& config, std::function<Status()> admitted)
        : name(named), upstream(make_upstream(std::move(named), config, std::move(admitted))) {}
    std::string name;
    std::unique_ptr<Upstream> upstream;
    std::mutex mutex;
    Upstream::Offers seen;    // the list that was compared last; guarded by mutex, as `tools`
    std::vector<Tool> tools;  // as offered
  };
  // Compares what the server offers with what is pinned, where it offers something new.
  Status refresh(Server& server);
  Status compare(const Tool& tool, bool known_server);
  Status admitted(const std::string& name, const ServerConfig& config) const;

  const BrokerConfig& config_;
  BrokerStore& store_;
  std::map<std::string, std::unique_ptr<Server>, std::less<>> servers_;
};

}  // namespace countersign::broker
