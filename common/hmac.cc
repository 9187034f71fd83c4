#include "common/hmac.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>

namespace countersign {

Digest hmac_sha256(ByteView key, std::initializer_list<ByteView> pieces) {
  constexpr std::size_t kBlock = 64;
  constexpr std::uint8_t kInner = 0x36;
  constexpr std::uint8_t kOuter = 0x5c;
  std::array<std::uint8_t, kBlock> padded{};
  if (key.size() > kBlock) {
    const Digest shorter = sha256(key);
    std::ranges::copy(shorter.bytes(), padded.begin());
  } else {
    std::ranges::copy(key, padded.begin());
  }
  Bytes inner;
  for (const std::uint8_t byte : padded) inner.push_back(byte ^ kInner);
  for (const ByteView piece : pieces) inner.insert(inner.end(), piece.begin(), piece.end());
  const Digest hashed = sha256(inner);
  std::array<std::uint8_t, kBlock> outer{};
  std::ranges::transform(padded, outer.begin(), [](std::uint8_t byte) { return byte ^ kOuter; });
  const Digest code = sha256({ByteView(outer), hashed.bytes()});
  // What the key can be told from.
  OPENSSL_cleanse(padded.data(), padded.size());
  OPENSSL_cleanse(inner.data(), kBlock);
  OPENSSL_cleanse(outer.data(), outer.size());
  return code;
}

}  // namespace countersign
