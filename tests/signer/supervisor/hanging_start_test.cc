// Holders that hang before they are ready: ended past their deadline, reported, and started again on a whole token.
#include "places.h"
#include "tests/signer/supervisor/supervised_appliance.h"

namespace countersign::supervisor {
namespace {

constexpr const char* kDeadline = "limits: {start_deadline: 6s}\n";

std::uintmax_t token_object_size(const std::string& tokens) {
  for (const auto& token : std::filesystem::directory_iterator(tokens)) {
    std::error_code error;
    return std::filesystem::file_size(token.path() / "token.object", error);
  }
  return static_cast<std::uintmax_t>(-1);
}

class HangingModule : public testing::TestWithParam<std::string> {};

TEST_P(HangingModule, CostsItsRoleNoMoreThanTheStart) {
  SupervisedAppliance appliance(Shape{.extra = kDeadline});
  ASSERT_TRUE(appliance.set_up());
  const std::string rules = appliance.path("rules");
  ASSERT_TRUE(write_durable(rules, GetParam() + "=hang\n", 0600));
  appliance.start(appliance.break_trace_while(rules));
  ASSERT_TRUE(eventually([&] { return appliance.told("holder_down", "trace").has_value(); })) << appliance.journal();
  const std::optional<Json> down = appliance.told("holder_down", "trace");
  EXPECT_EQ(down->text("cause"), "start_too_slow");
  EXPECT_TRUE(down->find("retryable")->as_bool());
  EXPECT_TRUE(appliance.is_up("approval") && appliance.is_up("release")) << appliance.journal();
  // It is tried again and again, and told once.
  const auto holders = [&] { return appliance.children_titled("countersign-holder: trace/0"); };
  const std::vector<pid_t> hanging = holders();
  ASSERT_TRUE(eventually([&] { return !holders().empty() && holders() != hanging; })) << appliance.journal();
  EXPECT_EQ(appliance.journal_count("trace/0 is down: start_too_slow"), 1) << appliance.journal();
  std::filesystem::remove(rules);
  ASSERT_TRUE(eventually([&] { return appliance.is_up("trace", 2); })) << appliance.journal();
  EXPECT_EQ(appliance.stop().exit_code, 0) << appliance.journal();
}

INSTANTIATE_TEST_SUITE_P(Each, HangingModule, testing::Values("C_Initialize", "C_OpenSession", "C_Login"),
                         [](const testing::TestParamInfo<std::string>& info) { return info.param; });

// The worst moment: SoftHSM has emptied token.object and not yet written it.
TEST(HangingLogin, LosesNoTokenWhenItIsEnded) {
  SupervisedAppliance appliance(Shape{.extra = kDeadline});
  ASSERT_TRUE(appliance.set_up());
  const std::string flag = appliance.path("hang");
  ASSERT_TRUE(write_durable(flag, "", 0600));
  // The last is for sanitizer builds, whose runtime otherwise insists on being loaded first.
  appliance.start({"LD_PRELOAD=" UNLOCK_DELAY_SHIM, "UNLOCK_DELAY_MS=600000", "UNLOCK_DELAY_IN=/trace/tokens/",
                   "UNLOCK_DELAY_WHILE=" + flag, "ASAN_OPTIONS=verify_asan_link_order=0"});
  const std::string tokens = appliance.path("trace/tokens");
  ASSERT_TRUE(eventually([&] { return token_object_size(tokens) == 0; })) << appliance.journal();
  ASSERT_TRUE(eventually([&] { return appliance.told("holder_down", "trace").has_value(); })) << appliance.journal();
  EXPECT_EQ(appliance.told("holder_down", "trace")->text("cause"), "start_too_slow");
  std::filesystem::remove(flag);
  ASSERT_TRUE(eventually([&] { return appliance.is_up("trace", 2); })) << appliance.journal();
  EXPECT_GE(appliance.journal_count("token_restored"), 1) << appliance.journal();
  EXPECT_GT(token_object_size(tokens), 0U);
}

TEST(HangingHolder, IsEndedWithTheSupervisor) {
  SupervisedAppliance appliance(Shape{.extra = "limits: {start_deadline: 1s}\n"});
  appliance.pretend_set_up();
  appliance.start({"HOLDER_MODE=hung"}, "stand_in_holder");
  ASSERT_TRUE(eventually([&] { return appliance.children().size() == 5; })) << appliance.journal();
  const std::vector<pid_t> children = appliance.children();
  EXPECT_EQ(appliance.stop().exit_code, 0) << appliance.journal();
  for (const pid_t child : children) EXPECT_FALSE(SupervisedAppliance::alive(child));
}

}  // namespace
}  // namespace countersign::supervisor
