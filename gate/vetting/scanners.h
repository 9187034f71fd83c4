// The table of scanners: what each is, how an external one is started, what its answers mean.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gate/vetting/finding.h"
#include "gate/vetting/policy.h"
#include "gate/vetting/tree.h"

namespace countersign::vetting {

// What a program said when it ended.
struct ScannerOutput {
  int exit_code = 0;
  std::string answer;  // its report file, or its stdout where it has none
  std::string errors;  // its stderr
};

// What a parser has to know of the tree to tell "clean" from "did not look".
struct TreeFacts {
  std::size_t files = 0;
  std::size_t packages = 0;  // exact versions that the lock files name
};

struct ScannerRow {
  std::string_view name;
  std::string_view program;  // empty: built in
  // Arguments after the program. TREE, OUT (the report file), DATA (settings.data) and EMPTY (an empty folder) stand
  // for paths inside the sandbox.
  std::span<const std::string_view> arguments;
  bool report_file = true;  // whether OUT holds the report
  bool wants_data = false;  // without settings.data it is Unavailable
  std::span<const std::string_view> environment;
  // Files without which there is nothing to do: endings of names. Empty: every tree.
  std::span<const std::string_view> needs;
  // Turns an answer into findings and an outcome. What it does not understand is Failed.
  void (*read)(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report);
};

std::span<const ScannerRow> scanner_rows();
const ScannerRow* scanner_row(std::string_view name);
bool is_scanner(std::string_view name);

// Whether the tree has anything for it.
bool applies(const ScannerRow& row, const Tree& tree);

}  // namespace countersign::vetting
