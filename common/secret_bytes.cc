#include "common/secret_bytes.h"

#include <openssl/crypto.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace countersign {
namespace {

constexpr std::size_t kLongestSecret = 256;

}  // namespace

SecretBytes::SecretBytes(Bytes&& bytes) {
  Bytes source = std::move(bytes);
  if (source.empty()) return;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  mapped_ = (source.size() + page - 1) / page * page;
  void* memory = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  mlock(memory, mapped_);
  madvise(memory, mapped_, MADV_DONTDUMP);
  madvise(memory, mapped_, MADV_WIPEONFORK);
  data_ = static_cast<std::uint8_t*>(memory);
  size_ = source.size();
  std::memcpy(data_, source.data(), size_);
  OPENSSL_cleanse(source.data(), source.size());
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    wipe();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    mapped_ = std::exchange(other.mapped_, 0);
  }
  return *this;
}

SecretBytes::~SecretBytes() {
  wipe();
}

void SecretBytes::wipe() {
  if (data_ == nullptr) return;
  OPENSSL_cleanse(data_, mapped_);
  munmap(data_, mapped_);
  data_ = nullptr;
  size_ = 0;
  mapped_ = 0;
}

Result<SecretBytes> read_secret(int descriptor) {
  Bytes text(kLongestSecret + 2);
  std::size_t length = 0;
  ssize_t got = 0;
  while (length < text.size() && (got = read(descriptor, text.data() + length, text.size() - length)) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    length += static_cast<std::size_t>(got);
  }
  close(descriptor);
  if (got >= 0 && length > 0 && text[length - 1] == '\n') --length;
  const bool holds_nul = std::memchr(text.data(), 0, length) != nullptr;
  const bool usable = got >= 0 && length > 0 && length <= kLongestSecret && !holds_nul;
  text.resize(usable ? length : 0);  // shrinking keeps the allocation, which the constructor or the line below wipes
  if (!usable) {
    OPENSSL_cleanse(text.data(), text.capacity());
    return Error{ErrorCode::Invalid, "the PIN is unreadable, empty, longer than 256 bytes or holds a NUL byte"};
  }
  return SecretBytes(std::move(text));
}

}  // namespace countersign
