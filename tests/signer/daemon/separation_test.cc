#include "signer/daemon/separation.h"

#include <gtest/gtest.h>

namespace countersign::daemon {
namespace {

using keymgmt::Role;

constexpr std::uint32_t kFront = 1001;

// Each role with its token; the uids its holders run as, -1 for one that does not say.
struct Case {
  std::string name;
  std::vector<std::string> tokens;  // of approval, trace and release
  std::vector<std::int64_t> uids;
  std::string separation;
};

class Separation : public testing::TestWithParam<Case> {};

TEST_P(Separation, IsToldWithoutOneWeaknessHidingAnother) {
  constexpr Role kRoles[] = {Role::Approval, Role::Trace, Role::Release};
  config::Config config;
  std::vector<HolderState> holders;
  for (std::size_t i = 0; i < std::size(kRoles); ++i) {
    const std::string& token = GetParam().tokens[i];
    if (config.token(token) == nullptr) config.tokens.emplace_back().name = token;
    config.roles.push_back({.role = kRoles[i], .token = token});
    HolderState& holder = holders.emplace_back();
    holder.name.role = kRoles[i];
    holder.ready = Json::object({});
    if (GetParam().uids[i] >= 0) holder.ready.set("uid", GetParam().uids[i]);
  }
  EXPECT_EQ(separation(weaknesses(config, holders, kFront)), GetParam().separation);
}

INSTANTIATE_TEST_SUITE_P(
    Table, Separation,
    testing::Values(Case{"Full", {"a", "t", "r"}, {1002, 1003, 1004}, "full"},
                    Case{"OneUid", {"a", "t", "r"}, {1001, 1001, 1001}, "one uid"},
                    Case{"FrontAndAToken", {"a", "t", "r"}, {1001, 1003, 1004}, "shared uid"},
                    Case{"TwoTokens", {"a", "t", "r"}, {1002, 1003, 1003}, "shared uid"},
                    Case{"OneTokenOfThem", {"a", "t", "t"}, {1001, 1003, 1003}, "reduced, shared uid"},
                    Case{"NobodySaysItsUid", {"a", "t", "r"}, {-1, -1, -1}, "one uid"},
                    Case{"TwoRolesOneToken", {"a", "t", "t"}, {1002, 1003, 1003}, "reduced"},
                    Case{"BothAtOnce", {"t", "t", "t"}, {1001, 1001, 1001}, "reduced, one uid"},
                    Case{"TheOtherTwoRolesOneToken", {"t", "t", "r"}, {1002, 1002, 1004}, "reduced"}),
    [](const testing::TestParamInfo<Case>& info) { return info.param.name; });

TEST(Separation, NamesTheRolesAndTheirToken) {
  config::Config config;
  config.tokens.emplace_back().name = "all";
  for (const Role role : {Role::Approval, Role::Trace}) config.roles.push_back({.role = role, .token = "all"});
  const std::vector<Weakness> found = weaknesses(config, {}, kFront);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_NE(found[0].reason.find("approval, trace share the token all"), std::string::npos) << found[0].reason;
  EXPECT_NE(found[1].reason.find("uid 1001"), std::string::npos) << found[1].reason;
}

}  // namespace
}  // namespace countersign::daemon
