#include "signer/log/archive.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/durable_file.h"
#include "signer/log/integration.h"
#include "signer/log/tile_check.h"
#include "tests/signer/log/memory_ledger.h"
#include "tests/support/temporary_folder.h"

namespace countersign::log {
namespace {

namespace fs = std::filesystem;
using countersign::test::TemporaryFolder;

constexpr std::uint64_t kRecords = 1'000;
constexpr std::uint64_t kADay = 300;  // records

// Three hundred a day from 2026-11-01 on.
std::string dated_leaf(std::uint64_t index) {
  const UtcTime at = UtcTime::from_unix(1'793'491'200 + static_cast<std::int64_t>(index / kADay * 86'400));
  return Json::object({{"at", at.rfc3339()}, {"index", index}}).compact();
}

class ArchiveTest : public testing::Test {
 protected:
  ArchiveTest() {
    for (std::uint64_t i = 0; i < kRecords; ++i) ledger_.append(dated_leaf(i));
    auto folder = LogFolder::open(log());
    Integration integration(*folder, ledger_);
    EXPECT_TRUE(integration.extend(kRecords));
    checkpoint_ = {"log.example/test", kRecords, integration.root()};
    for (const char* day : {"2026-11-01", "2026-11-02", "2026-11-03"}) {
      EXPECT_TRUE(folder->remember(day, Json::object({{"day", day}})));
    }
  }

  std::string log() const { return folder_ / "log"; }
  std::string kept() const { return folder_ / "archive"; }
  static std::string bundle(int number) { return "/tile/entries/00" + std::to_string(number); }
  Archive archive() const { return {log(), checkpoint_, kept()}; }
  static UtcTime day(const std::string& text) { return *UtcTime::parse(text + "T00:00:00Z"); }

  TileCheckReport check(const TileSource& source, std::uint64_t archived_below = 0) const {
    TileCheckOptions options;
    options.archived_below = archived_below;
    return check_tiles(source, kRecords, checkpoint_.root, options);
  }
  ArchivedSource both() const { return {std::make_unique<FolderSource>(log()), kept()}; }

  TemporaryFolder folder_;
  test::MemoryLedger ledger_;
  Checkpoint checkpoint_;
};

TEST_F(ArchiveTest, BundlesGoAndEveryProofStays) {
  ArchiveReport report;
  const Status moved = archive().move_bundles(600, report);
  ASSERT_TRUE(moved) << moved.error().detail;
  EXPECT_EQ(report.below, 512u) << "whole bundles only";
  EXPECT_EQ(report.bundles, 2u);
  EXPECT_FALSE(fs::exists(log() + bundle(1)));
  EXPECT_TRUE(fs::exists(log() + bundle(2)));

  const FolderSource alone(log());
  EXPECT_EQ(check(alone).findings.size(), 2u) << "they are missed where nobody says that they were archived";
  EXPECT_EQ(check(alone, 512).findings.size(), 0u);
  EXPECT_EQ(check(alone, 512).bundles_absent, 2u);
  EXPECT_EQ(check(both()).findings.size(), 0u);
  EXPECT_EQ(check(both()).bundles_absent, 0u) << "they are read in the archive";
  const TileNodes nodes(alone, kRecords);
  for (const std::uint64_t index : {0u, 511u, 512u, 999u}) {
    const auto proof = inclusion_proof(index, kRecords, nodes);
    ASSERT_TRUE(proof) << proof.error().detail;
    EXPECT_TRUE(verify_inclusion(ledger_.hashes(index, 1)->front(), index, kRecords, *proof, checkpoint_.root));
  }
  EXPECT_TRUE(consistency_proof(300, kRecords, nodes));

  ArchiveReport again;
  ASSERT_TRUE(archive().move_bundles(600, again));
  EXPECT_EQ(again.bundles, 0u);
}

TEST_F(ArchiveTest, GoesOnWhereItWasKilled) {
  ArchiveReport report;
  ASSERT_TRUE(archive().move_bundles(512, report));
  // Copied and not yet removed; and a copy that was never made whole, which no name leads to.
  fs::copy_file(kept() + bundle(1), log() + bundle(1));
  std::ofstream(kept() + "/tile/entries/.002.tmp") << "half";
  ArchiveReport more;
  ASSERT_TRUE(archive().move_bundles(768, more));
  EXPECT_EQ(more.bundles, 2u);
  EXPECT_EQ(check(both()).findings.size(), 0u);
}

TEST_F(ArchiveTest, WhatIsDamagedStaysAndIsNamed) {
  std::ofstream(log() + bundle(1), std::ios::binary) << *read_file(log() + bundle(0));
  ArchiveReport report;
  const Status moved = archive().move_bundles(768, report);
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().reason, "log_damaged");
  EXPECT_TRUE(fs::exists(log() + bundle(0)) && fs::exists(log() + bundle(2))) << "nothing was removed";
}

TEST_F(ArchiveTest, TilesThatDoNotLeadToTheCheckpointMoveNothing) {
  std::ofstream(log() + "/tile/0/000", std::ios::binary) << *read_file(log() + "/tile/0/001");
  ArchiveReport report;
  const Status moved = archive().move_bundles(768, report);
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().reason, "log_damaged");
  EXPECT_FALSE(fs::exists(kept()));
}

TEST_F(ArchiveTest, AnotherLogsArchiveIsNotWrittenInto) {
  fs::create_directories(kept() + "/tile/entries");
  std::ofstream(kept() + bundle(0)) << "another log's";
  ArchiveReport report;
  const Status moved = archive().move_bundles(256, report);
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().reason, "archive_differs");
  EXPECT_TRUE(fs::exists(log() + bundle(0)));
}

TEST_F(ArchiveTest, ABundleInNeitherPlaceIsMissed) {
  fs::remove(log() + bundle(0));
  ArchiveReport report;
  const Status moved = archive().move_bundles(512, report);
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().code, ErrorCode::NotFound);
}

TEST_F(ArchiveTest, ADayEndsWhereARecordIsYounger) {
  EXPECT_EQ(*archive().made_before(day("2026-11-01")), 0u);
  EXPECT_EQ(*archive().made_before(day("2026-11-02")), 256u);
  EXPECT_EQ(*archive().made_before(day("2026-11-03")), 512u);
  EXPECT_EQ(*archive().made_before(day("2027-01-01")), 768u) << "the last bundle is not full";
  ArchiveReport report;
  ASSERT_TRUE(archive().move_bundles(512, report));
  EXPECT_EQ(*archive().made_before(day("2026-11-03")), 512u) << "what was archived is read there";
}

TEST_F(ArchiveTest, HistoryGoesByDay) {
  ArchiveReport report;
  ASSERT_TRUE(archive().move_history("2026-11-03", report));
  EXPECT_EQ(report.days, 2u);
  EXPECT_TRUE(fs::exists(kept() + "/history/2026-11-02.jsonl"));
  EXPECT_FALSE(fs::exists(log() + "/history/2026-11-02.jsonl"));
  EXPECT_TRUE(fs::exists(log() + "/history/2026-11-03.jsonl"));
  // A line that came later is no reason to lose the archived ones.
  std::ofstream(log() + "/history/2026-11-02.jsonl") << "late\n";
  const Status moved = archive().move_history("2026-11-03", report);
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().reason, "archive_differs");
  EXPECT_TRUE(fs::exists(log() + "/history/2026-11-02.jsonl"));
}

}  // namespace
}  // namespace countersign::log
