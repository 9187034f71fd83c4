#include "common/bytes.h"

#include <array>

#include "common/hex_digit.h"

namespace countersign {
namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlSafe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kNotInAlphabet = 0xff;

std::string encode(ByteView bytes, std::string_view alphabet, bool padded) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const unsigned group =
        static_cast<unsigned>(bytes[i]) << 16 | static_cast<unsigned>(bytes[i + 1]) << 8 | bytes[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) out += alphabet[group >> shift & 63];
  }
  const std::size_t rest = bytes.size() - i;
  if (rest > 0) {
    const unsigned group =
        static_cast<unsigned>(bytes[i]) << 16 | (rest == 2 ? static_cast<unsigned>(bytes[i + 1]) << 8 : 0U);
    out += alphabet[group >> 18 & 63];
    out += alphabet[group >> 12 & 63];
    if (rest == 2) out += alphabet[group >> 6 & 63];
    if (padded) out.append(3 - rest, '=');
  }
  return out;
}

Result<Bytes> decode(std::string_view text, std::string_view alphabet, bool padded) {
  std::array<std::uint8_t, 256> value_of;
  value_of.fill(kNotInAlphabet);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    value_of[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  if (padded) {
    if (text.size() % 4 != 0) return Error{ErrorCode::Invalid, "base64 text whose length is no multiple of four"};
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return Error{ErrorCode::Invalid, "base64 text of an impossible length"};
  Bytes out;
  out.reserve(text.size() / 4 * 3 + 2);
  unsigned group = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const std::uint8_t value = value_of[static_cast<unsigned char>(c)];
    if (value == kNotInAlphabet) return Error{ErrorCode::Invalid, "base64 text with a character outside its alphabet"};
    group = group << 6 | value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<std::uint8_t>(group >> bits & 0xff));
    }
  }
  // Two spellings of the same bytes would be two texts of one signature.
  if ((group & ((1U << bits) - 1)) != 0) return Error{ErrorCode::Invalid, "base64 text with non-zero trailing bits"};
  return out;
}

}  // namespace

std::string to_hex(ByteView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out(bytes.size() * 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    out[2 * i] = kDigits[bytes[i] >> 4];
    out[2 * i + 1] = kDigits[bytes[i] & 15];
  }
  return out;
}

Result<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return Error{ErrorCode::Invalid, "hex text of odd length"};
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return Error{ErrorCode::Invalid, "hex text with a character that is no hex digit"};
    out.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return out;
}

std::string to_base64(ByteView bytes) {
  return encode(bytes, kStandard, true);
}
Result<Bytes> from_base64(std::string_view text) {
  return decode(text, kStandard, true);
}
std::string to_base64url(ByteView bytes) {
  return encode(bytes, kUrlSafe, false);
}
Result<Bytes> from_base64url(std::string_view text) {
  return decode(text, kUrlSafe, false);
}

}  // namespace countersign
