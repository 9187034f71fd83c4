#include "common/armour.h"

#include <algorithm>
#include <iterator>

#include "common/text.h"

namespace countersign {
namespace {

constexpr std::size_t kLine = 64;

std::string line(std::string_view word, std::string_view label) {
  return "-----" + std::string(word) + " " + std::string(label) + "-----";
}

}  // namespace

Result<Bytes> from_armour(std::string_view text, std::string_view label) {
  const std::string begin = line("BEGIN", label);
  const std::string end = line("END", label);
  std::string_view inner = trimmed(text);
  if (!inner.starts_with(begin) || !inner.ends_with(end) || inner.size() < begin.size() + end.size()) {
    return Error{ErrorCode::Invalid, "no one block BEGIN " + std::string(label) + " … END " + std::string(label)};
  }
  inner.remove_prefix(begin.size());
  inner.remove_suffix(end.size());
  std::string body;
  std::copy_if(inner.begin(), inner.end(), std::back_inserter(body), [](char c) { return c != '\n' && c != '\r'; });
  return from_base64(body);
}

std::string to_armour(ByteView bytes, std::string_view label) {
  const std::string text = to_base64(bytes);
  std::string out = line("BEGIN", label) + "\n";
  for (std::size_t at = 0; at < text.size(); at += kLine) out += text.substr(at, kLine) + "\n";
  return out + line("END", label) + "\n";
}

}  // namespace countersign
