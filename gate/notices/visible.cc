#include "gate/notices/visible.h"

#include <cstdint>
#include <vector>

#include "gate/vetting/text_scan.h"

namespace countersign::notices {
namespace {

std::string escaped(std::uint32_t c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (; c != 0 || hex.empty(); c /= 16) hex.insert(hex.begin(), kDigits[c % 16]);
  return "\\u{" + hex + "}";
}

}  // namespace

std::string visible(std::string_view text, std::size_t most) {
  constexpr std::uint32_t kDelete = 0x7f;
  constexpr std::uint32_t kEndOfC1 = 0x9f;
  constexpr std::uint32_t kLineSeparator = 0x2028;
  constexpr std::uint32_t kParagraphSeparator = 0x2029;
  const std::vector<vetting::CodePoint> points = vetting::code_points(text);
  std::string out;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::uint32_t c = points[i].value;
    if (out.size() >= most) return out + " …";
    const bool hidden = c < ' ' || (c >= kDelete && c <= kEndOfC1) || c == kLineSeparator || c == kParagraphSeparator ||
                        vetting::is_invisible(c);
    const std::size_t end = i + 1 < points.size() ? points[i + 1].offset : text.size();
    out += hidden ? escaped(c) : std::string(text.substr(points[i].offset, end - points[i].offset));
  }
  return out;
}

}  // namespace countersign::notices
