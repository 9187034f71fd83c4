#include "signer/config/roster.h"

#include <gtest/gtest.h>

#include "common/durable_file.h"
#include "tests/support/temporary_folder.h"

namespace countersign::config {
namespace {

using keymgmt::Role;

class RosterFile : public testing::Test {
 protected:
  Result<Roster> read(const std::string& text) const {
    EXPECT_TRUE(write_durable(folder_ / "roster.yaml", text, 0600));
    return read_roster(folder_ / "roster.yaml");
  }
  test::TemporaryFolder folder_;
};

TEST_F(RosterFile, NamesWhoMustAcknowledge) {
  const Result<Roster> roster = read(R"(
verifiers:
  - {name: gate-1, roles: [trace, approval], ssh_key: "ssh-ed25519 AAAA"}
  - {name: auditor, pem: "-----BEGIN PUBLIC KEY-----"}
closed: [trace]
)");
  ASSERT_TRUE(roster) << roster.error().detail;
  EXPECT_EQ(roster->closed_for(Role::Trace), (std::vector<std::string>{"gate-1", "auditor"}));
  EXPECT_TRUE(roster->closed_for(Role::Approval).empty()) << "an open roster waits for nobody";
  EXPECT_EQ(roster->rosters().size(), 1U);
  EXPECT_NE(roster->find("auditor"), nullptr);
  EXPECT_EQ(roster->find("nobody"), nullptr);
}

TEST_F(RosterFile, NoneIsOpenForAll) {
  const Result<Roster> roster = read_roster("");
  ASSERT_TRUE(roster);
  EXPECT_TRUE(roster->rosters().empty());
}

TEST_F(RosterFile, IsReadStrictly) {
  struct Case {
    const char* name;
    const char* text;
  };
  const Case cases[] = {
      {"no list", "closed: []"},
      {"unknown member", "verifiers: []\nmore: 1"},
      {"no name", "verifiers: [{ssh_key: k}]"},
      {"no key", "verifiers: [{name: a}]"},
      {"two keys", "verifiers: [{name: a, ssh_key: k, pem: p}]"},
      {"unknown role", "verifiers: [{name: a, ssh_key: k, roles: [root]}]"},
      {"one name twice", "verifiers: [{name: a, ssh_key: k}, {name: a, ssh_key: l}]"},
      {"one key twice", "verifiers: [{name: a, ssh_key: k}, {name: b, ssh_key: k}]"},
      {"closed without a verifier", "verifiers: [{name: a, ssh_key: k, roles: [release]}]\nclosed: [trace]"},
  };
  for (const Case& each : cases) {
    const Result<Roster> roster = read(each.text);
    ASSERT_FALSE(roster) << each.name;
    EXPECT_EQ(roster.error().code, ErrorCode::Invalid) << each.name;
  }
  EXPECT_FALSE(read_roster(folder_ / "missing.yaml"));
}

}  // namespace
}  // namespace countersign::config
