// The binary form of frame payloads: little-endian integers and length-prefixed text, read with every bound checked.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/digest.h"

namespace countersign::channel {

// Writes over what is there.
template <std::unsigned_integral Number>
void put_number(std::string& out, std::size_t at, Number number) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    out[at + i] = static_cast<char>(static_cast<std::uint8_t>(number >> (8 * i)));
  }
}
template <std::unsigned_integral Number>
void pack_number(std::string& out, Number number) {
  const std::size_t at = out.size();
  out.resize(at + sizeof(Number));
  put_number(out, at, number);
}
// A text: its length, then its bytes. What is appended between begin_text and end_text is one, too.
inline void pack_text(std::string& out, std::string_view text) {
  pack_number(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}
inline std::size_t begin_text(std::string& out) {
  pack_number(out, std::uint32_t{0});
  return out.size() - sizeof(std::uint32_t);
}
inline void end_text(std::string& out, std::size_t begun) {
  put_number(out, begun, static_cast<std::uint32_t>(out.size() - begun - sizeof(std::uint32_t)));
}
inline void pack_digest(std::string& out, const Digest& digest) {
  out += text_of(digest.bytes());
}
inline void pack_time(std::string& out, UtcTime time) {
  pack_number(out, static_cast<std::uint64_t>(time.unix_seconds()));
  pack_number(out, static_cast<std::uint32_t>(time.nanoseconds()));
}

// Reads in the order of packing. The first piece that does not fit makes it, and all later pieces, not `whole`.
class Unpacker {
 public:
  explicit Unpacker(std::string_view payload) : rest_(payload) {}

  template <std::unsigned_integral Number>
  Number number() {
    const std::string_view bytes = take(sizeof(Number));
    Number value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
      value = static_cast<Number>((std::uint64_t{value} << 8) | static_cast<std::uint8_t>(bytes[i]));
    }
    return value;
  }
  std::string_view text() { return take(number<std::uint32_t>()); }
  Digest digest() {
    const Result<Digest> digest = Digest::from_bytes(view_of(take(Digest::kSize)));
    return digest ? *digest : Digest();
  }
  UtcTime time() {
    constexpr std::int64_t kFirst = -62135596800;  // year 1
    constexpr std::int64_t kLast = 253402300799;   // year 9999
    const auto seconds = static_cast<std::int64_t>(number<std::uint64_t>());
    const auto nanoseconds = number<std::uint32_t>();
    if (seconds < kFirst || seconds > kLast || nanoseconds > 999'999'999) {
      broken_ = true;
      return {};
    }
    return UtcTime::from_unix(seconds, static_cast<std::int32_t>(nanoseconds));
  }

  // Everything fitted and nothing is left over.
  bool whole() const { return !broken_ && rest_.empty(); }

 private:
  std::string_view take(std::size_t count) {
    if (broken_ || count > rest_.size()) {
      broken_ = true;
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::string_view rest_;
  bool broken_ = false;
};

}  // namespace countersign::channel
