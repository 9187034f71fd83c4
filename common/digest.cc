#include "common/digest.h"

#include <openssl/sha.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdlib>

#include "common/hex_digit.h"

namespace countersign {

Result<Digest> Digest::parse(std::string_view text) {
  if (text.size() != 2 * kSize) return Error{ErrorCode::Invalid, "a SHA-256 digest has 64 hex digits"};
  Digest digest;
  for (std::size_t i = 0; i < kSize; ++i) {
    const int high = hex_digit(text[2 * i]);
    const int low = hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return Error{ErrorCode::Invalid, "hex text with a character that is no hex digit"};
    digest.bytes_[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return digest;
}

Result<Digest> Digest::from_bytes(ByteView bytes) {
  if (bytes.size() != kSize) return Error{ErrorCode::Invalid, "a SHA-256 digest has 32 bytes"};
  Digest digest;
  std::copy(bytes.begin(), bytes.end(), digest.bytes_.begin());
  return digest;
}

Digest sha256(ByteView bytes) {
  return sha256({bytes});
}

// The deprecated SHA256_* functions are used on purpose: EVP fetches the algorithm at each call, which costs more
// than hashing a record does. Measured in tests/bench.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
Digest sha256(std::initializer_list<ByteView> pieces) {
  SHA256_CTX context;
  SHA256_Init(&context);
  for (const ByteView piece : pieces) SHA256_Update(&context, piece.data(), piece.size());
  std::array<std::uint8_t, Digest::kSize> out;
  SHA256_Final(out.data(), &context);
  return Digest(out);
}
#pragma GCC diagnostic pop

Bytes random_bytes(std::size_t count) {
  Bytes out(count);
  std::size_t filled = 0;
  while (filled < count) {
    const ssize_t got = getrandom(out.data() + filled, count - filled, 0);
    if (got < 0) std::abort();
    filled += static_cast<std::size_t>(got);
  }
  return out;
}

}  // namespace countersign
