#include "signer/transport/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace countersign::transport {
namespace {

constexpr int kBacklog = 1024;

Error failed(ErrorCode code, const std::string& what, const std::string& path, int number) {
  return Error{code, what + " " + path + ": " + std::strerror(number)};
}

struct Place {
  int directory = -1;
  std::string name;
};

// The folder, opened, and the file name in it.
Result<Place> place_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  Place place;
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  place.name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (place.name.empty()) return Error{ErrorCode::Invalid, "a socket path is empty or ends in a slash"};
  place.directory = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (place.directory < 0) return failed(ErrorCode::Unavailable, "cannot open the folder of socket", path, errno);
  return place;
}

struct Address {
  sockaddr_un value{};
  socklen_t length = 0;
};

// sun_path holds 107 bytes; a longer path is reached through the opened folder.
Result<Address> address_of(const std::string& path, const Place& place) {
  Address address;
  address.value.sun_family = AF_UNIX;
  std::string text = path;
  if (text.size() >= sizeof(address.value.sun_path)) {
    text = "/proc/self/fd/" + std::to_string(place.directory) + "/" + place.name;
  }
  if (text.size() >= sizeof(address.value.sun_path)) {
    return Error{ErrorCode::Invalid, "the file name of socket " + path + " is too long"};
  }
  std::memcpy(address.value.sun_path, text.data(), text.size());
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size() + 1);
  return address;
}

const sockaddr* generic(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address.value);
}

int new_socket() {
  return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

std::string name_in(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// Removes a socket file that nobody listens on.
Status clear_stale(const std::string& path, const Place& place, const Address& address) {
  struct stat found {};
  if (::fstatat(place.directory, place.name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return ok();
    return failed(ErrorCode::Unavailable, "cannot look at", path, errno);
  }
  if (!S_ISSOCK(found.st_mode)) {
    return Error{ErrorCode::Conflict, path + " exists and is no socket; it is not ours to replace"};
  }
  const int probe = new_socket();
  if (probe < 0) return failed(ErrorCode::Unavailable, "cannot make a socket for", path, errno);
  const int connected = ::connect(probe, generic(address), address.length);
  const int number = errno;
  ::close(probe);
  if (connected == 0) return Error{ErrorCode::Conflict, "another process already listens on " + path};
  if (number != ECONNREFUSED)
    return failed(ErrorCode::Unavailable, "cannot tell whether anybody listens on", path, number);
  if (::unlinkat(place.directory, place.name.c_str(), 0) != 0 && errno != ENOENT) {
    return failed(ErrorCode::Unavailable, "cannot replace the stale socket", path, errno);
  }
  return ok();
}

Result<int> bound_socket(const std::string& path, const Place& place, mode_t mode) {
  ASSIGN_OR_RETURN(const Address address, address_of(path, place));
  RETURN_IF_ERROR(clear_stale(path, place, address));
  const int descriptor = new_socket();
  if (descriptor < 0) return failed(ErrorCode::Unavailable, "cannot make a socket for", path, errno);
  // The file is born with the mode of the socket's inode, so that it is never more open than configured.
  if (::fchmod(descriptor, mode) != 0 || ::bind(descriptor, generic(address), address.length) != 0) {
    const int number = errno;
    ::close(descriptor);
    return failed(ErrorCode::Unavailable, "cannot bind", path, number);
  }
  if (::fchmodat(place.directory, place.name.c_str(), mode, 0) != 0) {
    const int number = errno;
    ::close(descriptor);
    return failed(ErrorCode::Unavailable, "cannot set the mode of", path, number);
  }
  return descriptor;
}

}  // namespace

bool Peer::in_group(std::uint32_t group) const {
  return gid == group || std::find(groups.begin(), groups.end(), group) != groups.end();
}

Result<Peer> peer_of(int socket) {
  int domain = 0;
  socklen_t domain_length = sizeof(domain);
  if (::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &domain_length) == 0 && domain != AF_UNIX) {
    return Peer{Peer::kNobody, Peer::kNobody, 0, {}};
  }
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0 || length != sizeof(credentials)) {
    return Error{ErrorCode::Internal, "the kernel gives no credentials for a connection"};
  }
  Peer peer;
  peer.uid = credentials.uid;
  peer.gid = credentials.gid;
  peer.pid = credentials.pid;
#ifdef SO_PEERGROUPS
  std::vector<gid_t> groups(32);
  for (int attempt = 0; attempt < 2; ++attempt) {
    length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length) == 0) {
      peer.groups.assign(groups.begin(), groups.begin() + length / static_cast<socklen_t>(sizeof(gid_t)));
      break;
    }
    if (errno != ERANGE) break;
    groups.resize(length / sizeof(gid_t));
  }
#endif
  return peer;
}

Result<Listener> Listener::bind(const std::string& path, mode_t mode) {
  ASSIGN_OR_RETURN(const Place place, place_of(path));
  const Result<int> descriptor = bound_socket(path, place, mode);
  if (!descriptor) {
    ::close(place.directory);
    return descriptor.error();
  }
  return Listener(*descriptor, place.directory, path);
}

Listener::Listener(int descriptor, int directory, std::string path)
    : descriptor_(descriptor), directory_(directory), path_(std::move(path)) {
  struct stat bound {};
  if (directory_ < 0 || ::fstatat(directory_, name_in(path_).c_str(), &bound, AT_SYMLINK_NOFOLLOW) != 0) return;
  device_ = bound.st_dev;
  inode_ = bound.st_ino;
}

Listener::Listener(Listener&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      directory_(std::exchange(other.directory_, -1)),
      path_(std::move(other.path_)),
      device_(other.device_),
      inode_(other.inode_) {}

Listener::~Listener() {
  if (descriptor_ < 0) return;
  // A file that took the place of ours is another's.
  if (directory_ >= 0 && is_ours(directory_, name_in(path_))) ::unlinkat(directory_, name_in(path_).c_str(), 0);
  ::close(descriptor_);
  if (directory_ >= 0) ::close(directory_);
}

bool Listener::in_place() const {
  // By the path, as for whoever connects: the opened folder may itself have been removed.
  return directory_ < 0 || is_ours(AT_FDCWD, path_);
}

bool Listener::is_ours(int directory, const std::string& name) const {
  struct stat found {};
  return ::fstatat(directory, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 && found.st_dev == device_ &&
         found.st_ino == inode_;
}

Status Listener::listen() {
  if (::listen(descriptor_, kBacklog) == 0) return ok();
  return failed(ErrorCode::Unavailable, "cannot listen on", path_, errno);
}

Result<int> connect_to(const std::string& path, std::chrono::nanoseconds timeout) {
  ASSIGN_OR_RETURN(const Place place, place_of(path));
  const Result<Address> address = address_of(path, place);
  const int descriptor = address ? new_socket() : -1;
  if (descriptor < 0) {
    ::close(place.directory);
    if (!address) return address.error();
    return failed(ErrorCode::Unavailable, "cannot make a socket for", path, errno);
  }
  // Also bounds the wait for room in the backlog.
  timeval limit{};
  limit.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(timeout).count();
  limit.tv_usec = static_cast<suseconds_t>((timeout.count() / 1000) % 1'000'000);
  ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  const int connected = ::connect(descriptor, generic(*address), address->length);
  const int number = errno;
  ::close(place.directory);
  if (connected == 0) return descriptor;
  ::close(descriptor);
  return failed(ErrorCode::Unavailable, "nobody answers on", path, number);
}

}  // namespace countersign::transport
