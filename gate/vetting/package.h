// A package that a tree depends on, as its lock files name it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace countersign::vetting {

// Ecosystems as OSV names them; those whose versions we can compare.
enum class Ecosystem { Npm, PyPI, Go, CratesIo, Debian, Alpine };
std::string_view name_of(Ecosystem ecosystem);    // "npm", "PyPI", "Go", "crates.io", "Debian", "Alpine"
std::string_view purl_type(Ecosystem ecosystem);  // "npm", "pypi", "golang", "cargo", "deb", "apk" (package-url)
// Whether its packages are those of an operating system, which OSV knows by its release.
bool is_of_system(Ecosystem ecosystem);
std::optional<Ecosystem> ecosystem_of_purl_type(std::string_view type);

struct Package {
  Ecosystem ecosystem = Ecosystem::Npm;
  std::string name;     // normalised as its registry does (PEP 503 for PyPI)
  std::string version;  // exact
  std::string path;     // the file that names it
  // Of an operating system's: OSV's name of its release ("12", "v3.18"), and what it was built from, by which
  // advisories name it; empty for others.
  std::string release;
  std::string source;
  std::string source_version;
  auto operator<=>(const Package&) const = default;
};

// PEP 503: lower case, runs of "-", "_" and "." become one "-".
std::string pypi_name(std::string_view name);

// What advisories call it: its ecosystem ("npm", "Debian:12"), its name and its version.
std::string advised_ecosystem(const Package& package);
const std::string& advised_name(const Package& package);
const std::string& advised_version(const Package& package);

// "pkg:npm/%40scope/name@1.2.3", "pkg:deb/debian/name@1-2?distro=debian-12" (package-url specification).
std::string purl(const Package& package);

}  // namespace countersign::vetting
