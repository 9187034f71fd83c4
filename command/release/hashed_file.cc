#include "command/release/hashed_file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

namespace countersign::command {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 20;
constexpr std::uint64_t kTellEvery = std::uint64_t{64} << 20;

struct Closing {
  int descriptor;
  ~Closing() {
    if (descriptor >= 0) ::close(descriptor);
  }
};
struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

Error unreadable(const std::string& path, const std::string& why) {
  return Error{ErrorCode::Invalid, "cannot read " + path + ": " + why, "artifact_unreadable"};
}

bool same_moment(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// Whoever writes a file cannot keep its change time from moving.
bool unchanged(const struct stat& before, const struct stat& after) {
  return before.st_dev == after.st_dev && before.st_ino == after.st_ino && before.st_size == after.st_size &&
         same_moment(before.st_mtim, after.st_mtim) && same_moment(before.st_ctim, after.st_ctim);
}

}  // namespace

Result<HashedFile> hash_file(const std::string& path,
                             const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  const Closing file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.descriptor < 0) return unreadable(path, std::strerror(errno));
  struct stat before {};
  if (::fstat(file.descriptor, &before) != 0) return unreadable(path, std::strerror(errno));
  if (!S_ISREG(before.st_mode)) return unreadable(path, "it is no regular file");
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) std::abort();
  std::vector<std::uint8_t> chunk(kChunk);
  HashedFile hashed;
  while (true) {
    const ssize_t got = ::read(file.descriptor, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(path, std::strerror(errno));
    if (got == 0) break;
    if (EVP_DigestUpdate(context.get(), chunk.data(), static_cast<std::size_t>(got)) != 1) std::abort();
    const std::uint64_t told = hashed.size / kTellEvery;
    hashed.size += static_cast<std::uint64_t>(got);
    if (progress && hashed.size / kTellEvery != told) progress(hashed.size, static_cast<std::uint64_t>(before.st_size));
  }
  std::array<std::uint8_t, Digest::kSize> bytes{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context.get(), bytes.data(), &size) != 1 || size != bytes.size()) std::abort();
  hashed.sha256 = Digest(bytes);
  struct stat after {
  }, named{};
  const bool there = ::fstat(file.descriptor, &after) == 0 && ::stat(path.c_str(), &named) == 0;
  if (!there || !unchanged(before, after) || !unchanged(before, named) ||
      hashed.size != static_cast<std::uint64_t>(before.st_size)) {
    return Error{ErrorCode::Conflict, path + " changed while it was read", "artifact_changed",
                 "Sign what is finished: let the build end first."};
  }
  return hashed;
}

}  // namespace countersign::command
