// The table of scanners: what each is, how an external one is started, what its answers mean.
#pragma once

#include <map>
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
  std::size_t matching = 0;                          // of them, those that the scanner is for (ScannerRow::needs)
  std::size_t packages = 0;                          // exact versions that the files it is for name
  std::map<std::string, std::size_t> packages_of{};  // likewise, by file
  std::string data{};                                // settings.data
};

// What of the tree a scanner is given at /tree, and how often it is run.
enum class Sees {
  Tree,       // the tree as it is
  Code,       // under neutral names (scanner_view.h)
  Text,       // likewise, every file as a text
  EachFile,   // the tree, once for each file it needs, which FILE stands for
  FileAlone,  // once for each file it needs, which lies alone at /tree under the needed name
};

struct ScannerRow {
  std::string_view name;
  std::string_view program;  // empty: built in
  // Arguments after the program. TREE, FILE, OUT (the report file), DATA (settings.data, or a file that is not there),
  // NAMED (see data_names) and EMPTY (an empty folder) stand for paths inside the sandbox.
  std::span<const std::string_view> arguments;
  // How it says its version; empty: not asked.
  std::span<const std::string_view> version;
  Sees sees = Sees::Tree;
  bool report_file = true;  // whether OUT holds the report
  bool wants_data = false;  // without settings.data it is Unavailable
  std::span<const std::string_view> environment;
  // Files without which there is nothing to do: endings of names. Empty: every tree.
  std::span<const std::string_view> needs;
  // Turns an answer into findings and an outcome. What it does not understand is Failed.
  void (*read)(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report);
  // Names that versions of it give the folder of its data, within one that it is told: NAMED is a folder of the run's
  // own in which each of them leads to settings.data, or to the one of these names in it.
  std::span<const std::string_view> data_names{};
};

std::span<const ScannerRow> scanner_rows();
const ScannerRow* scanner_row(std::string_view name);
bool is_scanner(std::string_view name);

// The files of the tree that it is for; none: there is nothing to do.
std::vector<const TreeEntry*> needed_files(const ScannerRow& row, const Tree& tree);

}  // namespace countersign::vetting
