#include <gtest/gtest.h>

#include <map>

#include "common/durable_file.h"
#include "places.h"
#include "signer/statement/statement.h"

namespace countersign::statement {
namespace {

using keymgmt::PublicKey;
using keymgmt::PublishedKey;

class GaitSignatures : public testing::Test {
 protected:
  void SetUp() override {
    const auto text = read_file(COUNTERSIGN_VECTORS "/gait_signatures.json");
    ASSERT_TRUE(text);
    vectors_ = *Json::parse(*text, {.gait = true});
    std::vector<PublishedKey> keys;
    for (const Json::Member& key : vectors_.find("keys")->as_object()) {
      // "role", or "role:which" where one has several.
      const std::string role = key.first.substr(0, key.first.find(':'));
      keys.push_back({.key = *PublicKey::from_gait(key.second.as_string()),
                      .role = *keymgmt::role_named(role),
                      .state = keymgmt::KeyState::Active});
    }
    keys_ = keymgmt::KeySet(1, UtcTime(), std::move(keys));
  }

  Json document(std::string_view name) const {
    for (const Json& row : vectors_.find("documents")->as_array()) {
      if (row.text("name") == name) return *row.find("document");
    }
    ADD_FAILURE() << "no vector " << name;
    return {};
  }

  Json vectors_;
  keymgmt::KeySet keys_;
};

TEST_F(GaitSignatures, VerifyOrAreRefusedForTheReasonRecorded) {
  std::map<std::string, int> seen;
  for (const Json& row : vectors_.find("documents")->as_array()) {
    const StatementType type = *statement_type_named(row.text("type"));
    const auto verified = VerifiedDocument::verify(type, *row.find("document"), keys_);
    const std::string outcome = verified ? "ok" : verified.error().wire_code();
    EXPECT_EQ(outcome, row.text("expect")) << row.text("name") << (verified ? "" : ": " + verified.error().detail);
    ++seen[outcome];
    if (!verified) continue;
    const Digest digest = verified->signed_digest();
    EXPECT_EQ(digest.hex(), row.find("document")->find("signature")->text("signed_digest"));
    EXPECT_EQ(*gait_signed_digest(type, *row.find("document")), digest);
    EXPECT_EQ(*gait_signed_digest(type, verified->document()), digest) << "the normal form is its own normal form";
  }
  EXPECT_GE(seen["ok"], 24);
  EXPECT_GE(seen.size(), 6u);
}

TEST_F(GaitSignatures, CoverTheTrimmedApprover) {
  // The signature covers the trimmed text: one token with a space added is still one approver.
  const Json forged = document("099_WEAK_whitespace_forges_second_approver/a_ws.json");
  const auto verified = VerifiedDocument::verify(StatementType::ApprovalToken, forged, keys_);
  ASSERT_TRUE(verified);
  EXPECT_NE(forged.text("approver_identity"), verified->document().text("approver_identity"));
  EXPECT_FALSE(verified->document().text("approver_identity").ends_with(' '));
}

TEST_F(GaitSignatures, DoNotCoverUnknownMembersSoTheyAreDropped) {
  const Json edited = document("337_WEAK_unknown_members_ignored/edited.json");
  ASSERT_NE(edited.find("extra"), nullptr);
  const auto verified = VerifiedDocument::verify(StatementType::Trace, edited, keys_);
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->document().find("extra"), nullptr);
  EXPECT_EQ(verified->document().find("relationship")->find("note"), nullptr);
}

TEST_F(GaitSignatures, HoldWhateverTheCaseOfMemberNames) {
  Json document = this->document("094_two_of_two/a.json");
  for (Json::Member& member : document.as_object()) {
    if (member.first == "approver_identity") member.first = "Approver_IDENTITY";
    if (member.first == "scope")
      member.first =
          "\xc5\xbf"
          "COPE";  // U+017F folds to s
    if (member.first == "token_id")
      member.first =
          "to\xe2\x84\xaa"
          "en_id";  // U+212A folds to k
  }
  const auto verified = VerifiedDocument::verify(StatementType::ApprovalToken, document, keys_);
  ASSERT_TRUE(verified) << verified.error().detail;
  EXPECT_EQ(verified->document(),
            VerifiedDocument::verify(StatementType::ApprovalToken, this->document("094_two_of_two/a.json"), keys_)
                ->document());
  document.as_object().emplace_back("SCOPE", Json::Array{Json("*")});
  EXPECT_EQ(VerifiedDocument::verify(StatementType::ApprovalToken, document, keys_).error().code, ErrorCode::Invalid);
}

struct Tolerated {
  const char* name;
  void (*change)(Json& token);
};
TEST_F(GaitSignatures, CoverWhatGaitReadsNotHowItIsWritten) {
  const Tolerated rows[] = {
      {"scope order and case",
       [](Json& t) {
         t.set("scope", Json::Array{Json(" TOOL:db.save.cjds"), Json("")});
       }},
      {"null for an absent number", [](Json& t) { t.set("max_targets", Json()); }},
      {"zero for an absent number", [](Json& t) { t.set("max_ops", 0); }},
      {"digest in upper case",
       [](Json& t) {
         std::string& text = t.find("intent_digest")->as_string();
         for (char& c : text) c = static_cast<char>(std::toupper(c));
       }},
      {"times with trailing zeros",
       [](Json& t) {
         std::string& text = t.find("expires_at")->as_string();
         text.insert(text.size() - 1, text.find('.') == std::string::npos ? ".000" : "");
       }},
  };
  for (const Tolerated& row : rows) {
    Json token = document("094_two_of_two/a.json");
    row.change(token);
    const auto verified = VerifiedDocument::verify(StatementType::ApprovalToken, token, keys_);
    EXPECT_TRUE(verified) << row.name << ": " << verified.error().detail;
  }
  const Tolerated refused[] = {
      {"another scope", [](Json& t) { t.find("scope")->as_array().emplace_back("tool:x"); }},
      {"an hour later in another zone",
       [](Json& t) {
         std::string& text = t.find("expires_at")->as_string();
         text.replace(text.size() - 1, 1, "-01:00");
       }},
      {"a number that is text", [](Json& t) { t.set("max_targets", "2"); }},
      {"a number with a fraction", [](Json& t) { t.set("max_targets", 1.5); }},
      {"no time", [](Json& t) { t.set("created_at", "yesterday"); }},
      {"null for the scope", [](Json& t) { t.set("scope", Json()); }},
  };
  for (const Tolerated& row : refused) {
    Json token = document("094_two_of_two/a.json");
    row.change(token);
    EXPECT_FALSE(VerifiedDocument::verify(StatementType::ApprovalToken, token, keys_)) << row.name;
  }
}

}  // namespace
}  // namespace countersign::statement
