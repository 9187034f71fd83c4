// Fills the ledger of a stopped appliance with records of the kinds that a busy one has, in batches of 4,096, and says
// how long opening and checking it takes. Of 100 records 90 are allow traces of about 2.5 KB on intents of their own;
// the others are two approvals asked for, given twice, redeemed and run.
//   bench_ledger LEDGER [COUNT]     appends COUNT records (default 0); prints one JSON object
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "signer/ledger/sqlite_store.h"

namespace {

using countersign::Digest;
using countersign::Json;
using countersign::ledger::Item;
using countersign::ledger::SqliteStore;
using countersign::statement::Verdict;

constexpr std::uint64_t kBatch = 4096;
constexpr std::uint64_t kCycle = 100;

Item record(const std::string& name, countersign::UtcTime at) {
  const Digest digest = countersign::sha256(name);
  Item item;
  item.record.kind = "signed";
  item.record.at = at;
  item.record.type = "trace";
  item.record.role = "trace";
  item.record.kid = "9b1c2f3a4d5e6f708192a3b4c5d6e7f80123456789abcdef0123456789abcdef";
  item.record.body_digest = digest;
  item.record.signature_digest = digest;
  item.record.peer_uid = 1000;
  item.record.request_id = digest.hex().substr(0, 16);
  item.record.body = "{\"generated\":\"" + std::string(2400, 'x') + name + "\"}";
  return item;
}

void decide(Item& item, const Digest& intent, Verdict verdict) {
  item.decision.emplace();
  item.decision->intent_digest = intent;
  item.decision->policy_digest = countersign::sha256("policy");
  item.decision->verdict = verdict;
  item.decision->at = item.record.at;
  item.decision->facts.requester = "analyst@team.example";
  item.decision->facts.reason_codes = {"matched_rule_production"};
  item.decision->facts.matched_rule = "production";
  item.decision->trace_digest = item.record.body_digest;
}

// Record `place` of a cycle: 0 to 4 and 5 to 9 are an approval each (asked, given, given, redeemed, run).
Item generated(const std::string& run, std::uint64_t number, countersign::UtcTime at) {
  const std::uint64_t place = number % kCycle;
  const std::string name = run + "/" + std::to_string(number);
  Item item = record(name, at);
  if (place >= 10) {
    decide(item, item.record.body_digest, Verdict::Allow);
    return item;
  }
  const std::string story = run + "/story " + std::to_string(number - place % 5);
  const Digest intent = countersign::sha256(story);
  switch (place % 5) {
    case 0:
      decide(item, intent, Verdict::RequireApproval);
      item.intent = {intent, "{\"story\":\"" + story + "\"}"};
      return item;
    case 1:
    case 2:
      item.record.type = "approval_token";
      item.minted = {.token_id = name,
                     .token_digest = item.record.body_digest,
                     .intent_digest = intent,
                     .policy_digest = countersign::sha256("policy"),
                     .approver_key = "approver@company.example",
                     .created_at = at,
                     .expires_at = at + std::chrono::hours(1)};
      return item;
    case 3:
      decide(item, intent, Verdict::Allow);
      for (const std::uint64_t token : {number - 2, number - 1}) {
        const std::string id = run + "/" + std::to_string(token);
        item.redeem.push_back({id, countersign::sha256(id)});
      }
      return item;
    default:
      item.record.kind = "executed";
      item.execute_trace = countersign::sha256(run + "/" + std::to_string(number - 1));
      return item;
  }
}

double milliseconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    std::fprintf(stderr, "usage: bench_ledger LEDGER [COUNT]\n");
    return 6;
  }
  const std::uint64_t count = argc == 3 ? std::strtoull(argv[2], nullptr, 10) : 0;
  const countersign::SystemClock clock;
  auto begin = std::chrono::steady_clock::now();
  auto store = SqliteStore::open(argv[1], clock);
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().detail.c_str());
    return 1;
  }
  const double opened = milliseconds_since(begin);
  const std::string run = clock.now().rfc3339();
  begin = std::chrono::steady_clock::now();
  for (std::uint64_t done = 0; done < count;) {
    std::vector<Item> items;
    for (; items.size() < kBatch && done < count; ++done) items.push_back(generated(run, done, clock.now()));
    const auto outcomes = (*store)->commit(items);
    if (!outcomes || !outcomes->back()) {
      std::fprintf(stderr, "%s\n", (outcomes ? outcomes->back().error() : outcomes.error()).detail.c_str());
      return 1;
    }
  }
  const double filled = milliseconds_since(begin);
  begin = std::chrono::steady_clock::now();
  if (const auto verified = (*store)->verify(); !verified) {
    std::fprintf(stderr, "%s\n", verified.error().detail.c_str());
    return 1;
  }
  std::printf("%s\n", Json::object({{"records", (*store)->head().size},
                                    {"open_ms", opened},
                                    {"fill_ms", filled},
                                    {"verify_ms", milliseconds_since(begin)}})
                          .compact()
                          .c_str());
  return 0;
}
