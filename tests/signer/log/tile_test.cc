#include "signer/log/tile.h"

#include <gtest/gtest.h>

#include "signer/log/merkle_tree.h"
#include "tests/signer/log/memory_ledger.h"

namespace countersign::log {
namespace {

TEST(TileId, PathsAreThoseOfTheSpecification) {
  using Kind = TileId::Kind;
  const struct {
    TileId id;
    std::string path;
  } cases[] = {
      {{Kind::Hashes, 0, 0, 256}, "tile/0/000"},
      {{Kind::Hashes, 0, 1234067, 256}, "tile/0/x001/x234/067"},
      {{Kind::Hashes, 3, 999, 256}, "tile/3/999"},
      {{Kind::Hashes, 1, 1000, 17}, "tile/1/x001/000.p/17"},
      {{Kind::Entries, 0, 273, 112}, "tile/entries/273.p/112"},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(each.id.path(), each.path);
    const auto parsed = TileId::parse(each.path);
    ASSERT_TRUE(parsed) << each.path;
    EXPECT_EQ(*parsed, each.id);
  }
}

TEST(TileId, RefusesEveryOtherSpelling) {
  for (const char* path : {"tile/0/0",
                           "tile/0/0000",
                           "tile/00/000",
                           "tile/64/000",
                           "tile/-1/000",
                           "tile/0/x000/001",
                           "tile/0/001/002",
                           "tile/0/000.p/0",
                           "tile/0/000.p/256",
                           "tile/0/000.p/01",
                           "tile/0/000.p/",
                           "tile/0/../../ledger.db",
                           "tile/entries/x1/000",
                           "tile/0/%2e%2e",
                           "tile/0/",
                           "tile//000",
                           "checkpoint",
                           "tile/0/000/",
                           "tile/entries/a00",
                           "tile/0/x999/x999/x999/x999/x999/x999/999"}) {
    const auto parsed = TileId::parse(path);
    ASSERT_FALSE(parsed) << path;
    EXPECT_EQ(parsed.error().reason, "tile_unknown") << path;
  }
}

TEST(TileId, ATreeHasTheTilesOfTheSpecificationsExample) {
  EXPECT_EQ(tile_levels(70'000), 3u);
  EXPECT_EQ(partial_width(70'000, 0), 112u);
  EXPECT_EQ(partial_width(70'000, 1), 17u);
  EXPECT_EQ(partial_width(70'000, 2), 1u);
  EXPECT_EQ(tile_holding(TileId::Kind::Hashes, 0, 69'999, 70'000).path(), "tile/0/273.p/112");
  EXPECT_EQ(tile_holding(TileId::Kind::Hashes, 1, 255, 70'000).path(), "tile/1/000");
  EXPECT_EQ(tile_levels(256), 2u);
  EXPECT_EQ(partial_width(256, 0), 0u);
  EXPECT_EQ(partial_width(256, 1), 1u);
}

TEST(TileEdge, HasTheRootOfTheTreeAtEverySize) {
  test::MemoryLedger ledger;
  ledger.grow_to(70'000);
  TileEdge edge;
  EXPECT_EQ(edge.root(), empty_root());
  std::size_t full = 0;
  for (std::uint64_t size = 1; size <= 70'000; ++size) {
    full += edge.append(ledger.hashes(size - 1, 1)->front()).size();
    if (size % 97 == 0 || size % 256 < 2 || size > 65'530) {
      ASSERT_EQ(edge.root(), *ledger.root_at(size)) << size;
    }
  }
  EXPECT_EQ(full, 273u + 1u);
  const auto again = TileEdge::of(edge.size(), edge.levels());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->root(), edge.root());
  EXPECT_FALSE(TileEdge::of(edge.size() + 1, edge.levels()));
}

TEST(EntryBundle, ReadsBackAndRefusesATruncatedOne) {
  const std::vector<std::string> entries{"one", "", std::string(65'535, 'x')};
  const std::string bytes = *bundle_bytes(entries);
  EXPECT_EQ(bytes.substr(0, 5), std::string("\0\x03one", 5));
  EXPECT_EQ(*parse_bundle(bytes, 3), entries);
  EXPECT_EQ(parse_bundle(bytes, 2).error().reason, "tile_damaged");
  EXPECT_EQ(parse_bundle(bytes.substr(0, bytes.size() - 1), 3).error().reason, "tile_damaged");
  EXPECT_EQ(parse_bundle(bytes.substr(0, 6), 2).error().reason, "tile_damaged");
  EXPECT_EQ(bundle_bytes(std::vector<std::string>{std::string(65'536, 'x')}).error().reason, "entry_too_large");
}

TEST(HashTile, ReadsBackAndRefusesAnotherLength) {
  const std::string bytes(2 * Digest::kSize, 'h');
  EXPECT_EQ(parse_tile(bytes, 2)->size(), 2u);
  EXPECT_EQ(parse_tile(bytes, 3).error().reason, "tile_damaged");
  EXPECT_EQ(parse_tile(bytes.substr(1), 2).error().reason, "tile_damaged");
}

}  // namespace
}  // namespace countersign::log
