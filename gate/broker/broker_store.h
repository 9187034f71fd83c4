// broker.db: what agents asked for, what people said, and the chain of everything that happened. One transaction for
// each event, and its record in it: what is not recorded did not happen. From any thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/broker/tool_request.h"

namespace countersign::sqlite {
class Connection;
}

namespace countersign::broker {

// One link of the chain. Its hash is SHA-256 over "countersign-broker-audit\n", the hash before it (32 zero bytes
// before the first) and `body`, canonical JSON (RFC 8785) with at least index, at and event.
struct AuditRecord {
  std::uint64_t index = 0;
  std::string body;
  Digest hash;
};

// What happened, without index and time, which the store adds.
struct AuditEvent {
  std::string event;  // "call", "request_opened", "approved", …
  Json::Object members;
};

struct AuditVerification {
  std::uint64_t records = 0;
  Digest head;
};

// A tool as its server defined it when somebody first saw it, or accepted it since.
struct Definition {
  std::string tool;
  std::string digest;  // of `pinned`, hex
  Json pinned;
  std::string offered;  // digest of what the server says now, where it differs: the tool is quarantined; else empty
  Json offered_definition;
};

class BrokerStore {
 public:
  // Makes it where it is missing. Fails with Refused where others may read the file, where it is no broker's, or where
  // the chain's end does not fit its last record; with Unavailable where it cannot be opened or another has it open.
  static Result<std::unique_ptr<BrokerStore>> open(const std::string& path, const Clock& clock);
  ~BrokerStore();

  // For those who keep tables of their own in broker.db (gate/notices/outbox.h). `act` runs within the transaction of
  // the record, or of its own, and undoes it by failing; or it only reads. It must not call the store.
  using Act = std::function<Status(sqlite::Connection&)>;
  Status change(AuditEvent event, const Act& act);
  Status change(const Act& act);
  void read(const std::function<void(sqlite::Connection&)>& act) const;

  // `told` hears the name of each event once it is recorded. It must not call the store. Before others use it.
  void when_recorded(std::function<void(std::string_view event)> told);

  // Every change fails with Unavailable, reason "broker_store_failed", and is then undone whole.
  Status record(AuditEvent event);
  // Of what is over and cannot be undone, where the record before it says that it began: in the chain at once, so that
  // the end of this process loses nothing, and on the disk with the next record, the next settle(), or before audit()
  // or verify() gives it to anybody. If the machine loses power first, its end is unknown, and nobody has seen another.
  Status record_soon(AuditEvent event);
  // What record_soon() left is on the disk after this.
  Status settle() const;

  // Fails with Conflict, reason "request_open", where one of the same agent, tool and arguments is open.
  Status add(const ToolRequest& request, AuditEvent event);
  // Replaces what was read, `stored`. Fails with NotFound, and with Conflict, reason "request_changed", where it is
  // another one meanwhile; allow() and add(Grant) as well.
  Status update(const ToolRequest& request, AuditEvent event);
  Result<ToolRequest> request(std::string_view id) const;         // NotFound "unknown_request"
  std::vector<ToolRequest> requests(RequestStatus status) const;  // oldest first
  // All of them, in the order in which they were opened: those after the one of this id, or from the first on where it
  // is empty, at most `most` and about 4 MiB at once. Nothing where there is none after it.
  std::vector<std::string> requests_after(std::string_view id, std::size_t most) const;
  // Those that wait no more, the newest first.
  std::vector<ToolRequest> newest_ended(std::size_t most) const;
  // The last call of the same tool by the same agent whose approvals were redeemed.
  std::optional<ToolRequest> last_used(const ToolRequest& beside) const;
  // Emergencies that nobody reviewed yet, oldest first.
  std::vector<ToolRequest> unreviewed() const;
  // The newest one of exactly this call.
  std::optional<ToolRequest> newest(std::string_view agent, std::string_view tool, std::string_view args_digest) const;
  std::int64_t open_requests(std::string_view agent) const;

  // Entries of the allow list that people added.
  Status allow(const ToolRequest& request, AuditEvent event);
  // Takes the entry back, and ends the agent's grants of the tool. Fails with NotFound where there is neither.
  Status disallow(std::string_view agent, std::string_view tool, AuditEvent event);
  std::optional<std::string> allowed_by(std::string_view agent, std::string_view tool) const;  // the request's id
  Json allowed() const;  // [{"agent_id","tool_id","request_id","at"}]

  Status add(const Grant& grant, const ToolRequest& request, AuditEvent event);
  struct UsedGrant {
    std::string id;
    bool break_glass = false;
  };
  std::optional<UsedGrant> fitting_grant(std::string_view agent, std::string_view tool, std::string_view args_digest,
                                         std::string_view definition_digest, std::string_view policy_digest) const;
  // Takes one use. Nothing where none fits any more.
  Result<std::optional<UsedGrant>> use_grant(std::string_view agent, std::string_view tool,
                                             std::string_view args_digest, std::string_view definition_digest,
                                             std::string_view policy_digest);
  Json grants() const;

  // Counts one more use of an automatic approval, unless it is over. Gives whether it was counted.
  bool has_automatic(const AutoApproval& approval) const;
  Result<bool> use_automatic(const AutoApproval& approval);

  std::optional<Definition> definition(std::string_view tool) const;
  // One that is pinned with this digest.
  std::optional<Definition> definition_of_digest(std::string_view digest) const;
  bool knows_tools_of(std::string_view server) const;
  std::vector<Definition> quarantined() const;
  Status pin(const Definition& definition, AuditEvent event);

  // Proposals of servers, each version once: {"id","version","status",…}.
  Status put_proposal(std::string_view id, std::int64_t version, const Json& proposal, AuditEvent event);
  std::optional<Json> proposal(std::string_view id) const;  // its newest version
  std::vector<Json> proposals() const;                      // the newest versions
  // Whether the last decision of people about proposals of the server with this digest, or at this address, was to
  // approve. One that waits changes nothing: who proposes again does not stop what was admitted.
  enum class Proposed { Digest, Url };
  bool is_approved(std::string_view server, Proposed by, std::string_view value) const;

  // The proposal of the server that people approved last; nothing where they approved none.
  std::optional<Json> admitted(std::string_view server) const;

  std::uint64_t size() const;  // records
  // Records from `first` on, at most `most`.
  std::vector<AuditRecord> audit(std::uint64_t first, std::size_t most) const;
  // The whole chain, from its first record. Fails with Refused, reason "audit_broken", naming the first wrong record.
  Result<AuditVerification> verify() const;

 private:
  struct State;
  enum class Sync { Now, Soon };
  Status change(AuditEvent event, const Act& act, Sync sync);
  explicit BrokerStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace countersign::broker
