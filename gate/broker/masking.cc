#include "gate/broker/masking.h"

#include <algorithm>
#include <array>
#include <set>

#include "gate/vetting/secrets.h"

namespace countersign::broker {
namespace {

// Words that are secrets' names wherever they stand, and pairs of words that are.
constexpr std::string_view kSecretWords[] = {"password",      "passwd",     "passphrase",  "secret", "secrets",
                                             "authorization", "credential", "credentials", "apikey", "pin",
                                             "cookie",        "bearer",     "pwd"};
constexpr std::array<std::string_view, 2> kSecretPairs[] = {
    {"api", "key"},       {"access", "key"}, {"private", "key"},   {"signing", "key"}, {"access", "token"},
    {"refresh", "token"}, {"auth", "token"}, {"session", "token"}, {"id", "token"}};

std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words(1);
  char before = 0;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool letter = upper || (c >= 'a' && c <= 'z');
    const bool follows_lower = before >= 'a' && before <= 'z';
    if ((!letter || (upper && follows_lower)) && !words.back().empty()) words.emplace_back();
    if (letter) words.back() += static_cast<char>(upper ? c - 'A' + 'a' : c);
    before = c;
  }
  return words;
}

bool names_a_secret(std::string_view name) {
  const std::vector<std::string> words = words_of(name);
  if (words.size() == 1 && words.front() == "token") return true;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (std::ranges::find(kSecretWords, words[i]) != std::end(kSecretWords)) return true;
    for (const auto& [first, second] : kSecretPairs) {
      if (words[i] == first && i + 1 < words.size() && words[i + 1] == second) return true;
    }
  }
  return false;
}

std::set<int> lines_with_secrets(const std::string& text) {
  vetting::FileView view;
  view.path = "text";
  view.bytes = text;
  view.text = text;
  std::vector<vetting::Finding> findings;
  vetting::find_secrets(view, findings);
  std::set<int> lines;
  for (const vetting::Finding& finding : findings) lines.insert(finding.line);
  return lines;
}

std::string without_secret_lines(const std::string& text) {
  const std::set<int> lines = lines_with_secrets(text);
  if (lines.empty()) return text;
  std::string out;
  int number = 1;
  for (std::size_t start = 0; start <= text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    out += lines.contains(number) ? std::string(kMasked) : text.substr(start, end - start);
    if (end < text.size()) out += '\n';
    start = end + 1;
  }
  return out;
}

std::string masked_text(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && (text[first] == '{' || text[first] == '[')) {
    if (const Result<Json> json = Json::parse(text, {.bytes = text.size()})) return masked(*json).compact();
  }
  return without_secret_lines(text);
}

// As much of `text` as fits, at the end of a character.
std::string cut(const std::string& text, std::size_t most) {
  std::size_t end = std::min(text.size(), most);
  while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

// What holds the texts of a row: of a message its content, of embedded resources the resource.
Json& part_in(Json& row) {
  for (const std::string_view member : {"content", "resource"}) {
    Json* inner = row.find(member);
    if (inner != nullptr && inner->is_object()) return part_in(*inner);
  }
  return row;
}

// True where something was cut.
bool mask_part(Json& part, std::size_t& left) {
  bool shortened = false;
  for (const std::string_view member : {"text", "data", "blob"}) {
    Json* text = part.find(member);
    if (text == nullptr || !text->is_string()) continue;
    std::string shown = member == "text" ? masked_text(text->as_string()) : text->as_string();
    if (shown.size() > left) {
      shown = member == "text" ? cut(shown, left) : std::string();
      shortened = true;
    }
    left -= shown.size();
    *text = Json(std::move(shown));
  }
  return shortened;
}

}  // namespace

Json masked(const Json& value) {
  if (value.is_string()) {
    return lines_with_secrets(value.as_string()).empty() ? value : Json(kMasked);
  }
  if (value.is_array()) {
    Json::Array out;
    for (const Json& each : value.as_array()) out.push_back(masked(each));
    return out;
  }
  if (!value.is_object()) return value;
  Json::Object out;
  for (const auto& [name, each] : value.as_object()) {
    const bool hidden = names_a_secret(name) && (each.is_string() || each.is_number());
    out.emplace_back(name, hidden ? Json(kMasked) : masked(each));
  }
  return out;
}

bool mask_result(Json& result, std::size_t most) {
  bool shortened = false;
  if (Json* structured = result.find("structuredContent")) {
    *structured = masked(*structured);
    if (structured->compact().size() > most) {
      result.erase("structuredContent");
      shortened = true;
    }
  }
  std::size_t left = most;
  for (const std::string_view member : {"content", "contents", "messages"}) {
    Json* rows = result.find(member);
    if (rows == nullptr || !rows->is_array()) continue;
    for (Json& row : rows->as_array()) shortened = mask_part(part_in(row), left) || shortened;
  }
  if (Json* description = result.find("description"); description != nullptr && description->is_string()) {
    *description = Json(cut(masked_text(description->as_string()), left));
  }
  return shortened;
}

}  // namespace countersign::broker
