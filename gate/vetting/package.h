// A package that a tree depends on, as its lock files name it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace countersign::vetting {

// Ecosystems as OSV names them; those whose versions we can compare.
enum class Ecosystem { Npm, PyPI, Go, CratesIo };
std::string_view name_of(Ecosystem ecosystem);    // "npm", "PyPI", "Go", "crates.io"
std::string_view purl_type(Ecosystem ecosystem);  // "npm", "pypi", "golang", "cargo" (package-url specification)
std::optional<Ecosystem> ecosystem_of_purl_type(std::string_view type);

struct Package {
  Ecosystem ecosystem = Ecosystem::Npm;
  std::string name;     // normalised as its registry does (PEP 503 for PyPI)
  std::string version;  // exact
  std::string path;     // the file that names it
  auto operator<=>(const Package&) const = default;
};

// PEP 503: lower case, runs of "-", "_" and "." become one "-".
std::string pypi_name(std::string_view name);

// "pkg:npm/%40scope/name@1.2.3" (package-url specification).
std::string purl(const Package& package);

}  // namespace countersign::vetting
