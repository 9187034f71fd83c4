// Unix stream sockets by path, of any length the file system takes, and who is at the other end; listening on loopback,
// where nobody knows that.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"

namespace countersign::transport {

// Who connected, from the kernel (SO_PEERCRED at connect, SO_PEERGROUPS): nothing a peer can say about itself.
struct Peer {
  static constexpr std::uint32_t kNobody = 0xFFFFFFFF;  // of a TCP connection; no user has it

  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int32_t pid = 0;
  std::vector<std::uint32_t> groups;  // supplementary; empty where the kernel does not tell

  bool in_group(std::uint32_t group) const;
};
// Fails with Internal if the kernel gives no credentials; such a connection must be dropped.
Result<Peer> peer_of(int socket);

// A socket bound to a path, or to a port of loopback. Nobody can connect before listen(). Removes its file when
// destroyed.
class Listener {
 public:
  // Replaces a socket file that nobody listens on. Fails with Conflict where somebody does or the path is no socket,
  // with Invalid on an empty path or a file name over 107 bytes less what /proc/self/fd/N/ takes, with Unavailable
  // otherwise.
  static Result<Listener> bind(const std::string& path, mode_t mode);
  // Of "127.0.0.1:PORT" or "[::1]:PORT"; port 0 takes a free one, and path() says which. Every local user can connect.
  // Fails with Invalid on anything else, reason "not_loopback" for another address; with Conflict where the port is
  // taken, with Unavailable otherwise.
  static Result<Listener> bind_loopback(std::string_view address);
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  Status listen();
  int descriptor() const { return descriptor_; }
  const std::string& path() const { return path_; }
  // Whether the path still leads here: false once its file was removed or another took its place. A port always does.
  bool in_place() const;

 private:
  Listener(int descriptor, int directory, std::string path);
  bool is_ours(int directory, const std::string& name) const;
  int descriptor_ = -1;
  int directory_ =
      -1;  // of the path; -1 where there is no file: unlinking works also where confinement forbids to open it again
  std::string path_;
  dev_t device_ = 0;  // and inode of the file that was bound
  ino_t inode_ = 0;
};

// A connected, close-on-exec, blocking socket. Fails with Unavailable when nobody listens or `timeout` passes.
Result<int> connect_to(const std::string& path, std::chrono::nanoseconds timeout);

}  // namespace countersign::transport
