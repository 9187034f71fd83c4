// A whole appliance whose wall clock steps while it runs, and between two of its runs.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/durable_file.h"
#include "places.h"
#include "tests/signer/daemon/running_appliance.h"

namespace countersign::daemon {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using test::RunningAppliance;
using test::trace_fields;

// What the shim adds to the wall clock of front and holders.
class Offset {
 public:
  Offset() : file_(::open(path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) { set(seconds(0)); }
  Offset(const Offset&) = delete;
  Offset& operator=(const Offset&) = delete;
  ~Offset() { ::close(file_); }

  void set(std::chrono::nanoseconds offset) const {
    const std::int64_t value = offset.count();
    if (::pwrite(file_, &value, sizeof value, 0) != sizeof value) std::abort();
  }
  // The last is for sanitizer builds, whose runtime otherwise insists on being loaded first.
  std::vector<std::string> environment() const {
    return {"LD_PRELOAD=" CLOCK_SHIM, "CLOCK_SHIM_FILE=" + path(), "ASAN_OPTIONS=verify_asan_link_order=0"};
  }

 private:
  std::string path() const { return folder_ / "offset"; }
  test::TemporaryFolder folder_;
  int file_;
};

// "" where the trace was signed, else the code of the refusal.
std::string refusal(const RunningAppliance& appliance, const std::string& seed) {
  auto client = appliance.client();
  const auto answer = client.sign({statement::StatementType::Trace, trace_fields(seed, "block"), {}, {}, {}, ""});
  return answer ? "" : answer.error().wire_code();
}

bool reset(const RunningAppliance& appliance) {
  const auto answer = appliance.http("admin").post("/v1/time/reset", "{}", transport::HttpClient::Repeat::Unsafe);
  return answer && answer->status == 200;
}

int readiness(const RunningAppliance& appliance) {
  const auto answer = appliance.http().get("/readyz");
  return answer ? answer->status : 0;
}

struct Step {
  std::string name;
  std::chrono::nanoseconds by;
  std::string code;
};

class ClockStep : public testing::TestWithParam<Step> {};

TEST_P(ClockStep, StopsSigningUntilACustodianBelievesTheClockAgain) {
  const Offset offset;
  RunningAppliance appliance({.environment = offset.environment()});
  EXPECT_EQ(refusal(appliance, "before"), "");
  offset.set(seconds(2));  // within limits.clock_step
  EXPECT_EQ(refusal(appliance, "a small step"), "");
  offset.set(GetParam().by);
  EXPECT_EQ(refusal(appliance, "stepped"), GetParam().code);
  EXPECT_EQ(readiness(appliance), 503);
  const Json status = appliance.status();
  EXPECT_TRUE(status.find("time")->find("stopped")->as_bool()) << status.compact();
  EXPECT_TRUE(test::eventually([&] {
    const Result<std::string> told = read_file(appliance.path("events.jsonl"));
    return told && told->find("clock_step") != std::string::npos;
  }));
  // A permit's age cannot be known either.
  const auto executed = appliance.http().post("/v1/executed", R"({"trace":{}})", transport::HttpClient::Repeat::Unsafe);
  ASSERT_TRUE(executed);
  EXPECT_EQ(executed->status, 503) << executed->body;

  offset.set(seconds(2));
  EXPECT_EQ(refusal(appliance, "came back by itself"), GetParam().code);
  ASSERT_TRUE(reset(appliance));
  EXPECT_EQ(refusal(appliance, "believed again"), "");
  EXPECT_EQ(readiness(appliance), 200);
}

TEST_P(ClockStep, IsSeenAcrossARestartAndServedForItsReset) {
  const Offset offset;
  RunningAppliance appliance({.environment = offset.environment()});
  EXPECT_EQ(refusal(appliance, "before"), "");
  appliance.stop();
  offset.set(GetParam().by);
  appliance.start(false);
  EXPECT_EQ(refusal(appliance, "after the restart"), GetParam().code);
  EXPECT_EQ(readiness(appliance), 503);
  ASSERT_TRUE(reset(appliance));
  EXPECT_EQ(refusal(appliance, "believed"), "");
  // The new time is the mark from now on.
  appliance.stop();
  appliance.start();
  EXPECT_EQ(refusal(appliance, "after one more restart"), "");
}

// What was published by a clock that a custodian believed and that was wrong is not left until its date comes.
TEST(BelievedClock, IsPublishedAnewOnceItIsSetRight) {
  const Offset offset;
  RunningAppliance appliance({.environment = offset.environment()});
  const auto issued_at = [&appliance] {
    const auto answer = appliance.http().get("/v1/keys");
    const Result<Json> keys = answer ? Json::parse(answer->body) : Result<Json>(answer.error());
    return keys ? std::string(keys->text("issued_at")) : std::string();
  };
  const std::string today = issued_at();
  offset.set(hours(24 * 365));
  EXPECT_EQ(refusal(appliance, "stepped"), "clock_jumped_forward");
  ASSERT_TRUE(reset(appliance));
  ASSERT_TRUE(test::eventually([&] { return issued_at().substr(0, 4) > today.substr(0, 4); })) << issued_at();
  const std::string next_year = issued_at();
  offset.set(seconds(0));
  EXPECT_EQ(refusal(appliance, "set right"), "clock_stepped_back");
  ASSERT_TRUE(reset(appliance));
  EXPECT_TRUE(test::eventually([&] { return issued_at() < next_year; })) << issued_at();
}

INSTANTIATE_TEST_SUITE_P(Both, ClockStep,
                         testing::Values(Step{"Back", -hours(1), "clock_stepped_back"},
                                         Step{"Forward", hours(1), "clock_jumped_forward"}),
                         [](const testing::TestParamInfo<Step>& info) { return info.param.name; });

}  // namespace
}  // namespace countersign::daemon
