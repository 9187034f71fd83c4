// What a transparency log of COUNT entries costs: writing it (in steps of STEP entries, as a busy second does), disk an
// entry, size and time of proofs, time of a whole check. Entries are as long as the ledger's. Prints one JSON object.
//   bench_log FOLDER COUNT [STEP]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "common/json.h"
#include "signer/log/integration.h"
#include "signer/log/merkle_tree.h"
#include "signer/log/tile_check.h"

namespace {

namespace fs = std::filesystem;
namespace log = countersign::log;
using countersign::Digest;
using countersign::Json;
using countersign::Result;
using SteadyClock = std::chrono::steady_clock;

double seconds_since(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

class Entries : public log::LeafSource {
 public:
  explicit Entries(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      hashes_.push_back(log::leaf_hash(countersign::view_of(leaf(i))));
      frontier_.append(hashes_.back());
    }
  }
  static std::string leaf(std::uint64_t index) {
    const std::string hex = countersign::sha256(std::to_string(index)).hex();
    return R"({"at":"2026-11-27T07:24:14.019592266Z","body_digest":")" + hex + R"(","content_digest":")" + hex +
           R"(","effects_digest":")" + hex + R"(","index":)" + std::to_string(index) +
           R"(,"kid":"gF_J8FpgW-A7OviO3MOk-J-MEs7UOWQyeFJIXRtJ0RU","kind":"signed","peer_uid":60001,"request_digest":")" +
           hex + R"(","role":"trace","signature_digest":")" + hex + R"(","type":"trace"})";
  }
  std::uint64_t size() const override { return hashes_.size(); }
  Result<std::vector<std::string>> leaves(std::uint64_t first, std::size_t limit) const override {
    std::vector<std::string> out;
    for (std::uint64_t i = first; i < std::min<std::uint64_t>(size(), first + limit); ++i) out.push_back(leaf(i));
    return out;
  }
  Result<std::vector<Digest>> hashes(std::uint64_t first, std::size_t limit) const override {
    const auto end = std::min<std::uint64_t>(size(), first + limit);
    return std::vector<Digest>(hashes_.begin() + static_cast<std::ptrdiff_t>(first),
                               hashes_.begin() + static_cast<std::ptrdiff_t>(end));
  }
  // Known where it is asked for: at the end.
  Result<Digest> root_at(std::uint64_t at) const override {
    if (at == size()) return frontier_.root();
    log::Frontier part;
    for (std::uint64_t i = 0; i < at; ++i) part.append(hashes_[i]);
    return part.root();
  }
  Result<Digest> node(unsigned, std::uint64_t) const override { return Digest(); }

 private:
  std::vector<Digest> hashes_;
  log::Frontier frontier_;
};

template <typename T>
void need(const Result<T>& result) {
  if (result) return;
  std::fprintf(stderr, "bench_log: %s\n", result.error().detail.c_str());
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: bench_log FOLDER COUNT [STEP]\n");
    return 6;
  }
  const auto count = static_cast<std::uint64_t>(std::atoll(argv[2]));
  const auto step = argc == 4 ? static_cast<std::uint64_t>(std::atoll(argv[3])) : count;
  const Entries entries(count);
  auto folder = log::LogFolder::open(argv[1]);
  need(folder);
  log::Integration integration(*folder, entries);
  const auto writing = SteadyClock::now();
  for (std::uint64_t size = std::min(step, count);; size = std::min(size + step, count)) {
    need(integration.extend(size));
    if (size == count) break;
  }
  const double wrote = seconds_since(writing);
  std::uint64_t bytes = 0;
  std::uint64_t hash_bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(std::string(argv[1]) + "/tile")) {
    if (!entry.is_regular_file()) continue;
    bytes += entry.file_size();
    if (entry.path().string().find("/entries/") == std::string::npos) hash_bytes += entry.file_size();
  }
  constexpr int kProofs = 1000;
  std::size_t proof_bytes = 0;
  const auto proving = SteadyClock::now();
  for (int i = 0; i < kProofs; ++i) {
    const log::TileNodes nodes(folder->source(), count);  // nothing kept: as a command starts
    const std::uint64_t index = count / kProofs * static_cast<std::uint64_t>(i);
    const auto proof = log::inclusion_proof(index, count, nodes);
    need(proof);
    need(log::verify_inclusion(log::leaf_hash(countersign::view_of(Entries::leaf(index))), index, count, *proof,
                               integration.root()));
    proof_bytes = std::max(proof_bytes, proof->size() * Digest::kSize);
  }
  const double proved = seconds_since(proving);
  const auto checking = SteadyClock::now();
  const log::TileCheckReport report = log::check_tiles(folder->source(), count, integration.root());
  const double checked = seconds_since(checking);
  if (!report.findings.empty()) return 1;
  const auto entries_count = static_cast<double>(count);
  std::printf("%s\n", Json::object({{"entries", count},
                                    {"write_seconds", wrote},
                                    {"write_entries_per_second", entries_count / wrote},
                                    {"disk_bytes_per_entry", static_cast<double>(bytes) / entries_count},
                                    {"hash_bytes_per_entry", static_cast<double>(hash_bytes) / entries_count},
                                    {"proof_bytes", static_cast<std::int64_t>(proof_bytes)},
                                    {"proof_milliseconds", proved * 1000 / kProofs},
                                    {"fsck_seconds", checked}})
                          .compact()
                          .c_str());
  return 0;
}
