// How long one group commit of one record takes on this file system, alone. Prints one JSON object.
//   bench_commit FOLDER COUNT
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "signer/ledger/sqlite_store.h"

int main(int argc, char** argv) {
  using countersign::Json;
  if (argc != 3) {
    std::fprintf(stderr, "usage: bench_commit FOLDER COUNT\n");
    return 6;
  }
  const countersign::SystemClock clock;
  const std::string path = std::string(argv[1]) + "/bench-ledger.db";
  auto store = countersign::ledger::SqliteStore::create(path, clock);
  if (!store) {
    std::fprintf(stderr, "bench_commit: %s\n", store.error().detail.c_str());
    return 1;
  }
  std::vector<float> microseconds;
  for (int i = 0; i < std::atoi(argv[2]); ++i) {
    countersign::ledger::Item item;
    item.record.kind = "signed";
    item.record.at = clock.now();
    item.record.body = std::string(2400, 'x');
    const auto before = std::chrono::steady_clock::now();
    const auto committed = (*store)->commit({&item, 1});
    if (!committed) {
      std::fprintf(stderr, "bench_commit: %s\n", committed.error().detail.c_str());
      return 1;
    }
    microseconds.push_back(std::chrono::duration<float, std::micro>(std::chrono::steady_clock::now() - before).count());
  }
  std::sort(microseconds.begin(), microseconds.end());
  std::printf("%s\n",
              Json::object({{"p50_us", Json(static_cast<double>(microseconds[microseconds.size() / 2]))},
                            {"p99_us", Json(static_cast<double>(microseconds[microseconds.size() * 99 / 100]))}})
                  .compact()
                  .c_str());
  return 0;
}
