#include "gate/document/paths.h"

#include <vector>

namespace countersign::gate {
namespace {

enum class Outcome { Match, NoMatch, Malformed };

// The length in bytes of the UTF-8 character at the start of `text`; 1 for a byte that starts none.
std::size_t character_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  return length <= text.size() ? length : 1;
}

std::string_view take_character(std::string_view& text) {
  const std::string_view character = text.substr(0, character_length(text));
  text.remove_prefix(character.size());
  return character;
}

// One end of a range inside brackets; empty where malformed.
std::string_view take_range_end(std::string_view& pattern) {
  if (pattern.empty() || pattern.front() == '-' || pattern.front() == ']') return {};
  if (pattern.front() == '\\') {
    pattern.remove_prefix(1);
    if (pattern.empty()) return {};
  }
  return take_character(pattern);
}

// `pattern` stands behind '['. UTF-8 orders as code points do, so comparing bytes compares characters.
Outcome match_brackets(std::string_view& pattern, std::string_view character) {
  bool negated = false;
  if (!pattern.empty() && pattern.front() == '^') {
    negated = true;
    pattern.remove_prefix(1);
  }
  bool inside = false;
  for (std::size_t ranges = 0;; ++ranges) {
    if (!pattern.empty() && pattern.front() == ']' && ranges > 0) {
      pattern.remove_prefix(1);
      return inside != negated ? Outcome::Match : Outcome::NoMatch;
    }
    const std::string_view low = take_range_end(pattern);
    if (low.empty()) return Outcome::Malformed;
    std::string_view high = low;
    if (!pattern.empty() && pattern.front() == '-') {
      pattern.remove_prefix(1);
      high = take_range_end(pattern);
      if (high.empty()) return Outcome::Malformed;
    }
    if (low <= character && character <= high) inside = true;
  }
}

// Backtracks to the last star only: a later star makes an earlier one's choice irrelevant, except that neither may
// cross a '/'.
bool match_here(std::string_view pattern, std::string_view name) {
  std::string_view after_star;
  std::string_view star_name;
  bool has_star = false;
  while (true) {
    bool failed = false;
    if (pattern.empty()) {
      if (name.empty()) return true;
      failed = true;
    } else if (pattern.front() == '*') {
      while (!pattern.empty() && pattern.front() == '*') pattern.remove_prefix(1);
      after_star = pattern;
      star_name = name;
      has_star = true;
      continue;
    } else if (name.empty()) {
      return false;
    } else {
      std::string_view rest = name;
      const std::string_view character = take_character(rest);
      const char head = pattern.front();
      if (head == '?') {
        pattern.remove_prefix(1);
        failed = character == "/";
      } else if (head == '[') {
        pattern.remove_prefix(1);
        const Outcome outcome = match_brackets(pattern, character);
        if (outcome == Outcome::Malformed) return false;
        failed = outcome == Outcome::NoMatch;
      } else {
        if (head == '\\') {
          pattern.remove_prefix(1);
          if (pattern.empty()) return false;
        }
        failed = take_character(pattern) != character;
      }
      if (!failed) {
        name = rest;
        continue;
      }
    }
    if (!has_star || star_name.empty() || star_name.front() == '/') return false;
    take_character(star_name);
    name = star_name;
    pattern = after_star;
  }
}

}  // namespace

std::string cleaned_path(std::string_view path) {
  const bool rooted = !path.empty() && path.front() == '/';
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (segment.empty() || segment == ".") continue;
    if (segment != "..") {
      segments.push_back(segment);
    } else if (!segments.empty() && segments.back() != "..") {
      segments.pop_back();
    } else if (!rooted) {
      segments.push_back(segment);
    }
  }
  std::string out = rooted ? "/" : "";
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (i > 0) out += '/';
    out += segments[i];
  }
  return out.empty() ? "." : out;
}

bool matches_shell_pattern(std::string_view pattern, std::string_view name) {
  return match_here(pattern, name);
}

bool matches_path_pattern(std::string_view pattern, std::string_view path) {
  if (pattern == path) return true;
  constexpr std::string_view kBelow = "/**";
  if (pattern.ends_with(kBelow)) {
    const std::string_view prefix = pattern.substr(0, pattern.size() - kBelow.size());
    return path == prefix || (path.starts_with(prefix) && path.substr(prefix.size()).starts_with('/'));
  }
  return matches_shell_pattern(pattern, path);
}

bool matches_domain_pattern(std::string_view pattern, std::string_view domain) {
  if (pattern == domain) return true;
  if (pattern.starts_with("*.")) return domain.ends_with(pattern.substr(1));
  return matches_shell_pattern(pattern, domain);
}

bool is_within(std::string_view path, std::string_view root) {
  if (path == root || root == "/") return true;
  return path.starts_with(root) && path.substr(root.size()).starts_with('/');
}

}  // namespace countersign::gate
