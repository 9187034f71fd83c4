#include "gate/vetting/version.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "gate/vetting/system_version.h"

namespace countersign::vetting {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

// Numbers of any length, compared as numbers.
int compare_numbers(std::string_view a, std::string_view b) {
  while (a.size() > 1 && a.front() == '0') a.remove_prefix(1);
  while (b.size() > 1 && b.front() == '0') b.remove_prefix(1);
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  const int order = a.compare(b);
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t cut = text.find(separator);
    out.push_back(text.substr(0, cut));
    if (cut == std::string_view::npos) return out;
    text.remove_prefix(cut + 1);
  }
}

struct SemanticVersion {
  std::array<std::string_view, 3> release = {"0", "0", "0"};
  std::vector<std::string_view> pre;
};

// Missing minor and patch numbers are 0: advisories write "1.2".
std::optional<SemanticVersion> semantic(std::string_view text) {
  if (!text.empty() && (text.front() == 'v' || text.front() == '=')) text.remove_prefix(1);
  text = text.substr(0, text.find('+'));
  SemanticVersion out;
  const std::size_t dash = text.find('-');
  if (dash != std::string_view::npos) {
    out.pre = split(text.substr(dash + 1), '.');
    for (const std::string_view part : out.pre) {
      if (part.empty()) return std::nullopt;
    }
    text = text.substr(0, dash);
  }
  const auto numbers = split(text, '.');
  if (numbers.size() > 3) return std::nullopt;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (!all_digits(numbers[i])) return std::nullopt;
    out.release[i] = numbers[i];
  }
  return out;
}

int compare_semantic(const SemanticVersion& a, const SemanticVersion& b) {
  for (std::size_t i = 0; i < 3; ++i) {
    if (const int order = compare_numbers(a.release[i], b.release[i]); order != 0) return order;
  }
  if (a.pre.empty() || b.pre.empty()) return static_cast<int>(a.pre.empty()) - static_cast<int>(b.pre.empty());
  for (std::size_t i = 0; i < std::min(a.pre.size(), b.pre.size()); ++i) {
    const bool number_a = all_digits(a.pre[i]);
    const bool number_b = all_digits(b.pre[i]);
    int order = 0;
    if (number_a && number_b) {
      order = compare_numbers(a.pre[i], b.pre[i]);
    } else if (number_a != number_b) {
      order = number_a ? -1 : 1;
    } else {
      const int text = a.pre[i].compare(b.pre[i]);
      order = text < 0 ? -1 : text > 0 ? 1 : 0;
    }
    if (order != 0) return order;
  }
  return a.pre.size() < b.pre.size() ? -1 : a.pre.size() > b.pre.size() ? 1 : 0;
}

// PEP 440 as the parts of its sort key.
struct PythonVersion {
  std::string epoch = "0";
  std::vector<std::string> release;
  int pre_phase = 3;  // 0 a, 1 b, 2 rc, 3 none, -1 where only a development release stands before the release
  std::string pre_number = "0";
  std::string post;  // empty: none
  std::string dev;   // empty: none
  std::vector<std::string> local;
};

class PythonReader {
 public:
  explicit PythonReader(std::string_view text) {
    for (const char c : text) rest_ += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    while (!rest_.empty() && (rest_.back() == ' ' || rest_.back() == '\t')) rest_.pop_back();
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.erase(0, 1);
    if (rest_.starts_with("v")) rest_.erase(0, 1);
  }

  std::optional<PythonVersion> read() {
    PythonVersion out;
    std::string first = number();
    if (first.empty()) return std::nullopt;
    if (take("!")) {
      out.epoch = first;
      first = number();
      if (first.empty()) return std::nullopt;
    }
    out.release.push_back(first);
    while (rest_.size() > 1 && rest_[0] == '.' && is_digit(rest_[1])) {
      take(".");
      out.release.push_back(number());
    }
    while (out.release.size() > 1 && out.release.back().find_first_not_of('0') == std::string::npos)
      out.release.pop_back();
    read_pre(out);
    read_post(out);
    read_dev(out);
    if (take("+")) {
      std::string part;
      for (const char c : rest_ + ".") {
        if (c == '.' || c == '-' || c == '_') {
          if (part.empty()) return std::nullopt;
          out.local.push_back(std::exchange(part, {}));
        } else {
          part += c;
        }
      }
      rest_.clear();
    }
    return rest_.empty() ? std::optional(out) : std::nullopt;
  }

