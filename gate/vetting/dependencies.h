// What a tree depends on, read from its lock files. A dependency whose exact version no file names is counted, for it
// could not be looked up.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "gate/vetting/file_view.h"
#include "gate/vetting/package.h"

namespace countersign::vetting {

struct Dependencies {
  std::vector<Package> packages;      // exact versions
  std::vector<Finding> findings;      // Category::Dependency: not pinned, not from a registry, unreadable lock files
  std::vector<std::string> declared;  // names that a manifest demands ("npm lodash"), pinned or not
  std::vector<std::string> told;      // those of them that have a finding already
  std::map<std::string, std::string> releases;  // by the root of a system in the tree: "debian 12"
  bool failed = false;                          // a lock file could not be read: what it names was not checked
};

// Whether the name is that of a manifest or lock file that `read_dependencies` reads.
bool names_dependencies(std::string_view file_name);

// Adds what one file says. Files: package-lock.json and npm-shrinkwrap.json (versions 1 to 3), yarn.lock (1 and Berry),
// pnpm-lock.yaml, package.json (declarations); requirements*.txt, Pipfile.lock, poetry.lock, uv.lock, pdm.lock, and the
// declarations of pyproject.toml, setup.cfg, setup.py, METADATA and PKG-INFO; go.mod; Cargo.lock; CycloneDX documents
// (*.cdx.json, bom.json). Files of other ecosystems (pom.xml, Gemfile.lock, …) are known by name and fail it: what they
// name is not looked up. Of an image also the packages of Debian (var/lib/dpkg/status) and Alpine
// (lib/apk/db/installed).
void read_dependencies(const FileView& file, Dependencies& all);

// Sorted, each once; and a finding for each declared name that no lock file pins.
void finish(Dependencies& all);

}  // namespace countersign::vetting
