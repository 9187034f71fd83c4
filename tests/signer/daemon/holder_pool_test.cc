// Which holders the front keeps, with the test at the other end of their sockets.
#include "signer/daemon/holder_pool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "signer/channel/frame.h"

namespace countersign::daemon {
namespace {

using channel::FrameKind;
using keymgmt::Role;
using std::chrono::milliseconds;
using std::chrono::seconds;

class HolderPoolTest : public testing::Test {
 protected:
  HolderPoolTest()
      : pool_(loop_, seconds(3600), [this](const HolderName&, std::string_view cause) { replaced_ = cause; }) {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends_) != 0) std::abort();
    pool_.add({Role::Trace, 0, 1}, ends_[0], Json());
  }
  ~HolderPoolTest() override { ::close(ends_[1]); }

  // The holder's answer to the canary that it is asked for.
  void answer_canary(FrameKind kind, const std::string& payload) {
    const auto before = answered();
    pool_.canary_all();
    loop_.every(milliseconds(1), [this, kind, payload, before] {
      char bytes[4096];
      const ssize_t got = ::read(ends_[1], bytes, sizeof bytes);
      if (got > 0) {
        reader_.feed({bytes, static_cast<std::size_t>(got)});
        const auto asked = reader_.next();
        ASSERT_TRUE(asked && asked->has_value() && (*asked)->kind == FrameKind::Canary);
        std::string out;
        channel::append_frame(out, kind, (*asked)->id, payload);
        ASSERT_EQ(::write(ends_[1], out.data(), out.size()), static_cast<ssize_t>(out.size()));
      }
      if (answered() > before) loop_.stop();
    });
    loop_.run();
  }
  std::uint64_t answered() const { return pool_.states().empty() ? 0 : pool_.states().front().answered; }

  transport::EventLoop loop_;
  std::string replaced_;
  HolderPool pool_;
  int ends_[2]{};
  channel::FrameReader reader_;
};

TEST_F(HolderPoolTest, KeepsAHolderWhoseCanaryIsGood) {
  const auto start = std::chrono::steady_clock::now();
  answer_canary(FrameKind::CanaryGood, "");
  EXPECT_GT(pool_.states().front().last_canary, start);
  pool_.tick(start + 2 * kCanaryCounts);
  EXPECT_EQ(replaced_, "") << "that nobody asked for one is not its fault";
  EXPECT_EQ(pool_.holders_of(Role::Trace), 1u);
}

TEST_F(HolderPoolTest, ReplacesAHolderThatAnswersButWhoseCanaryFails) {
  const auto start = pool_.states().front().last_canary;
  answer_canary(FrameKind::Failed, channel::encode_error({ErrorCode::Internal, "does not verify", "key_mismatch"}));
  EXPECT_EQ(pool_.states().front().last_canary, start) << "a failed canary proves nothing";
  pool_.tick(start + kCanaryCounts);
  EXPECT_EQ(replaced_, "") << "it may pass";
  pool_.tick(start + kCanaryCounts + milliseconds(1));
  EXPECT_EQ(replaced_, "canary_failed");
  EXPECT_EQ(pool_.holders_of(Role::Trace), 0u);
}

}  // namespace
}  // namespace countersign::daemon
