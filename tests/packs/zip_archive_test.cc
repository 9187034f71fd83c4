// The writer, and the reader against archives that lie.
#include "packs/zip_archive.h"

#include <gtest/gtest.h>

#include <functional>

#include "common/durable_file.h"
#include "packs/deflate.h"
#include "places.h"

namespace countersign::packs {
namespace {

const std::vector<ZipFile> kFiles = {{"a.json", "{\"a\":1}"}, {"b/c.txt", std::string(5000, 'x')}, {"empty", ""}};

void put16(std::string& bytes, std::size_t at, unsigned value) {
  bytes[at] = static_cast<char>(value & 0xff);
  bytes[at + 1] = static_cast<char>(value >> 8 & 0xff);
}

void put32(std::string& bytes, std::size_t at, unsigned value) {
  put16(bytes, at, value & 0xffff);
  put16(bytes, at + 2, value >> 16);
}

// Where the n-th row of the directory begins.
std::size_t row(const std::string& archive, int n) {
  std::size_t at = archive.find("PK\x01\x02");
  for (; n > 0; --n) at = archive.find("PK\x01\x02", at + 4);
  return at;
}

TEST(ZipArchive, IsReadBack) {
  const auto files = read_zip(zip_archive(kFiles));
  ASSERT_TRUE(files) << files.error().detail;
  ASSERT_EQ(files->size(), kFiles.size());
  for (std::size_t i = 0; i < kFiles.size(); ++i) {
    EXPECT_EQ((*files)[i].name, kFiles[i].name);
    EXPECT_EQ((*files)[i].content, kFiles[i].content);
  }
  EXPECT_TRUE(read_zip(zip_archive({})));
}

TEST(ZipArchive, IsTheSameEveryTime) {
  EXPECT_EQ(zip_archive(kFiles), zip_archive(kFiles));
}

// Everything of gait's archive but the packed bytes, whose length differs between compressors.
TEST(ZipArchive, HasGaitsHeaders) {
  const std::string recorded = *read_file(COUNTERSIGN_VECTORS "/packs/soc2.zip");
  const auto files = read_zip(recorded);
  ASSERT_TRUE(files) << files.error().detail;
  const std::string ours = zip_archive(*files);
  constexpr std::size_t kLocal = 30, kExtra = 9;
  const std::size_t head = kLocal + (*files)[0].name.size() + kExtra;
  EXPECT_EQ(ours.substr(0, head), recorded.substr(0, head));
  for (int n = 0; n < static_cast<int>(files->size()); ++n) {
    const std::string theirs_row =
        recorded.substr(row(recorded, n), 46 + (*files)[static_cast<std::size_t>(n)].name.size() + kExtra);
    std::string ours_row = ours.substr(row(ours, n), theirs_row.size());
    for (const std::size_t at : {std::size_t{20}, std::size_t{42}}) ours_row.replace(at, 4, theirs_row.substr(at, 4));
    EXPECT_EQ(ours_row, theirs_row) << n;
  }
}

TEST(ZipArchive, OfPythonIsRead) {
  EXPECT_TRUE(read_zip(*read_file(COUNTERSIGN_VECTORS "/packs/pack_extra.zip")));
}

struct Lie {
  const char* name;
  std::function<std::string()> archive;
};

std::string changed(const std::function<void(std::string&)>& change) {
  std::string archive = zip_archive(kFiles);
  change(archive);
  return archive;
}

const Lie kLies[] = {
    {"nothing", [] { return std::string(); }},
    {"text", [] { return std::string(4096, 'P'); }},
    {"bytes before the first file", [] { return "MZ" + zip_archive(kFiles); }},
    {"bytes behind the end", [] { return zip_archive(kFiles) + "x"; }},
    {"a comment",
     [] {
       return changed([](std::string& a) {
         put16(a, a.size() - 2, 1);
         a += "x";
       });
     }},
    {"a name twice",
     [] {
       return zip_archive({{"a", "1"}, {"a", "2"}});
     }},
    {"a name twice in another case",
     [] {
       return zip_archive({{"a", "1"}, {"A", "2"}});
     }},
    {"a name above the folder",
     [] {
       return zip_archive({{"../a", "1"}});
     }},
    {"a name above the folder inside",
     [] {
       return zip_archive({{"a/../../b", "1"}});
     }},
    {"an absolute name",
     [] {
       return zip_archive({{"/etc/passwd", "1"}});
     }},
    {"a drive",
     [] {
       return zip_archive({{"c:a", "1"}});
     }},
    {"a backslash",
     [] {
       return zip_archive({{"a\\b", "1"}});
     }},
    {"a control character",
     [] {
       return zip_archive({{"a\nb", "1"}});
     }},
    {"no name",
     [] {
       return zip_archive({{"", "1"}});
     }},
    {"a folder",
     [] {
       return zip_archive({{"a/", ""}});
     }},
    {"a long name",
     [] {
       return zip_archive({{std::string(300, 'a'), "1"}});
     }},
    {"a link", [] { return changed([](std::string& a) { put32(a, row(a, 0) + 38, 0120777U << 16); }); }},
    {"another name in the file's header", [] { return changed([](std::string& a) { a[30] = 'z'; }); }},
    {"another size in the directory", [] { return changed([](std::string& a) { put32(a, row(a, 1) + 24, 4999); }); }},
    {"another size everywhere",
     [] {
       return changed([](std::string& a) {
         put32(a, row(a, 0) + 24, 6);
         put32(a, a.find("PK\x07\x08") + 12, 6);
       });
     }},
    {"another checksum", [] { return changed([](std::string& a) { put32(a, row(a, 0) + 16, 1); }); }},
    {"a changed byte", [] { return changed([](std::string& a) { a[30 + 6 + 9 + 1] ^= 0x10; }); }},
    {"an unknown method", [] { return changed([](std::string& a) { put16(a, row(a, 0) + 10, 12); }); }},
    {"encryption", [] { return changed([](std::string& a) { put16(a, row(a, 0) + 8, 9); }); }},
    {"two rows for one file", [] { return changed([](std::string& a) { put32(a, row(a, 1) + 42, 0); }); }},
    {"an offset behind the directory",
     [] { return changed([](std::string& a) { put32(a, row(a, 1) + 42, 1U << 30); }); }},
    {"a row less than there is",
     [] {
       return changed([](std::string& a) {
         put16(a, a.size() - 12, 2);
         put16(a, a.size() - 14, 2);
       });
     }},
    {"a row more than there is",
     [] {
       return changed([](std::string& a) {
         put16(a, a.size() - 12, 4);
         put16(a, a.size() - 14, 4);
       });
     }},
    {"a second disk", [] { return changed([](std::string& a) { put16(a, a.size() - 18, 1); }); }},
};

TEST(ZipArchive, IsRefusedWhereItLies) {
  for (const Lie& lie : kLies) {
    const auto refused = read_zip(lie.archive());
    ASSERT_FALSE(refused) << lie.name;
    EXPECT_EQ(refused.error().reason, "bad_archive") << lie.name << ": " << refused.error().detail;
  }
}

TEST(ZipArchive, NeverEndsInTheMiddle) {
  const std::string archive = zip_archive(kFiles);
  for (std::size_t size = 0; size < archive.size(); ++size) EXPECT_FALSE(read_zip(archive.substr(0, size))) << size;
}

TEST(ZipArchive, IsRefusedBeforeItUnpacksToTooMuch) {
  // A thousand to one, as far as deflate goes.
  const std::string bomb = zip_archive({{"a", std::string(40 << 20, '\0')}, {"b", std::string(40 << 20, '\0')}});
  ASSERT_LT(bomb.size(), std::size_t{1} << 20);
  EXPECT_EQ(read_zip(bomb).error().code, ErrorCode::TooLarge);
  EXPECT_EQ(read_zip(bomb).error().reason, "archive_too_large");
  std::vector<ZipFile> many;
  for (int i = 0; i < 1025; ++i) many.push_back({std::to_string(i), ""});
  EXPECT_EQ(read_zip(zip_archive(many)).error().reason, "archive_too_large");
  many.pop_back();
  EXPECT_TRUE(read_zip(zip_archive(many)));
  EXPECT_EQ(read_zip(std::string(kLargestArchive + 1, 'x')).error().reason, "archive_too_large");
}

TEST(Inflated, StopsAtTheSizeItWasTold) {
  const std::string packed = deflated(std::string(1 << 20, 'a'));
  EXPECT_TRUE(inflated(packed, 1 << 20));
  EXPECT_FALSE(inflated(packed, (1 << 20) - 1));
  EXPECT_FALSE(inflated(packed, (1 << 20) + 1));
  EXPECT_FALSE(inflated(packed + "x", 1 << 20));
  EXPECT_FALSE(inflated("", 0));
}

}  // namespace
}  // namespace countersign::packs
