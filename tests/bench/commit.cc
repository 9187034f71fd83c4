// What committing records costs on this file system, alone: allow traces of about 2.5 KB, each on an intent of its own,
// in transactions of BATCH. Prints one JSON object; the CPU time is the committing thread's, kernel included.
//   bench_commit FOLDER COUNT [BATCH]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "signer/ledger/sqlite_store.h"

namespace {

using countersign::Json;
using countersign::ledger::Item;

double thread_microseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

Item allow(std::uint64_t number, countersign::UtcTime at) {
  const countersign::Digest digest = countersign::sha256(std::to_string(number));
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
  item.record.body = std::string(2400, 'x') + std::to_string(number);
  item.decision.emplace();
  item.decision->intent_digest = digest;
  item.decision->policy_digest = countersign::sha256("policy");
  item.decision->verdict = countersign::statement::Verdict::Allow;
  item.decision->at = at;
  item.decision->facts.requester = "analyst@team.example";
  item.decision->facts.reason_codes = {"approval_granted", "matched_rule_allow-reading"};
  item.decision->facts.matched_rule = "allow-reading";
  item.decision->trace_digest = digest;
  item.no_require_approval_since = at - std::chrono::hours(24);
  return item;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: bench_commit FOLDER COUNT [BATCH]\n");
    return 6;
  }
  const int count = std::atoi(argv[2]);
  const int batch = argc == 4 ? std::max(std::atoi(argv[3]), 1) : 1;
  const countersign::SystemClock clock;
  const std::string path = std::string(argv[1]) + "/bench-ledger.db";
  auto store = countersign::ledger::SqliteStore::create(path, clock);
  if (!store) {
    std::fprintf(stderr, "bench_commit: %s\n", store.error().detail.c_str());
    return 1;
  }
  std::vector<double> microseconds;
  double cpu = 0;
  int done = 0;
  while (done < count) {
    std::vector<Item> items;
    for (int i = 0; i < batch; ++i) items.push_back(allow(static_cast<std::uint64_t>(done++), clock.now()));
    const double cpu_before = thread_microseconds();
    const auto before = std::chrono::steady_clock::now();
    const auto committed = (*store)->commit(items);
    microseconds.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - before).count());
    cpu += thread_microseconds() - cpu_before;
    const bool good = committed && std::all_of(committed->begin(), committed->end(),
                                               [](const auto& outcome) { return outcome.has_value(); });
    if (good) continue;
    std::fprintf(stderr, "bench_commit: %s\n", committed ? "a record was refused" : committed.error().detail.c_str());
    return 1;
  }
  std::sort(microseconds.begin(), microseconds.end());
  const Json figures = Json::object({{"p50_us", Json(microseconds[microseconds.size() / 2])},
                                     {"p99_us", Json(microseconds[microseconds.size() * 99 / 100])},
                                     {"cpu_us_per_record", Json(cpu / done)}});
  std::printf("%s\n", figures.compact().c_str());
  return 0;
}
