// kill -9 while the log is written: afterwards the files a checkpoint names are whole, and it continues the one before.
// COUNTERSIGN_KILLS: how many kills (60).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <random>

#include "signer/log/checkpoint.h"
#include "signer/log/integration.h"
#include "signer/log/tile_check.h"
#include "tests/signer/log/memory_ledger.h"
#include "tests/support/software_key.h"
#include "tests/support/temporary_folder.h"

namespace countersign::log {
namespace {

constexpr std::uint64_t kLeaves = 40'000;

int kills() {
  const char* text = std::getenv("COUNTERSIGN_KILLS");
  return text == nullptr ? 60 : std::atoi(text);
}

NoteKey key_of(const countersign::test::SoftwareKey& key) {
  return *NoteKey::of("log.example/killed", NoteSignatureType::Ed25519, key.public_key());
}

std::string note_of(const countersign::test::SoftwareKey& key, std::uint64_t size, const Digest& root) {
  const NoteKey name = key_of(key);
  const std::string text = Checkpoint{name.name(), size, root}.text();
  return SignedNote(text, {{name.name(), name.id(), key.sign(view_of(text))}}).note();
}

// Publishes ever more of the ledger until it is killed, and says so on `told` with a byte each time. Exit status 1: it
// could not go on.
[[noreturn]] void publish_until_killed(const std::string& path, const test::MemoryLedger& ledger,
                                       const countersign::test::SoftwareKey& key, std::uint64_t seed, int told) {
  std::mt19937_64 random(seed);
  auto folder = LogFolder::open(path);
  if (!folder) ::_exit(1);
  Integration integration(*folder, ledger);
  std::optional<std::string> last = *folder->checkpoint();
  std::uint64_t size = 0;
  if (last) size = Checkpoint::parse(SignedNote::parse(*last)->text())->size;
  if (!integration.recover(size, folder->synced())) ::_exit(2);
  while (size < kLeaves) {
    size = std::min<std::uint64_t>(kLeaves, size + 1 + random() % 40);
    if (!integration.extend(size)) ::_exit(3);
    const std::string note = note_of(key, size, integration.root());
    if (!folder->publish(last, note)) ::_exit(4);
    last = note;
    if (!folder->remember("2026-11-27", Json::object({{"size", size}}))) ::_exit(5);
    if (::write(told, "", 1) < 0 && errno != EAGAIN) ::_exit(6);
  }
  if (::write(told, "", 1) < 0 && errno != EAGAIN) ::_exit(6);  // there is nothing left to publish
  while (true) ::pause();
}

TEST(LogKilled, IsWholeAfterEveryKillAndNeverGoesBack) {
  const countersign::test::TemporaryFolder folder;
  const std::string path = folder / "log";
  const countersign::test::SoftwareKey key(std::uint8_t{7});
  test::MemoryLedger ledger;
  ledger.grow_to(kLeaves);
  std::mt19937_64 random(20261127);
  std::uint64_t before = 0;
  for (int i = 0; i < kills(); ++i) {
    int told[2];
    ASSERT_EQ(::pipe2(told, O_NONBLOCK | O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) publish_until_killed(path, ledger, key, random(), told[1]);
    ::close(told[1]);
    random.discard(1);
    pollfd published{told[0], POLLIN, 0};
    // Every third one gets so far, however slow the machine; the others fall anywhere.
    if (i % 3 == 0) {
      ASSERT_EQ(::poll(&published, 1, 120'000), 1);
    }
    ::usleep(static_cast<useconds_t>(random() % 30'000));  // the random point: nothing is waited for
    ::kill(child, SIGKILL);
    ::close(told[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer could not go on after kill " << i << ": exit "
                                     << WEXITSTATUS(status);
    const FolderSource source(path);
    const Result<std::string> note = source.read("checkpoint");
    if (!note) {
      ASSERT_EQ(before, 0u) << "the checkpoint is gone";
      continue;
    }
    const auto opened = TrustedCheckpoint::open(*note, {{key_of(key)}, {}, 0});
    ASSERT_TRUE(opened) << opened.error().detail;
    const Checkpoint& checkpoint = opened->checkpoint();
    ASSERT_GE(checkpoint.size, before);
    ASSERT_EQ(checkpoint.root, *ledger.root_at(checkpoint.size));
    const TileCheckReport report = check_tiles(source, checkpoint.size, checkpoint.root);
    ASSERT_TRUE(report.findings.empty()) << report.findings[0].path << " " << report.findings[0].what;
    const std::vector<FileFinding> stray = stray_files(source, checkpoint.size);
    ASSERT_TRUE(stray.empty()) << stray[0].path << " " << stray[0].what;
    before = checkpoint.size;
  }
  EXPECT_GT(before, 0u) << "nothing was ever published between two kills";
}

}  // namespace
}  // namespace countersign::log
