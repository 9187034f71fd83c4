// What docs/statements.md tells people to type, typed: jq, sha256 and openssl alone verify what we sign.
#include <gtest/gtest.h>

#include <random>

#include "common/durable_file.h"
#include "places.h"
#include "signer/statement/structure.h"
#include "tests/signer/statement/examples.h"
#include "tests/support/child_process.h"
#include "tests/support/software_key.h"
#include "tests/support/temporary_folder.h"

namespace countersign::statement {
namespace {

using keymgmt::Algorithm;

// The commands of docs/statements.md, "By hand".
constexpr std::string_view kByHand = R"sh(set -eu
jq -cSj 'del(.signature,.countersign)' trace.json | openssl dgst -sha256 -binary > digest
[ "$(od -An -v -tx1 digest | tr -d ' \n')" = "$(jq -r .signature.signed_digest trace.json)" ]
jq -r .signature.sig trace.json | openssl base64 -d -A > signature
openssl pkeyutl -verify -rawin -pubin -inkey key.pem -sigfile signature -in digest
)sh";

Json sealed(StatementType type, const test::SoftwareKey& key, Json fields) {
  const auto statement = Statement::parse(type, std::move(fields));
  EXPECT_TRUE(statement) << statement.error().detail;
  auto document = statement->rebuild({.now = kNow, .sequence = 7, .token_id = std::string(kTokenId)});
  const Bytes signature = key.sign(document->signed_digest().bytes());
  return std::move(*document).seal(key.public_key(), signature)->root().json();
}

class ByHand : public testing::Test {
 protected:
  int verify(const Json& document, const test::SoftwareKey& key) {
    EXPECT_TRUE(write_durable(folder_ / "trace.json", document.gait_file(), 0600));
    EXPECT_TRUE(write_durable(folder_ / "key.pem", key.public_key().pem(), 0600));
    const test::Outcome outcome = test::run({{"sh", "-c", "cd " + folder_.path() + " && " + std::string(kByHand)}});
    said_ = outcome.out + outcome.err;
    return outcome.exit_code;
  }

  test::TemporaryFolder folder_;
  std::string said_;
};

Json awkward_trace() {
  Json fields = trace_fields();
  fields.set("repo", "a/b<c>&d \"quoted\" back\\slash \b\f\n\r\t\x01\x1f");
  fields.set("environment", "\xe2\x80\xa8\xe2\x80\xa9 \xc3\xa9 \xf0\x9f\x98\x80 \xef\xbf\xbe \xc2\x85 \xee\x80\x80");
  fields.set("credential_ttl_seconds", kLargestInteger);
  fields.set("latency_ms", 12345.678901234567);
  return fields;
}

TEST_F(ByHand, JqAndOpensslVerifyEveryType) {
  for (const Algorithm algorithm : keymgmt::kAlgorithms) {
    const test::SoftwareKey key(algorithm);
    for (const StatementType type : kTypes) {
      EXPECT_EQ(verify(sealed(type, key, fields_of(type)), key), 0) << row_of(type).name << said_;
    }
    EXPECT_EQ(verify(sealed(StatementType::Trace, key, awkward_trace()), key), 0) << said_;
  }
}

TEST_F(ByHand, TheDocumentationShowsTheseCommandsAndTheExample) {
  const std::string page = *read_file(COUNTERSIGN_SOURCE "/docs/statements.md");
  const std::string commands(kByHand.substr(kByHand.find('\n') + 1));
  EXPECT_NE(page.find("```sh\n" + commands + "```"), std::string::npos);
  const Json vector = *Json::parse(*read_file(COUNTERSIGN_VECTORS "/signed_statements.json"));
  EXPECT_NE(page.find(vector.text("public_key")), std::string::npos);
  for (const Json& row : vector.find("statements")->as_array()) {
    if (row.text("type") != "trace") continue;
    std::string shown = row.find("signed")->gait_file();
    EXPECT_NE(page.find("```json\n" + shown + "```"), std::string::npos);
  }
}

TEST_F(ByHand, JqAndOpensslRefuseWhatWasChangedOrAnotherKey) {
  for (const Algorithm algorithm : keymgmt::kAlgorithms) {
    const test::SoftwareKey key(algorithm);
    const Json good = sealed(StatementType::Trace, key, trace_fields());
    EXPECT_EQ(verify(good, key), 0) << said_;
    EXPECT_NE(verify(good, test::SoftwareKey(algorithm)), 0);
    Json changed = good;
    changed.set("verdict", "allow");
    EXPECT_NE(verify(changed, key), 0);
  }
}

TEST_F(ByHand, JqWritesEveryRoundedNumberAsRfc8785Does) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> exponent(-12, 15.9);
  Json::Array values;
  for (int i = 0; i < 20000; ++i) values.emplace_back(rounded(std::pow(10, exponent(random))));
  for (const double edge : {0.0, -0.0, 1.0 / 1024, 1.0 / 2048, 99999.99951, 1e5, 9007199254740991.0, -0.5}) {
    values.emplace_back(rounded(edge));
  }
  const std::string canonical = Json(values).canonical();
  const test::Outcome jq = test::run({{"jq", "-cSj", "."}, {}, canonical});
  ASSERT_EQ(jq.exit_code, 0) << jq.err;
  EXPECT_EQ(jq.out, canonical);
}

