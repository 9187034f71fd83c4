#include "signer/daemon/ledger_keeper.h"

#include <limits>
#include <optional>
#include <utility>

#include "common/json_fields.h"

namespace countersign::daemon {
namespace {

constexpr std::size_t kForgottenAtOnce = 1024;  // some 10 ms of the commit thread
constexpr std::chrono::seconds kForgetEvery{10};

}  // namespace

struct LedgerKeeper::Shared {
  std::atomic<bool> forgetting = false;
  std::atomic<bool> more = false;  // the last time all were due that were looked at
  TellDamage tell_damage;          // null once the keeper is gone; only on the loop
};

LedgerKeeper::LedgerKeeper(transport::EventLoop& loop, const config::Config& config, const Clock& clock,
                           ledger::SqliteStore& store, Recorder& recorder, TellDamage tell_damage)
    : config_(config), clock_(clock), store_(store), recorder_(recorder), shared_(std::make_shared<Shared>()) {
  shared_->tell_damage = std::move(tell_damage);
  ledger::BackgroundCheck::Options options;
  options.every = config.limits.ledger_check_every;
  store_.watch(options, [&loop, shared = shared_](const Error& damage) {
    loop.post([shared, damage] {
      if (!shared->tell_damage) return;
      shared->tell_damage(
          Json::object({{"code", damage.wire_code()}, {"message", damage.detail}, {"hint", damage.hint}}));
    });
  });
}

LedgerKeeper::~LedgerKeeper() {
  shared_->tell_damage = nullptr;
}

void LedgerKeeper::tick(std::chrono::steady_clock::time_point now) {
  if (shared_->forgetting || (now < forget_due_ && !shared_->more)) return;
  // A clock that jumped would take away answers that are still asked for.
  if (store_.time_guard().stopped()) return;
  forget_due_ = now + kForgetEvery;
  shared_->forgetting = true;
  const UtcTime before = clock_.now() - config_.limits.idempotency_window;
  const Status accepted = recorder_.perform([shared = shared_, before](ledger::Store& store) {
    const Result<std::uint64_t> forgotten = store.forget_answers(before, kForgottenAtOnce);
    shared->more = forgotten && *forgotten == kForgottenAtOnce;
    shared->forgetting = false;
  });
  if (!accepted) shared_->forgetting = false;
}

Json ledger_json(const ledger::SqliteStore& store) {
  const ledger::TreeHead head = store.head();
  Json json = Json::object({{"size", head.size}, {"root", head.root.hex()}});
  if (!store.restores().empty()) {
    const ledger::Restore& last = store.restores().back();
    json.set("restored", Json::object({{"at", last.at.rfc3339()},
                                       {"log_index", last.index},
                                       {"accepts_loss", last.accepts_loss},
                                       {"reason", last.reason}}));
  }
  if (const std::optional<ledger::CheckReport> report = store.check_report()) {
    Json check = Json::object({{"state", ledger::name_of(report->state)},
                               {"size", report->size},
                               {"checked", report->checked},
                               {"doing", report->doing},
                               {"rounds", report->rounds}});
    if (report->completed) check.set("completed", report->completed->rfc3339());
    if (report->damage) {
      check.set("damage", Json::object({{"code", report->damage->wire_code()}, {"message", report->damage->detail}}));
    }
    if (!report->trouble.empty()) check.set("trouble", report->trouble);
    json.set("check", std::move(check));
  }
  return json;
}

Result<Json> ask_for_check(ledger::SqliteStore& store, const Json& body) {
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const bool start, fields.boolean("start"));
  std::optional<std::int64_t> at;
  if (body.find("root_at") != nullptr) {
    ASSIGN_OR_RETURN(at, fields.integer("root_at", 0, std::numeric_limits<std::int64_t>::max()));
  }
  RETURN_IF_ERROR(fields.finish());
  Json ledger = ledger_json(store);
  if (at) {
    ASSIGN_OR_RETURN(const Digest root, store.root_at(static_cast<std::uint64_t>(*at)));
    ledger.set("root_at", Json::object({{"size", *at}, {"root", root.hex()}}));
  }
  if (start) ledger.set("done_by_round", store.check_again());
  return ledger;
}

std::vector<std::string> ledger_findings(const ledger::SqliteStore& store) {
  std::vector<std::string> found;
  const std::optional<ledger::CheckReport> report = store.check_report();
  if (report && !report->trouble.empty()) found.push_back("the ledger cannot be checked: " + report->trouble);
  if (!store.restores().empty()) {
    const ledger::Restore& last = store.restores().back();
    found.push_back("the ledger was restored from a backup at " + last.at.rfc3339() +
                    (last.accepts_loss ? ", with loss accepted" : "") + ": tokens and permits made before are refused");
  }
  return found;
}

}  // namespace countersign::daemon
