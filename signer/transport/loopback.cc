// Listening on loopback.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "signer/transport/unix_socket.h"

namespace countersign::transport {
namespace {

constexpr std::string_view kFour = "127.0.0.1";
constexpr std::string_view kSix = "[::1]";

struct Address {
  sockaddr_storage value{};
  socklen_t length = 0;
};

sockaddr* generic(sockaddr_storage& value) {
  return reinterpret_cast<sockaddr*>(&value);
}

Result<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), port);
  if (!text.empty() && read.ec == std::errc() && read.ptr == text.data() + text.size()) return port;
  return Error{ErrorCode::Invalid, "a port is a number from 0 to 65535, not \"" + std::string(text) + "\"", "bad_port"};
}

Address four(std::uint16_t port) {
  Address address;
  sockaddr_in value{};
  value.sin_family = AF_INET;
  value.sin_port = htons(port);
  value.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::memcpy(&address.value, &value, sizeof(value));
  address.length = sizeof(value);
  return address;
}

Address six(std::uint16_t port) {
  Address address;
  sockaddr_in6 value{};
  value.sin6_family = AF_INET6;
  value.sin6_port = htons(port);
  value.sin6_addr = in6addr_loopback;
  std::memcpy(&address.value, &value, sizeof(value));
  address.length = sizeof(value);
  return address;
}

std::uint16_t bound_port(int descriptor) {
  sockaddr_storage value{};
  socklen_t length = sizeof(value);
  if (::getsockname(descriptor, generic(value), &length) != 0) return 0;
  // The port stands at one place in both kinds of address.
  sockaddr_in as_four{};
  std::memcpy(&as_four, &value, sizeof(as_four));
  return ntohs(as_four.sin_port);
}

}  // namespace

Result<Listener> Listener::bind_loopback(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const std::string_view host = text.substr(0, colon);
  if (colon == std::string_view::npos || (host != kFour && host != kSix)) {
    return Error{ErrorCode::Invalid, "\"" + std::string(text) + "\" is no port of loopback", "not_loopback",
                 "127.0.0.1:PORT or [::1]:PORT; other hosts are served by nothing here"};
  }
  ASSIGN_OR_RETURN(const std::uint16_t port, port_of(text.substr(colon + 1)));
  Address address = host == kFour ? four(port) : six(port);
  const int descriptor = ::socket(address.value.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    return Error{ErrorCode::Unavailable, "cannot make a socket for " + std::string(text) + ": " + std::strerror(errno)};
  }
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // what it accepts inherits it
  if (::bind(descriptor, generic(address.value), address.length) != 0) {
    const int number = errno;
    ::close(descriptor);
    return Error{number == EADDRINUSE ? ErrorCode::Conflict : ErrorCode::Unavailable,
                 "cannot bind " + std::string(text) + ": " + std::strerror(number)};
  }
  return Listener(descriptor, -1, std::string(host) + ":" + std::to_string(bound_port(descriptor)));
}

}  // namespace countersign::transport