 private:
  bool take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.erase(0, text.size());
    return true;
  }
  std::string number() {
    std::size_t length = 0;
    while (length < rest_.size() && is_digit(rest_[length])) ++length;
    std::string out = rest_.substr(0, length);
    rest_.erase(0, length);
    return out;
  }
  // One of `words`, with an optional separator before it and before its number.
  template <std::size_t N>
  std::optional<std::size_t> word(const std::string_view (&words)[N], std::string& its_number) {
    const std::string before = rest_;
    if (!rest_.empty() && (rest_[0] == '.' || rest_[0] == '-' || rest_[0] == '_')) rest_.erase(0, 1);
    for (std::size_t i = 0; i < N; ++i) {
      if (!take(words[i])) continue;
      if (rest_.size() > 1 && (rest_[0] == '.' || rest_[0] == '-' || rest_[0] == '_') && is_digit(rest_[1]))
        rest_.erase(0, 1);
      its_number = number();
      if (its_number.empty()) its_number = "0";
      return i;
    }
    rest_ = before;
    return std::nullopt;
  }
  void read_pre(PythonVersion& out) {
    static constexpr std::string_view kWords[] = {"alpha", "a", "beta", "b", "preview", "pre", "rc", "c"};
    static constexpr int kPhases[] = {0, 0, 1, 1, 2, 2, 2, 2};
    if (const auto found = word(kWords, out.pre_number)) out.pre_phase = kPhases[*found];
  }
  void read_post(PythonVersion& out) {
    static constexpr std::string_view kWords[] = {"post", "rev", "r"};
    if (rest_.size() > 1 && rest_[0] == '-' && is_digit(rest_[1])) {
      take("-");
      out.post = number();
    } else {
      (void)word(kWords, out.post);
    }
  }
  void read_dev(PythonVersion& out) {
    static constexpr std::string_view kWords[] = {"dev"};
    (void)word(kWords, out.dev);
    if (!out.dev.empty() && out.pre_phase == 3 && out.post.empty()) out.pre_phase = -1;
  }

  std::string rest_;
};

// Nothing is older than something (`none_first`), or newer.
int compare_optional(const std::string& a, const std::string& b, bool none_first) {
  if (a.empty() || b.empty()) {
    const int order = static_cast<int>(b.empty()) - static_cast<int>(a.empty());
    return none_first ? order : -order;
  }
  return compare_numbers(a, b);
}

int compare_local(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const bool number_a = all_digits(a[i]);
    const bool number_b = all_digits(b[i]);
    if (number_a != number_b) return number_a ? 1 : -1;
    const int order = number_a ? compare_numbers(a[i], b[i]) : a[i].compare(b[i]);
    if (order != 0) return order < 0 ? -1 : 1;
  }
  return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

int compare_python(const PythonVersion& a, const PythonVersion& b) {
  if (const int order = compare_numbers(a.epoch, b.epoch); order != 0) return order;
  for (std::size_t i = 0; i < std::max(a.release.size(), b.release.size()); ++i) {
    const std::string_view left = i < a.release.size() ? std::string_view(a.release[i]) : "0";
    const std::string_view right = i < b.release.size() ? std::string_view(b.release[i]) : "0";
    if (const int order = compare_numbers(left, right); order != 0) return order;
  }
  if (a.pre_phase != b.pre_phase) return a.pre_phase < b.pre_phase ? -1 : 1;
  if (const int order = compare_numbers(a.pre_number, b.pre_number); order != 0) return order;
  if (const int order = compare_optional(a.post, b.post, true); order != 0) return order;
  if (const int order = compare_optional(a.dev, b.dev, false); order != 0) return order;
  return compare_local(a.local, b.local);
}

}  // namespace

std::optional<int> compare_versions(Ecosystem ecosystem, std::string_view a, std::string_view b) {
  if (a == "0" || b == "0") return static_cast<int>(b == "0") - static_cast<int>(a == "0");
  if (ecosystem == Ecosystem::PyPI) {
    const auto left = PythonReader(a).read();
    const auto right = PythonReader(b).read();
    if (!left || !right) return std::nullopt;
    return compare_python(*left, *right);
  }
  if (ecosystem == Ecosystem::Debian) return compare_debian_versions(a, b);
  if (ecosystem == Ecosystem::Alpine) return compare_alpine_versions(a, b);
  const auto left = semantic(a);
  const auto right = semantic(b);
  if (!left || !right) return std::nullopt;
  return compare_semantic(*left, *right);
}

}  // namespace countersign::vetting
