#include "gate/vetting/system_version.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <vector>

namespace countersign::vetting {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int sign(std::int64_t order) {
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

// The digits that it begins with, taken off; 0 where there are none, nothing where they are too many.
std::optional<std::int64_t> taken_number(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && is_digit(text[length])) ++length;
  std::int64_t value = 0;
  if (length > 18) return std::nullopt;
  std::from_chars(text.data(), text.data() + length, value);
  text.remove_prefix(length);
  return value;
}

// --- Debian ---

struct DebianVersion {
  std::int64_t epoch = 0;
  std::string_view upstream;
  std::string_view revision;  // none is "0"
};

std::optional<DebianVersion> debian(std::string_view text) {
  DebianVersion out;
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    std::string_view epoch = text.substr(0, colon);
    const auto number = taken_number(epoch);
    if (!number || !epoch.empty() || colon == 0) return std::nullopt;
    out.epoch = *number;
    text.remove_prefix(colon + 1);
  }
  const std::size_t dash = text.rfind('-');
  out.upstream = text.substr(0, dash);
  out.revision = dash == std::string_view::npos ? std::string_view("0") : text.substr(dash + 1);
  const auto good = [](std::string_view part, std::string_view more) {
    return !part.empty() && std::ranges::all_of(part, [&](char c) {
      return is_digit(c) || is_letter(c) || more.find(c) != std::string_view::npos;
    });
  };
  if (!good(out.upstream, ".+~-:") || !good(out.revision, ".+~")) return std::nullopt;
  return out;
}

// '~' is older than the end, which is older than letters, which are older than what else there is.
int weight(std::string_view text) {
  if (text.empty() || is_digit(text.front())) return 0;
  if (text.front() == '~') return -1;
  return is_letter(text.front()) ? text.front() : text.front() + 256;
}

// By turns what is no digits, character by character, and digits as a number.
std::optional<int> compare_debian_parts(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    while ((!a.empty() && !is_digit(a.front())) || (!b.empty() && !is_digit(b.front()))) {
      if (const int order = weight(a) - weight(b); order != 0) return sign(order);
      if (!a.empty()) a.remove_prefix(1);
      if (!b.empty()) b.remove_prefix(1);
    }
    const auto left = taken_number(a);
    const auto right = taken_number(b);
    if (!left || !right) return std::nullopt;
    if (*left != *right) return *left < *right ? -1 : 1;
  }
  return 0;
}

// --- Alpine ---

// In the order of apk's: where two versions differ by what comes next, the later kind is the older version.
enum class Kind { Part, Digits, Letter, Suffix, SuffixNumber, Revision, End };
struct Token {
  Kind kind;
  std::int64_t value;  // below 0: of a suffix that comes before the version, of zeros that a part begins with
};

struct SuffixRow {
  std::string_view name;
  std::int64_t value;
};
constexpr SuffixRow kSuffixes[] = {{"alpha", -4}, {"beta", -3}, {"pre", -2}, {"rc", -1}, {"cvs", 0},
                                   {"svn", 1},    {"git", 2},   {"hg", 3},   {"p", 4}};

class AlpineReader {
 public:
  explicit AlpineReader(std::string_view text) : rest_(text) {}

  std::optional<std::vector<Token>> read() {
    if (rest_.empty() || !is_digit(rest_.front()) || !add_number(Kind::Digits)) return std::nullopt;
    while (take(".")) {
      if (!read_part()) return std::nullopt;
    }
    if (!rest_.empty() && is_letter(rest_.front())) {
      tokens_.push_back({Kind::Letter, rest_.front()});
      rest_.remove_prefix(1);
    }
    while (take("_")) {
      if (!read_suffix()) return std::nullopt;
    }
    if (take("-r") && (rest_.empty() || !is_digit(rest_.front()) || !add_number(Kind::Revision))) return std::nullopt;
    if (!rest_.empty()) return std::nullopt;
    tokens_.push_back({Kind::End, 0});
    return std::move(tokens_);
  }

 private:
  bool take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  bool add_number(Kind kind) {
    const auto number = taken_number(rest_);
    if (number) tokens_.push_back({kind, *number});
    return number.has_value();
  }
  // Zeros in front count: 1.01 lies between 1.0 and 1.1.
  bool read_part() {
    if (rest_.empty() || !is_digit(rest_.front())) return false;
    if (rest_.front() != '0') return add_number(Kind::Part);
    std::int64_t zeros = 0;
    while (take("0")) ++zeros;
    tokens_.push_back({Kind::Part, -zeros});
    return rest_.empty() || add_number(Kind::Digits);
  }
  bool read_suffix() {
    for (const SuffixRow& row : kSuffixes) {
      if (!take(row.name)) continue;
      tokens_.push_back({Kind::Suffix, row.value});
      return rest_.empty() || !is_digit(rest_.front()) || add_number(Kind::SuffixNumber);
    }
    return false;
  }

  std::string_view rest_;
  std::vector<Token> tokens_;
};

bool is_before(const Token& token) {
  return token.kind == Kind::Suffix && token.value < 0;
}

}  // namespace

std::optional<int> compare_debian_versions(std::string_view a, std::string_view b) {
  const auto left = debian(a);
  const auto right = debian(b);
  if (!left || !right) return std::nullopt;
  if (left->epoch != right->epoch) return left->epoch < right->epoch ? -1 : 1;
  const auto upstream = compare_debian_parts(left->upstream, right->upstream);
  if (!upstream || *upstream != 0) return upstream;
  return compare_debian_parts(left->revision, right->revision);
}

std::optional<int> compare_alpine_versions(std::string_view a, std::string_view b) {
  const auto left = AlpineReader(a).read();
  const auto right = AlpineReader(b).read();
  if (!left || !right) return std::nullopt;
  for (std::size_t i = 0; i < std::min(left->size(), right->size()); ++i) {
    const Token& x = (*left)[i];
    const Token& y = (*right)[i];
    if (x.kind == y.kind) {
      if (x.value != y.value) return x.value < y.value ? -1 : 1;
      continue;
    }
    if (is_before(x) || is_before(y)) return is_before(x) ? -1 : 1;
    return x.kind > y.kind ? -1 : 1;
  }
  return 0;
}

}  // namespace countersign::vetting
