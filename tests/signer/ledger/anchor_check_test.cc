#include "signer/ledger/anchor_check.h"

#include <sys/stat.h>

#include "common/durable_file.h"
#include "tests/signer/ledger/ledger_fixture.h"

namespace countersign::ledger::test {
namespace {

class AnchorCheckTest : public LedgerTest {
 protected:
  void SetUp() override {
    LedgerTest::SetUp();
    ASSERT_TRUE(store_->commit(std::vector<Item>{signed_item("a"), signed_item("b"), signed_item("c")}).has_value());
  }
  Anchor anchor(std::uint64_t size) const { return Anchor{size, *store_->root_at(size), clock_.now()}; }
  std::string verdict(const std::vector<AnchorReading>& readings) const {
    const auto report = check_anchors(*store_, readings);
    return report ? "ok" : report.error().reason;
  }
};

TEST_F(AnchorCheckTest, AcceptsALedgerAtOrAheadOfItsAnchors) {
  const auto report =
      check_anchors(*store_, std::vector<AnchorReading>{{"directory", anchor(3)}, {"token", anchor(2)}});
  ASSERT_TRUE(report.has_value()) << report.error().detail;
  EXPECT_EQ(report->newest->where, "directory");
  EXPECT_TRUE(report->findings.empty());
  EXPECT_EQ(verdict({{"directory", anchor(0)}}), "ok");
}

TEST_F(AnchorCheckTest, RefusesALedgerBehindAnyAnchor) {
  EXPECT_EQ(verdict({{"directory", anchor(3)}, {"token", Anchor{4, digest_of("later"), clock_.now()}}}),
            "ledger_rolled_back");
}

TEST_F(AnchorCheckTest, RefusesALedgerOfOtherRecords) {
  EXPECT_EQ(verdict({{"directory", Anchor{2, digest_of("other"), clock_.now()}}, {"token", anchor(3)}}),
            "ledger_forked");
}

TEST_F(AnchorCheckTest, FindsAnUnreadableAnchorAndCountsTheOthers) {
  const Error torn{ErrorCode::Invalid, "it is torn"};
  const auto report =
      check_anchors(*store_, std::vector<AnchorReading>{{"token, object 1", torn}, {"directory", anchor(2)}});
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->newest->anchor->size, 2U);
  ASSERT_EQ(report->findings.size(), 1U);
  EXPECT_NE(report->findings.front().find("token, object 1"), std::string::npos);
  // A torn one hides nothing.
  EXPECT_EQ(verdict({{"token, object 1", torn}, {"directory", Anchor{9, digest_of("x"), clock_.now()}}}),
            "ledger_rolled_back");
  const auto none = check_anchors(*store_, std::vector<AnchorReading>{{"token", torn}});
  ASSERT_TRUE(none.has_value());
  EXPECT_FALSE(none->newest.has_value());
}

TEST_F(AnchorCheckTest, SeesAnOlderCopyOfTheLedgerPutBack) {
  store_.reset();
  std::filesystem::copy_file(path(), folder_ / "old.db");
  store_ = made(SqliteStore::open(path(), clock_, options_));
  ASSERT_EQ(outcome(redeeming("d", "t1")), "3");
  const Anchor outside = anchor(4);
  store_.reset();
  std::filesystem::copy_file(folder_ / "old.db", path(), std::filesystem::copy_options::overwrite_existing);
  store_ = made(SqliteStore::open(path(), clock_, options_));  // in itself it is whole
  EXPECT_EQ(verdict({{"directory", outside}}), "ledger_rolled_back");
  ASSERT_EQ(outcome(signed_item("another d")), "3");
  EXPECT_EQ(verdict({{"directory", outside}}), "ledger_forked");
}

TEST_F(AnchorCheckTest, KeepsAnAnchorInAFile) {
  EXPECT_EQ(read_anchor_file(folder_.path()).error().code, ErrorCode::NotFound);
  ASSERT_TRUE(write_anchor_file(folder_.path(), anchor(2)));
  ASSERT_TRUE(write_anchor_file(folder_.path(), anchor(3)));
  const auto read = read_anchor_file(folder_.path());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->size, 3U);
  EXPECT_EQ(read->root, store_->head().root);
  EXPECT_EQ(read->at, clock_.now());
  struct stat facts {};
  ASSERT_EQ(stat((folder_ / "anchor.json").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0644U);
}

TEST_F(AnchorCheckTest, RefusesAFileThatIsNoAnchor) {
  const std::string root = digest_of("r").hex();
  for (const std::string& text :
       std::vector<std::string>{"", "{", "[]", R"({"at":"2027-01-01T00:00:00Z","root":")" + root + "\"}",
                                R"({"at":"2027-01-01T00:00:00Z","root":")" + root + R"(","size":-1})",
                                R"({"at":"2027-01-01T00:00:00Z","root":"00","size":1})",
                                R"({"at":"today","root":")" + root + R"(","size":1})",
                                R"({"at":"2027-01-01T00:00:00Z","root":")" + root + R"(","size":1,"more":1})"}) {
    ASSERT_TRUE(write_durable(folder_ / "anchor.json", text, 0644));
    EXPECT_EQ(read_anchor_file(folder_.path()).error().code, ErrorCode::Invalid) << text;
  }
}

}  // namespace
}  // namespace countersign::ledger::test
