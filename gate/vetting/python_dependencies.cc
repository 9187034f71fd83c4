#include "gate/vetting/dependency_readers.h"

#include <algorithm>
#include <utility>

#include "common/text.h"

namespace countersign::vetting {
namespace {

void add_pypi(const FileView& file, std::string_view name, std::string_view version, Dependencies& all) {
  all.packages.push_back({Ecosystem::PyPI, pypi_name(name), std::string(version), file.path});
}

// PEP 508: a name, extras in brackets, versions, a marker behind ';'. "==" and "===" alone pin.
struct Requirement {
  std::string name;     // normalised; empty: the line is none
  std::string version;  // empty: not pinned
};

Requirement requirement_of(std::string_view line) {
  std::string_view text = trimmed(line.substr(0, line.find(';')));
  text = trimmed(text.substr(0, text.find(" --")));
  Requirement out{pypi_name(trimmed(text.substr(0, text.find_first_of("[=<>!~ @(")))), ""};
  const std::size_t pin = text.find("==");
  const std::size_t start = pin == std::string_view::npos ? pin : text.find_first_not_of("= ", pin);
  if (start == std::string_view::npos) return out;
  std::string_view version = trimmed(text.substr(start));
  if (!version.empty() && version.back() == ')') version = trimmed(version.substr(0, version.size() - 1));
  if (version.find_first_of("*,<>") == std::string_view::npos) out.version = version;
  return out;
}

void add_requirement(const FileView& file, int line, std::string_view text, Dependencies& all) {
  const Requirement each = requirement_of(text);
  if (each.name.empty()) return;
  all.declared.push_back("PyPI " + each.name);
  if (!each.version.empty()) {
    add_pypi(file, each.name, each.version, all);
    return;
  }
  unpinned(file, line, text, all);
  all.told.push_back("PyPI " + each.name);
}

// What a manifest asks for. A lock file beside it may pin it, so that alone is no finding.
void declare(const FileView& file, std::string_view text, Dependencies& all) {
  const Requirement each = requirement_of(text);
  if (each.name.empty()) return;
  all.declared.push_back("PyPI " + each.name);
  if (!each.version.empty()) add_pypi(file, each.name, each.version, all);
}

// The strings between quotation marks in a piece of TOML or Python.
std::vector<std::string_view> quoted_texts(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '#') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    if (text[i] != '"' && text[i] != '\'') continue;
    const std::size_t end = text.find(text[i], i + 1);
    if (end == std::string_view::npos) break;
    out.push_back(text.substr(i + 1, end - i - 1));
    i = end;
  }
  return out;
}

// A bracketed list that begins at or after `from`: up to its closing bracket outside of quotation marks.
std::string_view list_from(std::string_view text, std::size_t from) {
  const std::size_t open = text.find('[', from);
  if (open == std::string_view::npos) return "";
  char quote = 0;
  for (std::size_t i = open + 1; i < text.size(); ++i) {
    if (quote != 0) {
      if (text[i] == quote) quote = 0;
    } else if (text[i] == '"' || text[i] == '\'') {
      quote = text[i];
    } else if (text[i] == ']') {
      return text.substr(open + 1, i - open - 1);
    }
  }
  return text.substr(open + 1);
}

}  // namespace

// pip documentation, "Requirements File Format".
bool read_requirements(const FileView& file, Dependencies& all) {
  int number = 0;
  bool continued = false;
  for (std::string_view line : source_lines(*file.text)) {
    ++number;
    const bool is_rest = std::exchange(continued, !line.empty() && line.back() == '\\');
    if (is_rest) continue;  // hashes of the requirement before
    const std::size_t comment = line.find(" #");
    line = trimmed(line.substr(0, comment));
    if (!line.empty() && line.back() == '\\') line = trimmed(line.substr(0, line.size() - 1));
    if (line.empty() || line.front() == '#') continue;
    if (line.front() == '-') {
      const bool other_source = line.starts_with("-e") || line.starts_with("--editable") || line.starts_with("-i") ||
                                line.starts_with("--index-url") || line.starts_with("--extra-index-url") ||
                                line.starts_with("-f") || line.starts_with("--find-links");
      if (other_source) unpinned(file, number, line, all);
      continue;  // "-r other.txt" is a file of the tree and read by itself
    }
    add_requirement(file, number, line, all);
  }
  return true;
}

