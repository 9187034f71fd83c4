// SecretBytes holds a PIN or a key: it moves, never copies, prints or compares, and wipes itself.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/bytes.h"

namespace countersign {

class SecretBytes {
 public:
  SecretBytes() = default;
  // Takes the bytes over and wipes the source. The memory is locked and kept out of core dumps where the kernel allows
  // it.
  explicit SecretBytes(Bytes&& bytes);
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes();

  bool empty() const { return size_ == 0; }

  // The only way to the bytes: `grep -rn 'reveal()'` is the audit.
  std::span<const std::uint8_t> reveal() const { return {data_, size_}; }

  // Wipes now instead of at the end of the scope.
  void wipe();

 private:
  std::uint8_t* data_ = nullptr;  // a mapping of its own, so that locking it locks nothing else
  std::size_t size_ = 0;
  std::size_t mapped_ = 0;
};

// Reads a PIN from a descriptor to its end and closes it; one trailing line break is not part of the PIN.
// Fails with Invalid when it is empty, longer than 256 bytes or holds a NUL.
Result<SecretBytes> read_secret(int descriptor);

}  // namespace countersign
