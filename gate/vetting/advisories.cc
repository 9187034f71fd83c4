#include "gate/vetting/advisories.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "common/durable_file.h"
#include "gate/vetting/archive.h"
#include "gate/vetting/version.h"

namespace countersign::vetting {
namespace {

constexpr std::uint64_t kLargestDatabase = std::uint64_t{2} << 30;
// A database is the operator's own; its compression is far from a bomb's, but records repeat one another.
constexpr ArchiveLimits kDatabaseLimits{
    .entries = 5'000'000, .bytes = std::uint64_t{16} << 30, .entry_bytes = std::uint64_t{64} << 20, .ratio = 1000};

std::string normalised(Ecosystem ecosystem, std::string_view name) {
  return ecosystem == Ecosystem::PyPI ? pypi_name(name) : std::string(name);
}

// Whether a record may speak of one of the packages, without reading it as JSON: each of its `"name"` members is looked
// at. A database has a hundred records for each one that matters.
bool mentions(std::string_view record, Ecosystem ecosystem,
              const std::map<std::string, std::vector<const Package*>>& wanted) {
  for (std::size_t at = record.find("\"name\""); at != std::string_view::npos; at = record.find("\"name\"", at + 6)) {
    const std::size_t start = record.find('"', record.find(':', at + 6));
    const std::size_t end = start == std::string_view::npos ? start : record.find('"', start + 1);
    if (end == std::string_view::npos) return false;
    const std::string_view name = record.substr(start + 1, end - start - 1);
    if (name.find('\\') != std::string_view::npos || wanted.contains(normalised(ecosystem, name))) return true;
  }
  return false;
}

bool has_name(const Json& affected, const Package& package) {
  const Json* named = affected.find("package");
  if (named == nullptr || normalised(package.ecosystem, named->text("name")) != advised_name(package)) return false;
  const std::string_view ecosystem = named->text("ecosystem");
  // "Debian:12" is of that release alone, and "Debian" of all.
  if (is_of_system(package.ecosystem) && ecosystem.find(':') != std::string_view::npos) {
    return ecosystem == advised_ecosystem(package);
  }
  return ecosystem.substr(0, ecosystem.find(':')) == name_of(package.ecosystem);
}

struct Event {
  std::string_view version;
  enum class Kind { Introduced, Fixed, LastAffected, Limit } kind;
};

// OSV schema, "Evaluation": events in the order of their versions; the last one not above the package's decides.
std::optional<bool> inside_range(const Json& range, const Package& package) {
  if (range.text("type") == "GIT") return false;  // commits are not versions
  const Json* events = range.find("events");
  if (events == nullptr || !events->is_array()) return std::nullopt;
  std::vector<Event> sorted;
  for (const Json& each : events->as_array()) {
    constexpr std::pair<std::string_view, Event::Kind> kKinds[] = {{"introduced", Event::Kind::Introduced},
                                                                   {"fixed", Event::Kind::Fixed},
                                                                   {"last_affected", Event::Kind::LastAffected},
                                                                   {"limit", Event::Kind::Limit}};
    for (const auto& [name, kind] : kKinds) {
      if (each.find(name) != nullptr) sorted.push_back({each.text(name), kind});
    }
  }
  bool comparable = true;
  std::stable_sort(sorted.begin(), sorted.end(), [&](const Event& a, const Event& b) {
    const auto order = compare_versions(package.ecosystem, a.version, b.version);
    comparable = comparable && order.has_value();
    return order.value_or(0) < 0;
  });
  bool inside = false;
  for (const Event& event : sorted) {
    const auto order = compare_versions(package.ecosystem, advised_version(package), event.version);
    if (!order || !comparable) return std::nullopt;
    if (event.kind == Event::Kind::Introduced && *order >= 0) inside = true;
    if (event.kind == Event::Kind::Fixed && *order >= 0) inside = false;
    if (event.kind == Event::Kind::LastAffected && *order > 0) inside = false;
    if (event.kind == Event::Kind::Limit && *order >= 0) inside = false;
  }
  return inside;
}

// The CVE among the names of a record, so that scanners that know it by another count it once.
std::string common_name(const Json& record) {
  const std::string id(record.text("id"));
  const Json* aliases = record.find("aliases");
  if (id.starts_with("CVE-") || aliases == nullptr || !aliases->is_array()) return id;
  for (const Json& alias : aliases->as_array()) {
    if (alias.is_string() && alias.as_string().starts_with("CVE-")) return alias.as_string();
  }
  return id;
}

Finding finding_of(const Json& record, const Package& package, bool certain) {
  const std::string id(record.text("id"));
  const bool malicious = id.starts_with("MAL-");
  Finding out;
  out.category = malicious ? Category::Malware : Category::Vulnerability;
  out.severity = malicious ? Severity::Critical : severity_of(record);
  out.rule = id;
  out.title = package.name + " " + package.version + (certain ? "" : " (its version could not be compared)");
  out.detail = std::string(record.text("summary"));
  out.path = package.path;
  out.subject = "vulnerability\n" + advised_name(package) + "\n" + common_name(record);
  return out;
}

// OSV publishes an archive for each release of a system, and one for all of them.
std::string archive_of(const std::string& folder, const Package& package) {
  for (const std::string& name : {advised_ecosystem(package), std::string(name_of(package.ecosystem))}) {
    for (const char* below : {"/osv-scanner/", "/"}) {
      std::string path = folder + below + name + "/all.zip";
      std::error_code ignored;
      if (std::filesystem::is_regular_file(path, ignored)) return path;
    }
  }
  return "";
}

// Packages that were built from one source are one to those who write advisories.
bool is_first_of_its_source(const std::vector<const Package*>& packages, std::size_t at) {
  if (!is_of_system(packages[at]->ecosystem)) return true;
  return std::none_of(packages.begin(), packages.begin() + static_cast<std::ptrdiff_t>(at), [&](const Package* before) {
    return advised_version(*before) == advised_version(*packages[at]) && before->path == packages[at]->path;
  });
}

}  // namespace

std::optional<bool> affects(const Json& record, const Package& package) {
  const Json* affected = record.find("affected");
  if (affected == nullptr || !affected->is_array()) return std::nullopt;
  bool judged = true;
  for (const Json& each : affected->as_array()) {
    if (!has_name(each, package)) continue;
    const Json* versions = each.find("versions");
    const bool listed = versions != nullptr && versions->is_array() && !versions->as_array().empty();
    if (listed) {
      for (const Json& version : versions->as_array()) {
        if (!version.is_string()) continue;
        const auto order = compare_versions(package.ecosystem, version.as_string(), advised_version(package));
        if (version.as_string() == advised_version(package) || (order && *order == 0)) return true;
      }
    }
    const Json* ranges = each.find("ranges");
    const bool ranged = ranges != nullptr && ranges->is_array() && !ranges->as_array().empty();
    if (ranged) {
      for (const Json& range : ranges->as_array()) {
        const auto inside = inside_range(range, package);
        if (inside && *inside) return true;
        judged = judged && inside.has_value();
      }
    }
    if (!listed && !ranged) return true;  // every version (OSV schema, `affected`)
  }
  return judged ? std::optional(false) : std::nullopt;
}

Severity severity_of(const Json& record) {
  double worst = -1;
  const Json* severities = record.find("severity");
  if (severities != nullptr && severities->is_array()) {
    for (const Json& each : severities->as_array())
      worst = std::max(worst, cvss_base_score(each.text("score")).value_or(-1));
  }
  // FIRST, CVSS v3.1 §5, "Qualitative Severity Rating Scale".
  if (worst >= 9.0) return Severity::Critical;
  if (worst >= 7.0) return Severity::High;
  if (worst >= 4.0) return Severity::Medium;
  if (worst >= 0) return Severity::Low;
  const Json* specific = record.find("database_specific");
  return severity_named(specific == nullptr ? std::string_view() : specific->text("severity"));
}

Result<AdvisoryAnswer> look_up(const std::string& folder, const std::vector<Package>& packages) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) {
    return Error{ErrorCode::NotFound, "there is no advisory database at \"" + folder + "\"", "advisories_missing",
                 "copy OSV's ECOSYSTEM/all.zip files there, or drop the scanner from the policy's required ones"};
  }
  std::map<std::string, std::map<std::string, std::vector<const Package*>>> wanted;
  for (const Package& package : packages) {
    wanted[advised_ecosystem(package)][advised_name(package)].push_back(&package);
  }
  AdvisoryAnswer answer;
  for (const auto& [ecosystem, names] : wanted) {
    const Package& any = *names.begin()->second.front();
    const std::string path = archive_of(folder, any);
    if (path.empty()) {
      answer.missing.push_back(ecosystem);
      continue;
    }
    ASSIGN_OR_RETURN(const std::string archive, read_file(path, kLargestDatabase));
    RETURN_IF_ERROR(for_each_entry(archive, kDatabaseLimits, [&](ArchiveEntry& entry) -> Status {
      if (!mentions(entry.content, any.ecosystem, names)) return ok();
      const auto record = Json::parse(entry.content, {.bytes = entry.content.size() + 1});
      if (!record) {
        ++answer.unreadable;
        return ok();
      }
      answer.newest = std::max(answer.newest, std::string(record->text("modified")));
      if (record->find("withdrawn") != nullptr) return ok();
      for (const auto& [name, of_name] : names) {
        for (std::size_t i = 0; i < of_name.size(); ++i) {
          const Package* package = of_name[i];
          if (!is_first_of_its_source(of_name, i)) continue;
          const auto affected = affects(*record, *package);
          // What cannot be judged counts.
          if (!affected || *affected) answer.findings.push_back(finding_of(*record, *package, affected.has_value()));
        }
      }
      return ok();
    }));
    for (const auto& [name, of_name] : names) answer.checked += of_name.size();
  }
  return answer;
}

}  // namespace countersign::vetting