bool read_pipfile_lock(const FileView& file, Dependencies& all) {
  const auto json = json_of(file);
  if (!json) return false;
  for (const char* section : {"default", "develop"}) {
    const Json* packages = json->find(section);
    if (packages == nullptr || !packages->is_object()) continue;
    for (const auto& [name, each] : packages->as_object()) {
      const std::string_view version = each.text("version");
      if (version.starts_with("==")) {
        add_pypi(file, name, version.substr(2), all);
      } else {
        unpinned(file, 0, name, all);
      }
    }
  }
  return true;
}

// PEP 621, `[project] dependencies`, and Poetry's `[tool.poetry.dependencies]`. What is optional is installed when it
// is asked for alone.
bool read_pyproject(const FileView& file, Dependencies& all) {
  std::string table;
  std::size_t offset = 0;
  const std::string_view text = *file.text;
  for (const std::string_view raw : source_lines(text)) {
    const std::size_t at = offset;
    offset += text.find('\n', at) == std::string_view::npos ? text.size() - at : text.find('\n', at) + 1 - at;
    const std::string_view line = trimmed(raw);
    if (line.starts_with("[") && line.find(']') != std::string_view::npos && line.find('"') == std::string_view::npos) {
      table = line.substr(0, line.find(']') + 1);
      continue;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = trimmed(line.substr(0, equals));
    const std::string_view value = trimmed(line.substr(equals + 1));
    if ((table == "[project]" && key == "dependencies") || (table.empty() && key == "project.dependencies")) {
      for (const std::string_view each : quoted_texts(list_from(text, at))) declare(file, each, all);
    } else if (table == "[tool.poetry.dependencies]" && key != "python" && !key.starts_with("#")) {
      const auto versions = quoted_texts(value);
      const std::string_view version = versions.empty() ? std::string_view() : versions.front();
      // Poetry: a bare version is exact; "^1.2", "~1.2", ">=1" and the like are not.
      const bool exact = !version.empty() && version.front() >= '0' && version.front() <= '9' &&
                         version.find_first_of("*,<>^~| ") == std::string_view::npos && value.front() != '{';
      declare(file, std::string(key) + (exact ? "==" + std::string(version) : std::string(version)), all);
    }
  }
  return true;
}

// setuptools documentation, "Configuring setuptools using setup.cfg files".
bool read_setup_cfg(const FileView& file, Dependencies& all) {
  bool options = false;
  bool requires_follow = false;
  for (const std::string_view raw : source_lines(*file.text)) {
    const std::string_view line = trimmed(raw);
    if (line.empty() || line.front() == '#') continue;
    if (line.front() == '[') {
      options = line == "[options]";
      requires_follow = false;
    } else if (raw.front() != ' ' && raw.front() != '\t') {
      const std::size_t equals = line.find('=');
      requires_follow = options && trimmed(line.substr(0, equals)) == "install_requires";
      if (requires_follow && equals != std::string_view::npos) declare(file, trimmed(line.substr(equals + 1)), all);
    } else if (requires_follow) {
      declare(file, line, all);
    }
  }
  return true;
}

// The list that is written out; what a program computes is not known before it runs.
bool read_setup_py(const FileView& file, Dependencies& all) {
  const std::string_view text = *file.text;
  const std::size_t at = text.find("install_requires");
  if (at == std::string_view::npos) return true;
  const std::size_t value = text.find_first_not_of(" \t\r\n=", at + 16);
  if (value == std::string_view::npos || text[value] != '[') {
    all.declared.push_back("PyPI what setup.py computes");
    return true;
  }
  for (const std::string_view each : quoted_texts(list_from(text, at))) declare(file, each, all);
  return true;
}

// Core metadata of a package of PyPI: what it asks for ("Requires-Dist"; what an extra asks for is optional) and, where
// it lies installed, what it is. Other files are named METADATA, too.
bool read_python_metadata(const FileView& file, Dependencies& all) {
  if (!file.text->starts_with("Metadata-Version:")) return true;
  std::string_view name;
  std::string_view version;
  for (const std::string_view line : source_lines(*file.text)) {
    if (line.empty()) break;  // the description follows
    const std::size_t colon = line.find(':');
    const std::string_view field = line.substr(0, colon);
    const std::string_view value = colon == std::string_view::npos ? "" : trimmed(line.substr(colon + 1));
    if (field == "Name") name = value;
    if (field == "Version") version = value;
    if (field == "Requires-Dist" && value.find("extra ==") == std::string_view::npos) declare(file, value, all);
  }
  const bool installed =
      file.path.find("site-packages/") != std::string::npos || file.path.find("dist-packages/") != std::string::npos;
  if (installed && !name.empty() && !version.empty()) add_pypi(file, name, version, all);
  return true;
}

}  // namespace countersign::vetting
