// Flags as Go's package flag reads them (gait-formats §2.3): `-x v`, `--x v`, `--x=v`; a switch takes a value only
// after `=`; the last of several wins; `--` ends the flags. Unlike there, a word of the form of a key id (43 letters of
// base64url) is never a flag: one id in 64 begins with `-`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"

namespace countersign::command {

struct Flag {
  enum class Kind { Text, Integer, Switch };
  std::string_view name;
  Kind kind;
  std::string_view value;    // what --help calls the value: "FILE"
  std::string_view meaning;  // one line of --help
};

// What stands beside flags.
enum class Positionals {
  EndFlags,  // the first one ends the reading of flags: gait's `gate eval` and `approve`
  Anywhere,  // flags may follow them: gait's `trace verify`, and ours
  Command,   // only after `--`: the words of another program, never read as flags
};

class Arguments {
 public:
  // Fails with Invalid, in Go's words, on an unknown flag, a missing value, and a value that does not fit its kind.
  static Result<Arguments> parse(std::span<const Flag> flags, Positionals positionals,
                                 std::span<const std::string> words);

  // The value given, trimmed by nobody; empty where the flag was not given.
  std::string_view text(std::string_view name) const;
  std::string_view text(std::string_view name, std::string_view otherwise) const;
  // Every value, in the order given, of a flag that may be repeated.
  std::vector<std::string_view> texts(std::string_view name) const;
  std::optional<std::int64_t> integer(std::string_view name) const;
  bool is_on(std::string_view name) const;
  bool given(std::string_view name) const { return find(name) != nullptr; }
  // Gives the flag a value, as though it stood last on the command line.
  void set(std::string_view name, std::string value) { values_.emplace_back(name, std::move(value)); }

  const std::vector<std::string>& positionals() const { return positionals_; }

 private:
  const std::string* find(std::string_view name) const;
  std::vector<std::pair<std::string, std::string>> values_;  // in order; the last counts
  std::vector<std::string> positionals_;
};

// Whether `--json` is asked for, also where the rest cannot be read: the answer to a wrong flag is JSON as well then.
bool asks_for_json(std::span<const std::string> words);

}  // namespace countersign::command
