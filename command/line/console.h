// Where a command speaks: answers on stdout, messages for people on stderr.
#pragma once

#include <string_view>

namespace countersign::command {

class Console {
 public:
  Console(int answers, int messages) : answers_(answers), messages_(messages) {}

  // Writes `text` as it stands to stdout. A full disk or a closed pipe is remembered, see complete().
  void answer(std::string_view text);
  // Writes `text` and a line break to stderr.
  void tell(std::string_view text);

  // False once a part of an answer could not be written: the caller then lacks it, so the command did not succeed.
  bool complete() const { return complete_; }

 private:
  int answers_;
  int messages_;
  bool complete_ = true;
};

}  // namespace countersign::command
