#include "keymgmt/key_set.h"

#include <gtest/gtest.h>

#include "tests/support/software_key.h"

namespace countersign::keymgmt {
namespace {

using test::SoftwareKey;

const UtcTime kStart = UtcTime::from_unix(1'800'000'000);

PublishedKey published(const SoftwareKey& key, Role role, KeyState state = KeyState::Active) {
  return {.key = key.public_key(),
          .role = role,
          .state = state,
          .token_id = "0a0b",
          .label = "test-only",
          .created_at = kStart,
          .not_before = kStart};
}

struct Standing {
  const char* name;
  KeyState state;
  bool closed;
  bool compromised;
  int seconds;  // after not_before; not_after is at 100
  bool counts;
};
constexpr Standing kStandings[] = {
    {"active, in its window", KeyState::Active, false, false, 50, true},
    {"active, first moment", KeyState::Active, false, false, 0, true},
    {"active, before its window", KeyState::Active, false, false, -1, false},
    {"retired, in its window", KeyState::Retired, true, false, 99, true},
    {"retired, at the end", KeyState::Retired, true, false, 100, false},
    {"generated", KeyState::Generated, false, false, 50, false},
    {"compromised", KeyState::Retired, false, true, 50, false},
    {"compromised, signature dated before", KeyState::Retired, false, true, 1, false},
    {"destroyed after a compromise", KeyState::Destroyed, true, true, 1, false},
};

TEST(PublishedKey, CountsByStateAndWindow) {
  const SoftwareKey key(Algorithm::Ed25519);
  for (const Standing& row : kStandings) {
    PublishedKey subject = published(key, Role::Trace, row.state);
    if (row.closed) subject.not_after = kStart + std::chrono::seconds(100);
    if (row.compromised) subject.compromised_since = kStart + std::chrono::seconds(20);
    EXPECT_EQ(subject.counts_at(kStart + std::chrono::seconds(row.seconds)), row.counts) << row.name;
  }
}

TEST(KeySet, FindsAKeyByEveryName) {
  const SoftwareKey one(Algorithm::Ed25519);
  const SoftwareKey two(Algorithm::P256);
  const KeySet set(3, kStart, {published(one, Role::Trace), published(two, Role::Release)});
  EXPECT_EQ(set.find(one.public_key().kid())->role, Role::Trace);
  for (const auto& [kind, name] : two.public_key().aliases()) {
    ASSERT_NE(set.find(name), nullptr) << kind;
    EXPECT_EQ(set.find(name)->role, Role::Release) << kind;
  }
  EXPECT_EQ(set.find(""), nullptr);
  EXPECT_EQ(set.find("unknown"), nullptr);
  EXPECT_NE(set.active(Role::Trace, Algorithm::Ed25519), nullptr);
  EXPECT_EQ(set.active(Role::Trace, Algorithm::P256), nullptr);
  const KeySet copy = set;  // names follow the copy
  EXPECT_EQ(copy.find(one.public_key().kid()), &copy.keys()[0]);
}

TEST(KeySet, ReadsBackFromItsDocument) {
  PublishedKey retired = published(SoftwareKey(Algorithm::P256), Role::Approval, KeyState::Retired);
  retired.not_after = kStart + std::chrono::hours(1);
  PublishedKey lost = published(SoftwareKey(Algorithm::Ed25519), Role::Trace, KeyState::Retired);
  lost.compromised_since = kStart;
  const KeySet set(7, kStart, {retired, lost, published(SoftwareKey(Algorithm::Ed25519), Role::Log)});
  const auto again = KeySet::parse(*Json::parse(set.document().compact()));
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(again->document(), set.document());
  EXPECT_EQ(again->version(), 7u);
  EXPECT_EQ(set.jwks().find("keys")->as_array().size(), 2u);  // not the compromised one
}

TEST(KeySet, IsReadStrictly) {
  const SoftwareKey key(Algorithm::Ed25519);
  const Json good = KeySet(1, kStart, {published(key, Role::Trace)}).document();
  ASSERT_TRUE(KeySet::parse(good));
  struct Change {
    const char* name;
    void (*make)(Json& set, Json& key);
  };
  const Change changes[] = {
      {"unknown member", [](Json& set, Json&) { set.set("extra", 1); }},
      {"unknown member of a key", [](Json&, Json& entry) { entry.set("extra", 1); }},
      {"missing version", [](Json& set, Json&) { set.erase("version"); }},
      {"version is text", [](Json& set, Json&) { set.set("version", "1"); }},
      {"another schema", [](Json& set, Json&) { set.set("schema_version", "2.0.0"); }},
      {"missing role", [](Json&, Json& entry) { entry.erase("role"); }},
      {"unknown role", [](Json&, Json& entry) { entry.set("role", "root"); }},
      {"unknown state", [](Json&, Json& entry) { entry.set("state", "fine"); }},
      {"kid of another key", [](Json&, Json& entry) { entry.set("kid", "AAAA"); }},
      {"alias of another key", [](Json&, Json& entry) { entry.find("aliases")->set("gait", "00"); }},
      {"another algorithm", [](Json&, Json& entry) { entry.set("algorithm", "p256"); }},
      {"no time", [](Json&, Json& entry) { entry.set("not_before", "soon"); }},
      {"not published", [](Json&, Json& entry) { entry.set("state", "attested"); }},
      {"compromised and active", [](Json&, Json& entry) { entry.set("compromised_since", "2026-01-01T00:00:00Z"); }},
      {"an end that is no time", [](Json& set, Json&) { set.set("expires_at", "never"); }},
      {"null", [](Json&, Json& entry) { entry.set("not_after", Json()); }},
  };
  for (const Change& change : changes) {
    Json document = good;
    change.make(document, document.find("keys")->as_array()[0]);
    const auto read = KeySet::parse(document);
    ASSERT_FALSE(read) << change.name;
    EXPECT_EQ(read.error().code, ErrorCode::Invalid) << change.name;
  }
  Json twice = good;
  twice.find("keys")->as_array().push_back(good.find("keys")->as_array()[0]);
  EXPECT_FALSE(KeySet::parse(twice));
  EXPECT_FALSE(KeySet::parse(Json::Array{}));
}

}  // namespace
}  // namespace countersign::keymgmt
