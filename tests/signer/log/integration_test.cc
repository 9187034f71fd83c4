#include "signer/log/integration.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/durable_file.h"
#include "signer/log/tile_check.h"
#include "tests/signer/log/memory_ledger.h"
#include "tests/support/temporary_folder.h"

namespace countersign::log {
namespace {

namespace fs = std::filesystem;
using countersign::test::TemporaryFolder;

class IntegrationTest : public testing::Test {
 protected:
  std::string log_path() const { return folder_ / "log"; }
  std::string file(const std::string& path) const { return log_path() + "/" + path; }
  void overwrite(const std::string& path, const std::string& content) const {
    std::ofstream(file(path), std::ios::binary) << content;
  }
  std::string content(const std::string& path) const { return *read_file(file(path), std::size_t{1} << 26); }

  // Paths of what fsck finds in the files of a tree of the ledger's first `size` leaves.
  std::vector<std::string> findings(std::uint64_t size) const {
    const FolderSource source(log_path());
    std::vector<std::string> paths;
    for (const FileFinding& each : check_tiles(source, size, *ledger_.root_at(size)).findings) {
      paths.push_back(each.path);
    }
    for (const FileFinding& each : stray_files(source, size)) paths.push_back("stray " + each.path);
    return paths;
  }
  using Paths = std::vector<std::string>;

