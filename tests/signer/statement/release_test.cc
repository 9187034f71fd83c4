#include <gtest/gtest.h>

#include <set>

#include "signer/statement/release_files.h"
#include "tests/signer/statement/examples.h"
#include "tests/support/software_key.h"

namespace countersign::statement {
namespace {

const UtcTime kNow = UtcTime::from_unix(1'800'000'000);

Result<Json> read_fields(const Json& fields) {
  return read_release_fields(JsonTree(fields));
}

Json with(const char* member, Json value) {
  Json fields = fields_of(StatementType::Release);
  fields.set(member, std::move(value));
  return fields;
}

Json artifact(const std::string& name, std::int64_t size = 3) {
  return Json::object({{"name", name}, {"sha256", sha256(name).hex()}, {"size", size}});
}

Json one(Json row) {
  return Json(Json::Array{std::move(row)});
}

TEST(Release, TakesNamesOfFilesAndNothingElse) {
  ASSERT_TRUE(read_fields(fields_of(StatementType::Release)));
  ASSERT_TRUE(read_fields(with("artifacts", one(artifact("a file with spaces")))));
  const struct {
    const char* name;
    Json fields;
  } cases[] = {
      {"a folder", with("artifacts", one(artifact("a/b")))},
      {"a folder of another system", with("artifacts", one(artifact("a\\b")))},
      {"the folder above", with("artifacts", one(artifact("..")))},
      {"no name", with("artifacts", one(artifact("")))},
      {"a line break", with("artifacts", one(artifact("a\nb")))},
      {"a space at its end", with("artifacts", one(artifact("a ")))},
      {"a name too long", with("artifacts", one(artifact(std::string(256, 'a'))))},
      {"a negative size", with("artifacts", one(artifact("a", -1)))},
      {"none", with("artifacts", Json(Json::Array{}))},
      {"unsorted", with("artifacts", Json(Json::Array{artifact("b"), artifact("a")}))},
      {"repeated", with("artifacts", Json(Json::Array{artifact("a"), artifact("a")}))},
      {"another format", with("formats", Json(Json::Array{"pgp"}))},
      {"no format", with("formats", Json(Json::Array{}))},
      {"bytes to sign", with("bytes", "AAAA")},
      {"an empty version", with("version", "")},
      {"a builder of two lines", with("builder", "a\nb")},
  };
  for (const auto& each : cases) EXPECT_FALSE(read_fields(each.fields)) << each.name;
}

TEST(Release, TheManifestHasOneSpelling) {
  const std::vector<ReleaseArtifact> artifacts{{"a", sha256("a"), 1}, {"b c", sha256("b"), 20}};
  const std::string text = release_manifest(artifacts);
  EXPECT_EQ(text, "countersign-release-v1\n" + sha256("a").hex() + " 1 a\n" + sha256("b").hex() + " 20 b c\n");
  ASSERT_TRUE(parse_release_manifest(text));
  EXPECT_EQ(*parse_release_manifest(text), artifacts);
  const std::string digest = sha256("a").hex();
  std::string upper = digest;
  upper[0] = upper[0] == 'c' ? 'C' : 'A';
  for (const std::string& other :
       {std::string(), std::string("countersign-release-v1\n"),
        std::string("countersign-release-v2\n") + digest + " 1 a\n", text.substr(0, text.size() - 1), text + "\n",
        "countersign-release-v1\n" + digest + " 01 a\n", "countersign-release-v1\n" + digest + "  1 a\n",
        "countersign-release-v1\n" + digest + " 1 a/b\n",
        "countersign-release-v1\n" + digest + " 1 b\n" + digest + " 1 a\n",
        "countersign-release-v1\n" + digest + " -1 a\n", "countersign-release-v1\n" + digest + " 1\n", "\n" + text}) {
    EXPECT_FALSE(parse_release_manifest(other)) << other;
  }
}

// Whatever is signed for one format is nothing that another format, or another role, ever signs.
TEST(Release, EveryFormatSignsSomethingElse) {
  for (const keymgmt::Algorithm algorithm : keymgmt::kAlgorithms) {
    const Json document = stamped_release(*read_fields(fields_of(StatementType::Release)), {.now = kNow});
    const auto parts = release_parts(document, algorithm);
    ASSERT_TRUE(parts) << parts.error().detail;
    std::set<std::string> beginnings;
    for (const ReleasePart& part : *parts) {
      // Fixed text; but for minisign, which signs 64 bytes of a hash and then 64 bytes of a signature and a comment.
      const bool hashed = part.format == ReleaseFormat::Minisign;
      if (!hashed) {
        EXPECT_TRUE(beginnings.insert(part.message.substr(0, 6)).second) << part.message.substr(0, 6);
      }
      EXPECT_NE(part.message.size(), Digest::kSize) << "the length of what gait's documents sign";
      if (hashed && !part.after_previous) {
        EXPECT_EQ(part.message.size(), 64u);
      }
    }
    EXPECT_EQ(beginnings.size(), 4u);
    EXPECT_TRUE(beginnings.contains("counte") && beginnings.contains("SSHSIG") && beginnings.contains("DSSEv1"));
  }
}

TEST(Release, AP256KeyHasNoFormatsOfEd25519) {
  const Json fields = with("formats", Json(Json::Array{"minisign"}));
  const Json document = stamped_release(*read_fields(fields), {.now = kNow});
  ASSERT_TRUE(release_parts(document, keymgmt::Algorithm::Ed25519));
  const auto parts = release_parts(document, keymgmt::Algorithm::P256);
  ASSERT_FALSE(parts);
  EXPECT_EQ(parts.error().wire_code(), "format_unfit");
}

TEST(Release, IsSealedWithAllItsSignaturesOrNotAtAll) {
  const test::SoftwareKey key(std::uint8_t{5});
  const auto statement = Statement::parse(StatementType::Release, JsonTree(fields_of(StatementType::Release)));
  ASSERT_TRUE(statement);
  auto document = statement->rebuild({.now = kNow});
  ASSERT_TRUE(document);
  Bytes signatures = key.sign(document->message());
  int count = 1;
  while (const std::optional<Bytes> next = document->further_message(signatures)) {
    const Bytes signature = key.sign(*next);
    signatures.insert(signatures.end(), signature.begin(), signature.end());
    ++count;
  }
  EXPECT_EQ(count, 6);  // manifest, minisign twice, sshsig, DSSE, TUF
  auto again = statement->rebuild({.now = kNow});
  EXPECT_FALSE(std::move(*again).seal(key.public_key(), ByteView(signatures).first(64)));
  const auto sealed = std::move(*document).seal(key.public_key(), signatures);
  ASSERT_TRUE(sealed) << sealed.error().detail;
  const Json files = sealed->root().json();
  EXPECT_EQ(files.find("files")->as_array().size(), 10u);
  EXPECT_EQ(files.text("kid"), key.public_key().kid());
}

}  // namespace
}  // namespace countersign::statement
