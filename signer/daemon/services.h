// Everything a request may need, owned in one place. It exists once the signer may listen.
#pragma once

#include <string>
#include <vector>

#include "common/clock.h"
#include "signer/daemon/anchor_keeper.h"
#include "signer/daemon/approval_revocation.h"
#include "signer/daemon/ceremony_desk.h"
#include "signer/daemon/evidence_search.h"
#include "signer/daemon/execution.h"
#include "signer/daemon/holder_pool.h"
#include "signer/daemon/holder_troubles.h"
#include "signer/daemon/key_custody.h"
#include "signer/daemon/key_ring.h"
#include "signer/daemon/log_publisher.h"
#include "signer/daemon/metrics.h"
#include "signer/daemon/nonces.h"
#include "signer/daemon/outbox_pump.h"
#include "signer/daemon/peer_policy.h"
#include "signer/daemon/queries.h"
#include "signer/daemon/rate_limiter.h"
#include "signer/daemon/recorder.h"
#include "signer/daemon/refusal_log.h"
#include "signer/daemon/sign_service.h"
#include "signer/ledger/sqlite_store.h"

namespace countersign::daemon {

struct Services {
  Services(transport::EventLoop& loop, const config::Config& configuration, const Clock& time,
           ledger::SqliteStore& ledger, const KeyRing& ring, KeyCustody& key_custody, const Publisher& key_publisher,
           HolderPool& pool, const HolderTroubles& holder_troubles, AnchorKeeper& keeper, LogPublisher* log_publisher,
           Json confinement_report)
      : config(configuration),
        clock(time),
        store(ledger),
        keys(ring),
        custody(key_custody),
        publisher(key_publisher),
        holders(pool),
        troubles(holder_troubles),
        anchors(keeper),
        log(log_publisher),
        confinement(std::move(confinement_report)),
        recorder(loop, ledger, [&pool] { return pool.coming_soon(); }),
        refusals(recorder, time),
        limiter(configuration.limits.requests_per_second, configuration.limits.burst, configuration.limits.in_flight),
        policy(configuration),
        pump(loop, ledger, recorder, time),
        sign(configuration, time, ledger, ledger.time_guard(), ring, pool, recorder, refusals, nonces),
        queries(configuration, time, ledger, ring, nonces),
        execution(configuration, time, ledger, ledger.time_guard(), ring, recorder, refusals),
        revocation(time, ledger, recorder),
        ceremonies(configuration, ledger, ring, key_custody, recorder),
        evidence(loop, ledger) {}

  const config::Config& config;
  const Clock& clock;
  ledger::SqliteStore& store;
  const KeyRing& keys;
  KeyCustody& custody;
  const Publisher& publisher;
  HolderPool& holders;
  const HolderTroubles& troubles;
  AnchorKeeper& anchors;
  LogPublisher* log;                  // null where no role `log` is configured
  Json confinement;                   // of the front
  std::vector<std::string> findings;  // of the start, one sentence each
  Recorder recorder;
  RefusalLog refusals;
  RateLimiter limiter;
  PeerPolicy policy;
  Nonces nonces;
  OutboxPump pump;
  SignService sign;
  Queries queries;
  Execution execution;
  ApprovalRevocation revocation;
  CeremonyDesk ceremonies;
  EvidenceSearch evidence;
  Metrics metrics;
};

}  // namespace countersign::daemon