  TemporaryFolder folder_;
  test::MemoryLedger ledger_;
};

TEST_F(IntegrationTest, EverySizeHasTilesThatProveEveryLeaf) {
  auto folder = LogFolder::open(log_path());
  ASSERT_TRUE(folder) << folder.error().detail;
  Integration integration(*folder, ledger_);
  for (const std::uint64_t size : {1u, 2u, 255u, 256u, 257u, 511u, 700u, 66'000u}) {
    ledger_.grow_to(size);
    const Status extended = integration.extend(size);
    ASSERT_TRUE(extended) << extended.error().detail;
    EXPECT_EQ(integration.root(), *ledger_.root_at(size));
    EXPECT_EQ(findings(size), Paths{}) << size;
    const TileNodes nodes(folder->source(), size);
    for (const std::uint64_t index : {std::uint64_t{0}, size / 2, size - 1}) {
      const auto proof = inclusion_proof(index, size, nodes);
      ASSERT_TRUE(proof) << size << " " << index << " " << proof.error().detail;
      EXPECT_TRUE(verify_inclusion(ledger_.hashes(index, 1)->front(), index, size, *proof, integration.root()));
    }
    for (const std::uint64_t before : {std::uint64_t{1}, size / 3 + 1, size}) {
      const auto proof = consistency_proof(before, size, nodes);
      ASSERT_TRUE(proof);
      EXPECT_TRUE(verify_consistency(before, *ledger_.root_at(before), size, integration.root(), *proof));
    }
  }
  EXPECT_FALSE(fs::exists(file("tile/0/000.p"))) << "partial tiles go when the full one is there";
}

TEST_F(IntegrationTest, FsckNamesWhatIsDamaged) {
  auto folder = LogFolder::open(log_path());
  Integration integration(*folder, ledger_);
  ledger_.grow_to(70'000);
  ASSERT_TRUE(integration.extend(70'000));
  ASSERT_EQ(findings(70'000), Paths{});
  const struct {
    const char* name;
    std::string path;
    std::string content;
    Paths found;
  } cases[] = {
      {"torn tile", "tile/0/005", content("tile/0/005").substr(0, 100), {"tile/0/005"}},
      {"truncated bundle", "tile/entries/005", content("tile/entries/005").substr(0, 100), {"tile/entries/005"}},
      {"another hash", "tile/0/005", std::string(8192, 'x'), {"tile/0/005"}},
      {"another upper hash", "tile/1/000", std::string(8192, 'x'), {"tile/1/000"}},
      {"another top", "tile/2/000.p/1", std::string(32, 'x'), {"tile/2/000.p/1"}},
      {"a file of nobody", "tile/0/readme", "x", {"stray tile/0/readme"}},
  };
  for (const auto& each : cases) {
    const bool was_there = fs::exists(file(each.path));
    const std::string before = was_there ? content(each.path) : std::string();
    overwrite(each.path, each.content);
    EXPECT_EQ(findings(70'000), each.found) << each.name;
    was_there ? overwrite(each.path, before) : static_cast<void>(fs::remove(file(each.path)));
  }
  // An entry that was changed changes everything above it.
  std::string bundle = content("tile/entries/007");
  bundle.back() = '!';
  overwrite("tile/entries/007", bundle);
  EXPECT_EQ(findings(70'000), (Paths{"tile/0/007", "tile/1/000", "tile/2/000.p/1", "checkpoint"}));
}

TEST_F(IntegrationTest, AStartMendsWhatAPowerFailureTore) {
  {
    auto folder = LogFolder::open(log_path());
    Integration integration(*folder, ledger_);
    ledger_.grow_to(3000);
    ASSERT_TRUE(integration.extend(3000));
  }
  overwrite("tile/0/011.p/184", "torn");
  overwrite("tile/entries/010", "");
  fs::remove(file("tile/1/000.p/11"));
  auto folder = LogFolder::open(log_path());
  Integration integration(*folder, ledger_);
  const auto recovery = integration.recover(3000, 2560);
  ASSERT_TRUE(recovery) << recovery.error().detail;
  EXPECT_EQ(recovery->mended, 3u);
  EXPECT_EQ(findings(3000), Paths{});
  ledger_.grow_to(5000);
  ASSERT_TRUE(integration.extend(5000));
  EXPECT_EQ(findings(5000), Paths{});
}

TEST_F(IntegrationTest, RefusesToGoOnFromAnotherLedger) {
  auto folder = LogFolder::open(log_path());
  Integration integration(*folder, ledger_);
  ledger_.grow_to(600);
  ASSERT_TRUE(integration.extend(600));
  ledger_.replace(5, "rewritten");
  ledger_.grow_to(700);
  const Status extended = integration.extend(700);
  ASSERT_FALSE(extended);
  EXPECT_EQ(extended.error().wire_code(), "log_forked");
  EXPECT_EQ(integration.size(), 600u);
}

TEST_F(IntegrationTest, AFullDiskLosesNothingAndTheNextCallGoesOn) {
  auto folder = LogFolder::open(log_path());
  Integration integration(*folder, ledger_);
  ledger_.grow_to(300);
  ASSERT_TRUE(integration.extend(300));
  // A file where a folder of tiles has to be: what cannot be written, as on a full disk.
  overwrite("tile/1/blocked", "");
  fs::create_directories(file("tile/0/002.p"));
  fs::create_directories(file("tile/0/002.p/188"));
  ledger_.grow_to(700);
  const Status extended = integration.extend(700);
  ASSERT_FALSE(extended);
  EXPECT_EQ(extended.error().code, ErrorCode::Unavailable);
  EXPECT_EQ(extended.error().reason, "log_unwritable");
  EXPECT_EQ(integration.size(), 300u);
  fs::remove(file("tile/0/002.p/188"));
  fs::remove(file("tile/1/blocked"));
  ASSERT_TRUE(integration.extend(700));
  EXPECT_EQ(findings(700), Paths{});
}

TEST_F(IntegrationTest, TwoWritersOfOneLogAreToldApart) {
  auto first = LogFolder::open(log_path());
  ASSERT_TRUE(first);
  const auto second = LogFolder::open(log_path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().wire_code(), "log_in_use");
}

TEST_F(IntegrationTest, ACheckpointIsReplacedOnlyByWhoeverPublishedIt) {
  auto folder = LogFolder::open(log_path());
  ASSERT_TRUE(folder->publish(std::nullopt, "one\n"));
  ASSERT_TRUE(folder->publish("one\n", "two\n"));
  overwrite("checkpoint", "somebody else's\n");
  const Status published = folder->publish("two\n", "three\n");
  ASSERT_FALSE(published);
  EXPECT_EQ(published.error().wire_code(), "log_checkpoint_swapped");
  EXPECT_EQ(content("checkpoint"), "somebody else's\n") << "evidence is not overwritten";
  fs::remove(file("checkpoint"));
  EXPECT_FALSE(folder->publish("two\n", "three\n")) << "a checkpoint that went away was taken away";
}

TEST_F(IntegrationTest, ArchivedBundlesAreMissedOnlyAboveTheMark) {
  auto folder = LogFolder::open(log_path());
  Integration integration(*folder, ledger_);
  ledger_.grow_to(1000);
  ASSERT_TRUE(integration.extend(1000));
  fs::remove(file("tile/entries/000"));
  EXPECT_EQ(findings(1000), Paths{"tile/entries/000"});
  TileCheckOptions options;
  options.archived_below = 256;
  const TileCheckReport report = check_tiles(folder->source(), 1000, *ledger_.root_at(1000), options);
  EXPECT_EQ(report.findings.size(), 0u);
  EXPECT_EQ(report.bundles_absent, 1u);
}

}  // namespace
}  // namespace countersign::log
