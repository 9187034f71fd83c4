#include "signer/daemon/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>

namespace countersign::daemon {
namespace {

const prometheus::Histogram::BucketBoundaries kSeconds = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02,
                                                          0.05,   0.1,   0.2,   0.5,   1,    5};

}  // namespace

struct Metrics::State {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& answers = prometheus::BuildCounter()
                                                         .Name("countersign_http_answers_total")
                                                         .Help("Answers by route and status.")
                                                         .Register(registry);
  prometheus::Family<prometheus::Counter>& refusals = prometheus::BuildCounter()
                                                          .Name("countersign_refusals_total")
                                                          .Help("Signatures that were refused or failed, by code.")
                                                          .Register(registry);
  prometheus::Family<prometheus::Histogram>& seconds = prometheus::BuildHistogram()
                                                           .Name("countersign_sign_seconds")
                                                           .Help("From request to durable answer, by statement type.")
                                                           .Register(registry);
  prometheus::Family<prometheus::Gauge>& now = prometheus::BuildGauge()
                                                   .Name("countersign_now")
                                                   .Help("State of the signer at the moment of asking, by what.")
                                                   .Register(registry);
  prometheus::Family<prometheus::Gauge>& holders =
      prometheus::BuildGauge().Name("countersign_holders").Help("Holders that are up, by role.").Register(registry);
  prometheus::Family<prometheus::Gauge>& standby_keys =
      prometheus::BuildGauge()
          .Name("countersign_standby_key")
          .Help("Whether a standby key would take over after a halt, by role and algorithm.")
          .Register(registry);
  prometheus::Family<prometheus::Gauge>& rotation_due =
      prometheus::BuildGauge()
          .Name("countersign_key_rotation_due_seconds")
          .Help("Time until the active key is as old as rotate_every permits, by role and algorithm.")
          .Register(registry);
  prometheus::Family<prometheus::Gauge>& publication_ends =
      prometheus::BuildGauge()
          .Name("countersign_publication_ends_seconds")
          .Help("Time until published metadata expires: root, targets, online.")
          .Register(registry);
  // Label lookups hash strings: the few combinations that occur are kept.
  std::map<std::pair<std::string_view, int>, prometheus::Counter*> known_answers;
  std::map<std::string, prometheus::Histogram*, std::less<>> known_types;

  void set(const char* what, double value) { now.Add({{"what", what}}).Set(value); }
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

void Metrics::answered(std::string_view route, int status) {
  const auto found = state_->known_answers.find({route, status});
  if (found != state_->known_answers.end()) return found->second->Increment();
  prometheus::Counter& counter =
      state_->answers.Add({{"route", std::string(route)}, {"status", std::to_string(status)}});
  state_->known_answers.emplace(std::pair(route, status), &counter);
  counter.Increment();
}

void Metrics::signed_one(std::string_view type, std::chrono::nanoseconds took) {
  auto found = state_->known_types.find(type);
  if (found == state_->known_types.end()) {
    prometheus::Histogram& histogram = state_->seconds.Add({{"type", std::string(type)}}, kSeconds);
    found = state_->known_types.emplace(std::string(type), &histogram).first;
  }
  found->second->Observe(std::chrono::duration<double>(took).count());
}

void Metrics::refused(std::string_view code) {
  state_->refusals.Add({{"code", std::string(code)}}).Increment();
}

std::string Metrics::text(const Gauges& gauges) {
  State& state = *state_;
  state.set("ready", gauges.ready ? 1 : 0);
  state.set("clock_stopped", gauges.clock_stopped ? 1 : 0);
  state.set("connections", static_cast<double>(gauges.http.connections));
  state.set("connections_accepted", static_cast<double>(gauges.http.accepted));
  state.set("connections_evicted", static_cast<double>(gauges.http.evicted));
  state.set("connections_refused", static_cast<double>(gauges.http.refused));
  state.set("requests_malformed", static_cast<double>(gauges.http.malformed));
  state.set("timeouts", static_cast<double>(gauges.http.timeouts));
  state.set("ledger_size", static_cast<double>(gauges.ledger_size));
  state.set("uncommitted", static_cast<double>(gauges.uncommitted));
  state.set("unrecorded_refusals", static_cast<double>(gauges.unrecorded_refusals));
  if (gauges.ledger_check) {
    const ledger::CheckReport& check = *gauges.ledger_check;
    state.set("ledger_checked", static_cast<double>(check.checked));
    state.set("ledger_check_size", static_cast<double>(check.size));
    state.set("ledger_check_rounds", static_cast<double>(check.rounds));
    state.set("ledger_damaged", check.state == ledger::CheckReport::State::Damaged ? 1 : 0);
  }
  for (const keymgmt::Role role : keymgmt::kRoles) {
    double up = 0;
    for (const HolderState& holder : gauges.holders) up += holder.name.role == role ? 1 : 0;
    state.holders.Add({{"role", std::string(keymgmt::name_of(role))}}).Set(up);
  }
  for (const RoleKeys& keys : gauges.keys) {
    const prometheus::Labels labels = {{"role", std::string(keymgmt::name_of(keys.role))},
                                       {"algorithm", std::string(keymgmt::name_of(keys.algorithm))}};
    state.standby_keys.Add(labels).Set(keys.standby != nullptr ? 1 : 0);
    if (!keys.rotate_by) continue;
    state.rotation_due.Add(labels).Set(std::chrono::duration<double>(*keys.rotate_by - gauges.now).count());
  }
  for (const Deadline& each : gauges.publication) {
    state.publication_ends.Add({{"metadata", std::string(each.what)}})
        .Set(std::chrono::duration<double>(each.at - gauges.now).count());
  }
  return prometheus::TextSerializer().Serialize(state.registry.Collect());
}

}  // namespace countersign::daemon
