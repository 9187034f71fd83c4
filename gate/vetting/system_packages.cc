// What an image's distribution lists of its packages (dependency_readers.h).
#include <algorithm>
#include <iterator>
#include <map>

#include "common/text.h"
#include "gate/vetting/dependency_readers.h"

namespace countersign::vetting {
namespace {

enum class List { Dpkg, DpkgFolder, Apk, NotRead };
struct ListRow {
  std::string_view path;  // below the root; a folder ends with '/'
  List list;
};
constexpr ListRow kLists[] = {
    {"var/lib/dpkg/status", List::Dpkg},
    {"var/lib/dpkg/status.d/", List::DpkgFolder},  // an image without a package manager: a file for each package
    {"lib/apk/db/installed", List::Apk},
    {"usr/lib/apk/db/installed", List::Apk},
    {"var/lib/rpm/rpmdb.sqlite", List::NotRead},
    {"var/lib/rpm/Packages", List::NotRead},
    {"usr/lib/sysimage/rpm/rpmdb.sqlite", List::NotRead},
};
constexpr std::string_view kReleases[] = {"etc/os-release", "usr/lib/os-release"};

// The root that `path` lies in, where it is `below` there: "" or "layers/base.tar!".
std::optional<std::string> root_of(std::string_view path, std::string_view below) {
  const bool folder = below.ends_with('/');
  const std::size_t at = folder ? path.find(below) : path.ends_with(below) ? path.size() - below.size() : path.npos;
  if (at == path.npos || (at > 0 && path[at - 1] != '/' && path[at - 1] != '!')) return std::nullopt;
  return std::string(path.substr(0, at));
}

const ListRow* list_of(std::string_view path, std::string& root) {
  for (const ListRow& row : kLists) {
    const auto found = root_of(path, row.path);
    if (!found) continue;
    root = *found;
    return &row;
  }
  return nullptr;
}

// "Name: value" lines of a paragraph; lines that go on are left out, and names are as dpkg compares them.
using Fields = std::map<std::string, std::string>;

template <typename Use>
void for_each_paragraph(std::string_view text, Use&& use) {
  Fields fields;
  const auto end = [&] {
    if (!fields.empty()) use(fields);
    fields.clear();
  };
  for (const std::string_view line : source_lines(text)) {
    if (trimmed(line).empty()) {
      end();
    } else if (const std::size_t colon = line.find(':'); line.front() != ' ' && colon != std::string_view::npos) {
      fields[lowered(line.substr(0, colon))] = std::string(trimmed(line.substr(colon + 1)));
    }
  }
  end();
}

bool read_dpkg(const FileView& file, Dependencies& all) {
  bool good = true;
  for_each_paragraph(*file.text, [&](Fields& fields) {
    // "install ok installed"; a removed package leaves its configuration behind.
    const std::string& status = fields["status"];
    if (!status.empty() && !status.ends_with(" installed")) return;
    Package package{Ecosystem::Debian, fields["package"], fields["version"], file.path, "", "", ""};
    // "Source: openssl (1.2-3)", where name or version is another than the package's.
    const std::string& source = fields["source"];
    const std::size_t open = source.find('(');
    package.source = trimmed(source.substr(0, open));
    if (open != std::string::npos) package.source_version = source.substr(open + 1, source.find(')') - open - 1);
    good = good && !package.name.empty() && !package.version.empty();
    all.packages.push_back(std::move(package));
  });
  return good;
}

bool read_apk(const FileView& file, Dependencies& all) {
  bool good = true;
  Package package{Ecosystem::Alpine, "", "", file.path, "", "", ""};
  const auto end = [&] {
    const bool any = !package.name.empty() || !package.version.empty();
    good = good && (!any || (!package.name.empty() && !package.version.empty()));
    if (any) all.packages.push_back(package);
    package = Package{Ecosystem::Alpine, "", "", file.path, "", "", ""};
  };
  for (const std::string_view line : source_lines(*file.text)) {
    if (line.empty()) {
      end();
    } else if (line.size() > 2 && line[1] == ':') {
      // Letters are told apart by case: P name, V version, o what it was built from.
      std::string* const into = line[0] == 'P'   ? &package.name
                                : line[0] == 'V' ? &package.version
                                : line[0] == 'o' ? &package.source
                                                 : nullptr;
      if (into != nullptr && into->empty()) *into = line.substr(2);
    }
  }
  end();
  return good;
}

void not_looked_up(const std::string& path, std::string what, Dependencies& all) {
  all.findings.push_back({Category::Dependency, Severity::Low, "system-packages-not-read",
                          "lists packages of an operating system, which are not looked up here", std::move(what), path,
                          0});
}

// Of an os-release: "debian 12", "alpine v3.18"; OSV names Alpine's releases by their first two numbers.
std::string release_in(std::string_view text) {
  std::string id;
  std::string version;
  for (const std::string_view line : source_lines(text)) {
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    std::string_view value = trimmed(line.substr(equals + 1));
    if (value.size() > 1 && (value.front() == '"' || value.front() == '\'')) value = value.substr(1, value.size() - 2);
    if (line.substr(0, equals) == "ID") id = value;
    if (line.substr(0, equals) == "VERSION_ID") version = value;
  }
  if (id == "alpine") {
    const std::size_t dot = version.find('.');
    version = dot == std::string::npos ? "" : "v" + version.substr(0, version.find('.', dot + 1));
  }
  return version.empty() ? "" : id + " " + version;
}

}  // namespace

bool is_system_list(std::string_view path) {
  std::string root;
  return list_of(path, root) != nullptr && !path.ends_with(".md5sums");
}

bool read_system_list(const FileView& file, Dependencies& all) {
  std::string root;
  const ListRow* row = list_of(file.path, root);
  if (row == nullptr || row->list == List::NotRead) {
    not_looked_up(file.path, "trivy does, where the policy sets it up with a database", all);
    return true;
  }
  if (!file.text) return false;
  return row->list == List::Apk ? read_apk(file, all) : read_dpkg(file, all);
}

void note_release(const FileView& file, Dependencies& all) {
  for (const std::string_view place : kReleases) {
    const auto root = root_of(file.path, place);
    if (root && file.text) all.releases.emplace(*root, release_in(*file.text));
  }
}

void settle_releases(Dependencies& all) {
  std::map<std::string, std::string> unknown;  // lists, and what they were found to be of
  std::erase_if(all.packages, [&](Package& package) {
    if (!is_of_system(package.ecosystem)) return false;
    std::string root;
    (void)list_of(package.path, root);
    const auto found = all.releases.find(root);
    const std::string release = found == all.releases.end() ? std::string() : found->second;
    const std::string vendor = lowered(name_of(package.ecosystem)) + " ";
    if (release.starts_with(vendor)) {
      package.release = release.substr(vendor.size());
      return false;
    }
    unknown[package.path] = release;
    return true;
  });
  for (const auto& [path, release] : unknown) {
    not_looked_up(path, release.empty() ? "its os-release names no release" : "they are of " + release, all);
  }
}

}  // namespace countersign::vetting
