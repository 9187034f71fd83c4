// SHA-256 digests. Prints as 64 lower-case hex digits.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"

namespace countersign {

class Digest {
 public:
  static constexpr std::size_t kSize = 32;

  Digest() = default;  // all zero
  explicit Digest(const std::array<std::uint8_t, kSize>& bytes) : bytes_(bytes) {}

  // Exactly 64 hex digits, either case. Fails with Invalid otherwise.
  static Result<Digest> parse(std::string_view text);
  // Exactly 32 bytes. Fails with Invalid otherwise.
  static Result<Digest> from_bytes(ByteView bytes);

  std::string hex() const { return to_hex(bytes_); }
  ByteView bytes() const { return bytes_; }
  auto operator<=>(const Digest&) const = default;

 private:
  std::array<std::uint8_t, kSize> bytes_{};
};

Digest sha256(ByteView bytes);
inline Digest sha256(std::string_view text) {
  return sha256(view_of(text));
}
// Over the pieces one after another.
Digest sha256(std::initializer_list<ByteView> pieces);

// `count` bytes of the operating system's randomness. Ends the process if there is none.
Bytes random_bytes(std::size_t count);

}  // namespace countersign
