#include "gate/vetting/dependencies.h"

#include <algorithm>
#include <set>

#include "common/json.h"
#include "common/strict_yaml.h"
#include "common/text.h"
#include "gate/vetting/dependency_readers.h"
#include "gate/vetting/text_scan.h"

namespace countersign::vetting {

void unpinned(const FileView& file, int line, std::string_view what, Dependencies& all) {
  all.findings.push_back({Category::Dependency, Severity::Medium, "not-pinned",
                          "depends on something without an exact version", std::string(what.substr(0, 200)), file.path,
                          line});
}

std::optional<Json> json_of(const FileView& file) {
  auto json = Json::parse(*file.text, {.bytes = file.text->size() + 1});
  if (!json || !json->is_object()) return std::nullopt;
  return std::move(*json);
}

std::vector<std::string_view> source_lines(std::string_view text) {
  std::vector<std::string_view> lines = lines_of(text);
  for (std::string_view& line : lines) {
    if (line.ends_with('\r')) line.remove_suffix(1);
  }
  return lines;
}

namespace {

using Reader = bool (*)(const FileView& file, Dependencies& all);

// --- npm ---

// The package that a path below node_modules is: "a/node_modules/@s/b" is "@s/b".
std::string npm_name(std::string_view path) {
  const std::size_t cut = path.rfind("node_modules/");
  return std::string(cut == std::string_view::npos ? path : path.substr(cut + 13));
}

void add_npm(const FileView& file, std::string name, std::string_view version, Dependencies& all) {
  if (version.empty() || version.find(':') != std::string_view::npos) {
    unpinned(file, 0, name + " " + std::string(version), all);
  } else {
    all.packages.push_back({Ecosystem::Npm, std::move(name), std::string(version), file.path});
  }
}

void add_npm_tree(const FileView& file, const Json& dependencies, int depth, Dependencies& all) {
  if (!dependencies.is_object() || depth > 32) return;
  for (const auto& [name, each] : dependencies.as_object()) {
    add_npm(file, name, each.text("version"), all);
    if (const Json* below = each.find("dependencies")) add_npm_tree(file, *below, depth + 1, all);
  }
}

bool read_package_lock(const FileView& file, Dependencies& all) {
  const auto json = json_of(file);
  if (!json) return false;
  const Json* packages = json->find("packages");
  if (packages != nullptr && packages->is_object()) {
    for (const auto& [path, each] : packages->as_object()) {
      if (path.empty()) continue;
      const Json* link = each.find("link");
      if (link != nullptr && link->is_bool() && link->as_bool()) continue;  // another folder of this tree
      if (path.find("node_modules/") == std::string::npos) continue;        // a workspace of this tree
      const std::string_view alias = each.text("name");
      add_npm(file, alias.empty() ? npm_name(path) : std::string(alias), each.text("version"), all);
    }
    return true;
  }
  const Json* dependencies = json->find("dependencies");
  if (dependencies != nullptr) add_npm_tree(file, *dependencies, 0, all);
  return dependencies != nullptr || json->find("lockfileVersion") != nullptr;
}

bool read_package_json(const FileView& file, Dependencies& all) {
  const auto json = json_of(file);
  if (!json) return false;
  if (file.path.find("node_modules/") != std::string::npos) {
    // An installed package: what it is, not what it once asked for.
    const std::string_view name = json->text("name");
    const std::string_view version = json->text("version");
    const bool of_registry = !name.empty() && !version.empty() && version.find(':') == std::string_view::npos;
    if (of_registry) all.packages.push_back({Ecosystem::Npm, std::string(name), std::string(version), file.path});
    return true;
  }
  for (const char* member : {"dependencies", "optionalDependencies", "peerDependencies"}) {
    const Json* names = json->find(member);
    if (names == nullptr || !names->is_object()) continue;
    for (const auto& [name, range] : names->as_object()) all.declared.push_back("npm " + name);
  }
  return true;
}

// Both forms: `name@range:` or `"name@npm:range":`, then an indented `version "1.2.3"` or `version: 1.2.3`.
bool read_yarn_lock(const FileView& file, Dependencies& all) {
  std::string name;
  for (const std::string_view line : source_lines(*file.text)) {
    if (line.empty() || line.front() == '#') continue;
    if (line.front() != ' ') {
      std::string_view key = line.substr(line.front() == '"' ? 1 : 0);
      const std::size_t at = key.find('@', 1);
      name = at == std::string_view::npos ? std::string() : std::string(key.substr(0, at));
      continue;
    }
    std::string_view field = trimmed(line);
    if (name.empty() || !field.starts_with("version")) continue;
    field = trimmed(field.substr(7));
    if (field.starts_with(":")) field = trimmed(field.substr(1));
    if (field.size() > 1 && field.front() == '"') field = field.substr(1, field.size() - 2);
    if (field != "0.0.0-use.local") add_npm(file, name, field, all);
    name.clear();
  }
  return true;
}

// Keys of `packages`: "/name/1.2.3", "/name@1.2.3" or "name@1.2.3", each perhaps with peers in brackets behind.
bool read_pnpm_lock(const FileView& file, Dependencies& all) {
  const auto yaml = parse_yaml(*file.text, {.bytes = file.text->size() + 1, .nodes = 2'000'000});
  if (!yaml) return false;
  const YamlNode* packages = yaml->find("packages");
  if (packages == nullptr) return true;
  for (const auto& [key, each] : packages->map) {
    std::string_view id = key;
    id = id.substr(0, id.find('('));
    if (id.starts_with("/")) id.remove_prefix(1);
    std::size_t cut = id.rfind('@');
    if (cut == 0 || cut == std::string_view::npos) cut = id.rfind('/');
    if (cut == 0 || cut == std::string_view::npos) return false;
    add_npm(file, std::string(id.substr(0, cut)), id.substr(cut + 1, id.find('_', cut) - cut - 1), all);
  }
  return true;
}

// --- lock files in TOML: tables [[package]] with name and version as basic strings ---

std::optional<std::string> toml_text(std::string_view line, std::string_view key) {
  if (!line.starts_with(key)) return std::nullopt;
  line = trimmed(line.substr(key.size()));
  if (!line.starts_with("=")) return std::nullopt;
  line = trimmed(line.substr(1));
  if (line.size() < 2 || line.front() != '"') return std::nullopt;
  const std::size_t end = line.find('"', 1);
  if (end == std::string_view::npos) return std::nullopt;
  return std::string(line.substr(1, end - 1));
}

bool read_toml_packages(const FileView& file, Ecosystem ecosystem, Dependencies& all) {
  std::optional<std::string> name;
  std::optional<std::string> version;
  bool local = false;
  bool inside = false;
  const auto end_table = [&] {
    if (inside && !local && name && version) {
      all.packages.push_back({ecosystem, ecosystem == Ecosystem::PyPI ? pypi_name(*name) : *name, *version, file.path});
    } else if (inside && !local && name) {
      unpinned(file, 0, *name, all);
    }
    name.reset();
    version.reset();
    local = false;
  };
  for (const std::string_view raw : source_lines(*file.text)) {
    const std::string_view line = trimmed(raw);
    if (line.starts_with("[")) {
      const bool sub_table = line.starts_with("[package.") || line.starts_with("[[package.");
      if (sub_table) continue;
      end_table();
      inside = line == "[[package]]";
    } else if (inside) {
      if (const auto text = toml_text(line, "name"); text && !name) name = text;
      if (const auto text = toml_text(line, "version"); text && !version) version = text;
      // uv: the project itself.
      if (line.starts_with("source") &&
          (line.find("virtual") != std::string_view::npos || line.find("editable") != std::string_view::npos))
        local = true;
    }
  }
  end_table();
  return true;
}

bool read_python_toml(const FileView& file, Dependencies& all) {
  return read_toml_packages(file, Ecosystem::PyPI, all);
}

bool read_cargo_lock(const FileView& file, Dependencies& all) {
  return read_toml_packages(file, Ecosystem::CratesIo, all);
}

// --- Go ---

// go.mod reference: `require path version` alone or in a block.
bool read_go_mod(const FileView& file, Dependencies& all) {
  bool block = false;
  for (std::string_view line : source_lines(*file.text)) {
    line = trimmed(line.substr(0, line.find("//")));
    if (line.starts_with("require (")) {
      block = true;
      continue;
    }
    if (line == ")") block = false;
    if (line.starts_with("replace")) unpinned(file, 0, line, all);
    if (line.starts_with("require ")) {
      line = trimmed(line.substr(8));
    } else if (!block) {
      continue;
    }
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    all.packages.push_back(
        {Ecosystem::Go, std::string(line.substr(0, space)), std::string(trimmed(line.substr(space))), file.path});
  }
  return true;
}

// --- CycloneDX ---

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = text[i] == '%' && i + 2 < text.size() ? from_hex(text.substr(i + 1, 2)) : Result<Bytes>(Bytes{});
    if (byte && byte->size() == 1) {
      out += static_cast<char>((*byte)[0]);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool read_cyclonedx(const FileView& file, Dependencies& all) {
  const auto json = json_of(file);
  if (!json || json->text("bomFormat") != "CycloneDX") return false;
  const Json* components = json->find("components");
  if (components == nullptr || !components->is_array()) return true;
  for (const Json& component : components->as_array()) {
    std::string_view id = component.text("purl");
    if (!id.starts_with("pkg:")) continue;
    id = id.substr(4, id.find_first_of("?#") - 4);
    const std::size_t slash = id.find('/');
    const std::size_t at = id.rfind('@');
    const auto ecosystem = ecosystem_of_purl_type(id.substr(0, slash));
    if (!ecosystem || is_of_system(*ecosystem) || slash == std::string_view::npos || at == std::string_view::npos ||
        at < slash) {
      unpinned(file, 0, component.text("purl"), all);
      continue;
    }
    const std::string name = percent_decoded(id.substr(slash + 1, at - slash - 1));
    all.packages.push_back({*ecosystem, *ecosystem == Ecosystem::PyPI ? pypi_name(name) : name,
                            percent_decoded(id.substr(at + 1)), file.path});
  }
  return true;
}

struct FileKind {
  std::string_view name;  // "*suffix" for an ending, "prefix*suffix"
  Reader read;
};
constexpr FileKind kFileKinds[] = {
    {"package-lock.json", read_package_lock},
    {"npm-shrinkwrap.json", read_package_lock},
    {"package.json", read_package_json},
    {"yarn.lock", read_yarn_lock},
    {"pnpm-lock.yaml", read_pnpm_lock},
    {"requirements*.txt", read_requirements},
    {"Pipfile.lock", read_pipfile_lock},
    {"poetry.lock", read_python_toml},
    {"uv.lock", read_python_toml},
    {"pdm.lock", read_python_toml},
    {"pyproject.toml", read_pyproject},
    {"setup.cfg", read_setup_cfg},
    {"setup.py", read_setup_py},
    {"METADATA", read_python_metadata},
    {"PKG-INFO", read_python_metadata},
    {"go.mod", read_go_mod},
    {"Cargo.lock", read_cargo_lock},
    {"*.cdx.json", read_cyclonedx},
    {"bom.json", read_cyclonedx},
};

// What other ecosystems lock or declare. Without a reader of their own they are never passed over in silence.
constexpr std::string_view kNotRead[] = {"pom.xml",    "build.gradle",    "build.gradle.kts",   "gradle.lockfile",
                                         "Gemfile",    "Gemfile.lock",    "composer.json",      "composer.lock",
                                         "mix.lock",   "pubspec.lock",    "Package.resolved",   "bun.lock",
                                         "bun.lockb",  "deno.lock",       "packages.lock.json", "packages.config",
                                         "conan.lock", "environment.yml", "environment.yaml"};

constexpr FileKind kSystemList = {"", read_system_list};

const FileKind* kind_of(std::string_view name) {
  for (const FileKind& kind : kFileKinds) {
    const std::size_t star = kind.name.find('*');
    if (star == std::string_view::npos
            ? name == kind.name
            : name.starts_with(kind.name.substr(0, star)) && name.ends_with(kind.name.substr(star + 1))) {
      return &kind;
    }
  }
  return nullptr;
}

}  // namespace

bool names_dependencies(std::string_view file_name) {
  return kind_of(file_name) != nullptr;
}

void read_dependencies(const FileView& file, Dependencies& all) {
  note_release(file, all);
  const bool of_system = is_system_list(file.path);
  const FileKind* kind = of_system ? &kSystemList : kind_of(file.name());
  if (kind == nullptr) {
    const bool known = std::find(std::begin(kNotRead), std::end(kNotRead), file.name()) != std::end(kNotRead);
    // What an installed package of npm brings along of its own development names nothing that is used here.
    if (!known || file.path.find("node_modules/") != std::string::npos) return;
    all.failed = true;
    all.findings.push_back({Category::Dependency, Severity::Medium, "lock-file-not-read",
                            "names dependencies of an ecosystem that is not looked up here",
                            "osv_scanner reads it, where the policy sets it up", file.path, 0});
    return;
  }
  if ((file.text || of_system) && kind->read(file, all)) return;
  all.failed = true;
  all.findings.push_back({Category::Dependency, Severity::High, "unreadable-lock-file",
                          "names dependencies in a form that cannot be read", "what it names was not checked",
                          file.path, 0});
}

void finish(Dependencies& all) {
  settle_releases(all);
  std::sort(all.packages.begin(), all.packages.end());
  all.packages.erase(std::unique(all.packages.begin(), all.packages.end()), all.packages.end());
  std::set<std::string> pinned;
  for (const Package& package : all.packages)
    pinned.insert(std::string(name_of(package.ecosystem)) + " " + package.name);
  std::set<std::string> declared(all.declared.begin(), all.declared.end());
  const std::set<std::string> told(all.told.begin(), all.told.end());
  for (const std::string& name : declared) {
    if (pinned.contains(name) || told.contains(name)) continue;
    all.findings.push_back({Category::Dependency, Severity::Medium, "not-locked",
                            "depends on something no lock file names", name, "", 0, "dependency\n" + name});
  }
}

}  // namespace countersign::vetting
