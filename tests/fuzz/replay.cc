// Runs a fuzz target over every file of a folder and over seeded mutations of it.
//   fuzz_NAME FOLDER     COUNTERSIGN_FUZZ_ROUNDS: mutations a file (300)
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void run(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

std::string mutated(std::string bytes, const std::vector<std::string>& others, std::mt19937_64& chance) {
  const auto below = [&chance](std::size_t bound) { return bound == 0 ? 0 : chance() % bound; };
  for (std::size_t times = 1 + below(4); times > 0; --times) {
    const std::size_t at = below(bytes.size() + 1);
    switch (below(6)) {
      case 0:
        if (at < bytes.size()) bytes[at] = static_cast<char>(chance());
        break;
      case 1:
        bytes.insert(at, 1, static_cast<char>(chance()));
        break;
      case 2:
        bytes.erase(at, below(8));
        break;
      case 3:
        bytes.insert(at, bytes.substr(below(bytes.size() + 1), below(64)));
        break;
      case 4: {
        const std::string& other = others[below(others.size())];
        bytes.replace(at, below(16), other.substr(below(other.size() + 1), below(64)));
        break;
      }
      default:
        bytes.resize(at);
    }
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 6;
  }
  std::vector<std::string> corpus;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    std::ifstream file(entry.path(), std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: an empty corpus proves nothing\n", argv[1]);
    return 1;
  }
  const char* text = std::getenv("COUNTERSIGN_FUZZ_ROUNDS");
  const long rounds = text == nullptr ? 300 : std::atol(text);
  std::mt19937_64 chance(20260101);
  std::size_t runs = 0;
  for (const std::string& bytes : corpus) {
    run(bytes);
    for (long i = 0; i < rounds; ++i) run(mutated(bytes, corpus, chance));
    runs += static_cast<std::size_t>(rounds) + 1;
  }
  std::printf("%zu inputs from %zu files\n", runs, corpus.size());
  return 0;
}