TEST(Rounded, KeepsATenthOfAPercentOfAMillisecond) {
  EXPECT_EQ(rounded(0.0715), 73.0 / 1024);
  EXPECT_EQ(rounded(123456.7), 123457);
  EXPECT_EQ(rounded(-1.5), -1.5);
  EXPECT_FALSE(std::signbit(rounded(-0.0)));
}

TEST_F(ByHand, AnIndependentProgramAgrees) {
  const std::string program = COUNTERSIGN_SOURCE "/tests/interop/verify_gait.py";
  for (const Algorithm algorithm : keymgmt::kAlgorithms) {
    const test::SoftwareKey key(algorithm);
    ASSERT_TRUE(write_durable(folder_ / "key.pem", key.public_key().pem(), 0600));
    for (const StatementType type : kTypes) {
      const Json document = sealed(type, key, type == StatementType::Trace ? awkward_trace() : fields_of(type));
      ASSERT_TRUE(write_durable(folder_ / "document.json", document.gait_file(), 0600));
      const test::Outcome good = test::run({{"python3", program, folder_ / "document.json", folder_ / "key.pem"}});
      EXPECT_EQ(good.exit_code, 0) << row_of(type).name << good.err;
      EXPECT_EQ(good.out, std::string(document.find("signature")->text("signed_digest")) + "\n");
    }
    Json stripped = sealed(StatementType::Trace, key, trace_fields());
    stripped.find("countersign")->set("required_approvals", 0);
    ASSERT_TRUE(write_durable(folder_ / "document.json", stripped.gait_file(), 0600));
    EXPECT_EQ(test::run({{"python3", program, folder_ / "document.json", folder_ / "key.pem"}}).exit_code, 2);
  }
  // It also verifies what gait itself signed.
  const Json vectors = *Json::parse(*read_file(COUNTERSIGN_VECTORS "/gait_signatures.json"), {.gait = true});
  const auto key = keymgmt::PublicKey::from_gait(vectors.find("keys")->text("trace"));
  ASSERT_TRUE(write_durable(folder_ / "key.pem", key->pem(), 0600));
  ASSERT_TRUE(write_durable(folder_ / "document.json",
                            vectors.find("documents")->as_array()[0].find("document")->compact(), 0600));
  EXPECT_EQ(test::run({{"python3", program, folder_ / "document.json", folder_ / "key.pem"}}).exit_code, 0);
}

// The examples of docs/statements.md. Their private key is 32 bytes of 7; only the version and hence the signature
// differ from release to release.
TEST_F(ByHand, TheExamplesOfTheDocumentationAreWhatWeSign) {
  const Json vector = *Json::parse(*read_file(COUNTERSIGN_VECTORS "/signed_statements.json"));
  const test::SoftwareKey key(std::uint8_t{7});
  EXPECT_EQ(key.public_key().pem(), vector.text("public_key"));
  const Json::Array& rows = vector.find("statements")->as_array();
  ASSERT_EQ(rows.size(), std::size(kTypes));
  for (const Json& row : rows) {
    const StatementType type = *statement_type_named(row.text("type"));
    Json expected = *row.find("signed");
    EXPECT_EQ(verify(expected, key), 0) << said_;
    Json made = sealed(type, key, *row.find("fields"));
    for (Json* document : {&expected, &made}) {
      document->erase("producer_version");
      document->erase("signature");
    }
    EXPECT_EQ(made, expected) << row.text("type") << "\n" << made.compact();
  }
}

}  // namespace
}  // namespace countersign::statement
