#include "command/line/arguments.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace countersign::command {
namespace {

const Flag* flag_named(std::span<const Flag> flags, std::string_view name) {
  const auto found = std::ranges::find(flags, name, &Flag::name);
  return found == flags.end() ? nullptr : &*found;
}

// Go's strconv.ParseBool.
std::optional<bool> boolean(std::string_view text) {
  constexpr std::array<std::string_view, 6> kTrue = {"1", "t", "T", "true", "TRUE", "True"};
  constexpr std::array<std::string_view, 6> kFalse = {"0", "f", "F", "false", "FALSE", "False"};
  if (std::ranges::find(kTrue, text) != kTrue.end()) return true;
  if (std::ranges::find(kFalse, text) != kFalse.end()) return false;
  return std::nullopt;
}

std::optional<std::int64_t> decimal(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Of an RFC 7638 thumbprint.
constexpr std::size_t kKeyIdLength = 43;

// One key id in 64 begins with `-`. No flag is as long as one (a test holds that), so a word of that form is never a
// flag.
bool is_key_id(std::string_view word) {
  return word.size() == kKeyIdLength && std::ranges::all_of(word, [](unsigned char letter) {
           return std::isalnum(letter) != 0 || letter == '-' || letter == '_';
         });
}

Error malformed(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail), "invalid_flag", "see --help"};
}

Result<std::string> checked(const Flag& flag, std::string value) {
  const std::string name(flag.name);
  switch (flag.kind) {
    case Flag::Kind::Text:
      return value;
    case Flag::Kind::Integer:
      if (!decimal(value)) return malformed("invalid value \"" + value + "\" for flag -" + name + ": parse error");
      return value;
    case Flag::Kind::Switch: {
      const std::optional<bool> on = boolean(value);
      if (!on) return malformed("invalid boolean value \"" + value + "\" for -" + name + ": parse error");
      return std::string(*on ? "true" : "false");
    }
  }
  return malformed("flag -" + name + " has no kind");
}

}  // namespace

Result<Arguments> Arguments::parse(std::span<const Flag> flags, Positionals positionals,
                                   std::span<const std::string> words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      arguments.positionals_.insert(arguments.positionals_.end(), words.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                    words.end());
      break;
    }
    if (word.size() < 2 || word.front() != '-' || is_key_id(word)) {
      if (positionals == Positionals::Command) {
        return malformed("unexpected argument \"" + word + "\": the command to run stands after --");
      }
      if (positionals == Positionals::EndFlags) {
        arguments.positionals_.assign(words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
        break;
      }
      arguments.positionals_.push_back(word);
      continue;
    }
    std::string name = word.substr(word[1] == '-' ? 2 : 1);
    if (name.empty() || name.front() == '-' || name.front() == '=') return malformed("bad flag syntax: " + word);
    std::optional<std::string> value;
    if (const std::size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    const Flag* flag = flag_named(flags, name);
    if (flag == nullptr) return malformed("flag provided but not defined: -" + name);
    if (!value && flag->kind == Flag::Kind::Switch) value = "true";
    if (!value) {
      if (i + 1 == words.size()) return malformed("flag needs an argument: -" + name);
      value = words[++i];
    }
    ASSIGN_OR_RETURN(std::string kept, checked(*flag, std::move(*value)));
    arguments.values_.emplace_back(std::move(name), std::move(kept));
  }
  return arguments;
}

const std::string* Arguments::find(std::string_view name) const {
  for (auto value = values_.rbegin(); value != values_.rend(); ++value) {
    if (value->first == name) return &value->second;
  }
  return nullptr;
}

std::string_view Arguments::text(std::string_view name) const {
  return text(name, "");
}

std::string_view Arguments::text(std::string_view name, std::string_view otherwise) const {
  const std::string* value = find(name);
  return value == nullptr ? otherwise : std::string_view(*value);
}

std::vector<std::string_view> Arguments::texts(std::string_view name) const {
  std::vector<std::string_view> out;
  for (const auto& [flag, value] : values_) {
    if (flag == name) out.emplace_back(value);
  }
  return out;
}

std::optional<std::int64_t> Arguments::integer(std::string_view name) const {
  const std::string* value = find(name);
  return value == nullptr ? std::nullopt : decimal(*value);
}

bool Arguments::is_on(std::string_view name) const {
  return text(name) == "true";
}

bool asks_for_json(std::span<const std::string> words) {
  for (const std::string& word : words) {
    if (word == "--") return false;
    if (word == "--json" || word == "-json" || word == "--json=true" || word == "-json=true") return true;
  }
  return false;
}

}  // namespace countersign::command
