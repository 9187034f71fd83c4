#include "signer/channel/control.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace countersign::channel {
namespace {

class Control : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_), 0); }
  void TearDown() override {
    close(ends_[0]);
    if (ends_[1] >= 0) close(ends_[1]);
  }
  // A message as no program of ours would send it.
  void send_raw(std::string_view text, int descriptors) {
    iovec piece{const_cast<char*>(text.data()), text.size()};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    alignas(cmsghdr) char beside[CMSG_SPACE(sizeof(int) * 16)] = {};
    if (descriptors > 0) {
      header.msg_control = beside;
      header.msg_controllen = CMSG_SPACE(sizeof(int) * static_cast<std::size_t>(descriptors));
      cmsghdr* part = CMSG_FIRSTHDR(&header);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(sizeof(int) * static_cast<std::size_t>(descriptors));
      for (int i = 0; i < descriptors; ++i) {
        std::memcpy(CMSG_DATA(part) + static_cast<std::size_t>(i) * sizeof(int), &ends_[0], sizeof(int));
      }
    }
    ASSERT_EQ(sendmsg(ends_[0], &header, MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  static int lowest_free_descriptor() {
    const int number = dup(0);
    close(number);
    return number;
  }
  int ends_[2] = {-1, -1};
};

TEST_F(Control, CarriesAnObjectAndDescriptorsThatCloseOnExec) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  ASSERT_TRUE(send_control(ends_[0], Json::object({{"event", "holder_up"}}), {pipe_ends[1]}));
  close(pipe_ends[1]);
  const Result<ControlMessage> got = receive_control(ends_[1]);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->body.text("event"), "holder_up");
  ASSERT_EQ(got->descriptors.size(), 1u);
  EXPECT_EQ(fcntl(got->descriptors[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(write(got->descriptors[0], "x", 1), 1);
  close(got->descriptors[0]);
  close(pipe_ends[0]);
}

TEST_F(Control, SaysWouldBlockOnAnEmptyNonBlockingSocket) {
  ASSERT_EQ(fcntl(ends_[1], F_SETFL, O_NONBLOCK), 0);
  const Result<ControlMessage> got = receive_control(ends_[1]);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::Unavailable);
  EXPECT_EQ(got.error().reason, "would_block");
}

TEST_F(Control, SaysThatThePeerIsDeadBothWaysWithoutASignal) {
  close(ends_[1]);
  ends_[1] = -1;
  EXPECT_EQ(send_control(ends_[0], Json::object({})).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(receive_control(ends_[0]).error().reason, "closed");
}

TEST_F(Control, RefusesWhatIsNoObject) {
  for (const std::string_view text : {"nonsense", "[]", "{\"a\":1,\"a\":2}", "{} {}"}) {
    send_raw(text, 0);
    EXPECT_EQ(receive_control(ends_[1]).error().code, ErrorCode::Invalid) << text;
  }
}

TEST_F(Control, RefusesFiveDescriptorsAndClosesThem) {
  const int before = lowest_free_descriptor();
  send_raw("{}", 5);
  EXPECT_EQ(receive_control(ends_[1]).error().code, ErrorCode::Invalid);
  send_raw("{}", 16);
  EXPECT_EQ(receive_control(ends_[1]).error().code, ErrorCode::Invalid);
  EXPECT_EQ(lowest_free_descriptor(), before);
  EXPECT_EQ(send_control(ends_[0], Json::object({}), {0, 0, 0, 0, 0}).error().code, ErrorCode::Invalid);
}

TEST_F(Control, TakesSixtyFourKibibytesAndRefusesMore) {
  const std::string most((std::size_t{64} << 10) - 8, 'x');  // {"a":"…"} adds eight
  ASSERT_TRUE(send_control(ends_[0], Json::object({{"a", most}})));
  EXPECT_TRUE(receive_control(ends_[1]));
  EXPECT_EQ(send_control(ends_[0], Json::object({{"a", most + "x"}})).error().code, ErrorCode::Invalid);
  send_raw("{\"a\":\"" + most + "x\"}", 0);
  EXPECT_EQ(receive_control(ends_[1]).error().code, ErrorCode::Invalid);
}

}  // namespace
}  // namespace countersign::channel
