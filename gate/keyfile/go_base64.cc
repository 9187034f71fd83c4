#include "gate/keyfile/go_base64.h"

#include <string>

namespace countersign::keyfile {
namespace {

constexpr std::size_t kQuantum = 4;  // characters for three bytes

int value_of(char c) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::size_t place = kAlphabet.find(c);
  return place == std::string_view::npos ? -1 : static_cast<int>(place);
}

Error illegal(std::size_t at) {
  return Error{ErrorCode::Invalid, "illegal base64 data at input byte " + std::to_string(at)};
}

std::size_t after_line_breaks(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == '\n' || text[at] == '\r')) ++at;
  return at;
}

// The padding that begins before `at`, behind `count` characters of its quantum: it has to be complete and the last.
Status check_padding(std::string_view text, std::size_t at, std::size_t count) {
  if (count < 2) return illegal(at - 1);
  if (count == 2) {
    at = after_line_breaks(text, at);
    if (at == text.size()) return illegal(text.size());
    if (text[at] != '=') return illegal(at - 1);
    ++at;
  }
  at = after_line_breaks(text, at);
  return at < text.size() ? Status(illegal(at)) : ok();
}

void append(Bytes& out, std::uint32_t bits, std::size_t count) {
  bits <<= 6 * (kQuantum - count);
  for (std::size_t i = 0; i + 1 < count; ++i) out.push_back(static_cast<std::uint8_t>(bits >> (16 - 8 * i) & 0xff));
}

}  // namespace

Result<Bytes> from_go_base64(std::string_view text) {
  Bytes out;
  std::uint32_t bits = 0;
  std::size_t count = 0;  // characters of the quantum so far
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at++];
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      RETURN_IF_ERROR(check_padding(text, at, count));
      append(out, bits, count);
      return out;
    }
    const int value = value_of(c);
    if (value < 0) return illegal(at - 1);
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if (++count < kQuantum) continue;
    append(out, bits, count);
    bits = 0;
    count = 0;
  }
  if (count != 0) return illegal(text.size() - count);
  return out;
}

}  // namespace countersign::keyfile
