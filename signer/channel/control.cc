#include "signer/channel/control.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace countersign::channel {
namespace {

constexpr std::size_t kLongestMessage = std::size_t{64} << 10;
constexpr std::size_t kMostDescriptors = 4;

// Room for one more than we accept, so that a fifth descriptor is seen and closed rather than lost in the kernel.
struct alignas(cmsghdr) DescriptorBuffer {
  std::array<char, CMSG_SPACE(sizeof(int) * (kMostDescriptors + 1))> bytes{};
};

Error failed(const char* act) {
  const int cause = errno;
  if (cause == EAGAIN || cause == EWOULDBLOCK) {
    return Error{ErrorCode::Unavailable, std::string("cannot ") + act + " now", "would_block"};
  }
  return Error{ErrorCode::Unavailable, std::string("cannot ") + act + ": " + std::strerror(cause)};
}

std::vector<int> descriptors_of(msghdr& header) {
  std::vector<int> descriptors;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      descriptors.push_back(number);
    }
  }
  return descriptors;
}

}  // namespace

Status send_control(int socket, const Json& body, const std::vector<int>& descriptors) {
  std::string text = body.compact();
  if (text.size() > kLongestMessage || descriptors.size() > kMostDescriptors) {
    return Error{ErrorCode::Invalid, "a control message holds at most 64 KiB and four descriptors"};
  }
  iovec piece{text.data(), text.size()};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  DescriptorBuffer beside;
  if (!descriptors.empty()) {
    header.msg_control = beside.bytes.data();
    header.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
    std::memcpy(CMSG_DATA(part), descriptors.data(), sizeof(int) * descriptors.size());
  }
  ssize_t sent = -1;
  do {
    sent = sendmsg(socket, &header, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return failed("send a control message");
  return ok();
}

Result<ControlMessage> receive_control(int socket) {
  std::string text(kLongestMessage, '\0');
  iovec piece{text.data(), text.size()};
  DescriptorBuffer beside;
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_control = beside.bytes.data();
  header.msg_controllen = beside.bytes.size();
  ssize_t got = -1;
  do {
    got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return failed("receive a control message");
  std::vector<int> descriptors = descriptors_of(header);
  const auto refuse = [&descriptors](Error error) {
    for (const int number : descriptors) close(number);
    return error;
  };
  if (got == 0) {
    return refuse(Error{ErrorCode::Unavailable, "the other process closed the control channel", "closed"});
  }
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || descriptors.size() > kMostDescriptors) {
    return refuse(Error{ErrorCode::Invalid, "a control message holds at most 64 KiB and four descriptors"});
  }
  text.resize(static_cast<std::size_t>(got));
  Result<Json> body = Json::parse(text);
  if (!body) return refuse(std::move(body).error());
  if (!body->is_object()) return refuse(Error{ErrorCode::Invalid, "a control message is one JSON object"});
  return ControlMessage{*std::move(body), std::move(descriptors)};
}

}  // namespace countersign::channel
