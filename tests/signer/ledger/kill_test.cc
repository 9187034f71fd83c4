// kill -9 while committing: whatever was acknowledged is there afterwards, and the ledger opens every time.
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <random>

#include "signer/ledger/group_commit.h"
#include "tests/signer/ledger/ledger_fixture.h"

namespace countersign::ledger::test {
namespace {

// What the child says over the pipe once an item is committed: smaller than PIPE_BUF, so never torn.
struct Acknowledgement {
  std::uint64_t index;
  std::uint64_t number;
};

constexpr std::uint64_t kRefused = ~std::uint64_t{0};

// Commits until it is killed. `first` starts the numbers of this life.
[[noreturn]] void commit_for_ever(const std::string& path, std::uint64_t first, int pipe) {
  const SystemClock clock;
  auto store = SqliteStore::open(path, clock);
  if (!store) _exit(3);
  GroupCommit group(**store, {.batch = 16, .queue = 1 << 20}, [pipe](std::vector<Completion> completions) {
    for (const Completion& completion : completions) {
      const Acknowledgement said{completion.outcome ? completion.outcome->log_index : kRefused, completion.ticket};
      if (write(pipe, &said, sizeof said) != sizeof said) _exit(4);
    }
  });
  for (std::uint64_t number = first;; ++number) {
    const std::string name = std::to_string(number);
    // Every other token is one that an item before it has used up.
    Item item = redeeming(name, "token-" + std::to_string(number / 2));
    item.record.body += std::string(number % 7 * 500, ' ');
    item.record.at = clock.now();
    if (number % 3 == 0) item = executing(std::move(item));
    while (!group.submit(Submission{number, item}, number % 5)) {
    }
  }
}

void spin_for(std::chrono::microseconds span) {
  const auto end = std::chrono::steady_clock::now() + span;
  while (std::chrono::steady_clock::now() < end) {
  }
}

TEST(LedgerUnderKill, KeepsWhatItAcknowledgedAndAlwaysOpens) {
  const char* wanted = std::getenv("COUNTERSIGN_KILLS");
  const int kills = wanted != nullptr ? std::atoi(wanted) : 60;
  const TemporaryFolder folder;
  const std::string path = folder / "ledger.db";
  const SystemClock clock;
  { ASSERT_TRUE(SqliteStore::create(path, clock).has_value()); }
  std::mt19937 random(std::random_device{}());
  std::map<std::uint64_t, std::uint64_t> acknowledged;  // index → number
  std::uint64_t first = 0;
  std::uint64_t last_sequence = 0;
  for (int kill_number = 0; kill_number < kills; ++kill_number) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(ends[0]);
      commit_for_ever(path, first, ends[1]);
    }
    close(ends[1]);
    // A random number of acknowledgements, none included, then a random moment more.
    std::uint64_t expected = random() % 4 == 0 ? 0 : random() % 200;
    std::uint64_t highest = first;
    Acknowledgement said{};
    const auto take = [&] {
      if (read(ends[0], &said, sizeof said) != sizeof said) return false;
      if (said.index != kRefused) acknowledged[said.index] = said.number;
      highest = std::max(highest, said.number + 1);
      return true;
    };
    while (expected-- > 0 && take()) {
    }
    spin_for(std::chrono::microseconds(random() % 5000));
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child could not go on: " << WEXITSTATUS(status);
    while (take()) {
    }
    close(ends[0]);
    first = (highest + (1 << 21)) & ~std::uint64_t{1};  // past all that was submitted and never acknowledged

    const auto store = SqliteStore::open(path, clock);
    ASSERT_TRUE(store.has_value()) << store.error().wire_code() << ": " << store.error().detail;
    const auto sequence = (*store)->next_sequence();
    ASSERT_TRUE(sequence.has_value());
    EXPECT_GT(*sequence, last_sequence);
    last_sequence = *sequence;
    if (!acknowledged.empty()) {
      ASSERT_GT((*store)->head().size, acknowledged.rbegin()->first);
    }
    for (const auto& [index, number] : acknowledged) {
      const auto record = (*store)->record(index);
      ASSERT_TRUE(record.has_value());
      ASSERT_EQ(record->record.request_id, "request-" + std::to_string(number));
    }
  }
  const auto store = SqliteStore::open(path, clock);
  const auto verification = (*store)->verify();
  ASSERT_TRUE(verification.has_value()) << verification.error().detail;
  // One token each, none twice; and no permit without its use or the other way round.
  EXPECT_EQ(verification->redemptions + verification->executions, verification->head.size);
  std::uint64_t pairs = 0;
  for (std::uint64_t index = 1; index < verification->head.size; ++index) {
    const auto use = (*store)->record(index);
    if (use->record.kind != "executed") continue;
    EXPECT_EQ("request-use of " + (*store)->record(index - 1)->record.request_id, use->record.request_id);
    ++pairs;
  }
  EXPECT_EQ(pairs, verification->executions);
  EXPECT_GT(pairs, 0U);
  EXPECT_GT(acknowledged.size(), static_cast<std::size_t>(kills));
}

}  // namespace
}  // namespace countersign::ledger::test
