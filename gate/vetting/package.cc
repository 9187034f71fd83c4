#include "gate/vetting/package.h"

#include "common/text.h"

namespace countersign::vetting {
namespace {

struct EcosystemRow {
  Ecosystem ecosystem;
  std::string_view osv;
  std::string_view purl;
};
constexpr EcosystemRow kEcosystems[] = {
    {Ecosystem::Npm, "npm", "npm"},       {Ecosystem::PyPI, "PyPI", "pypi"},
    {Ecosystem::Go, "Go", "golang"},      {Ecosystem::CratesIo, "crates.io", "cargo"},
    {Ecosystem::Debian, "Debian", "deb"}, {Ecosystem::Alpine, "Alpine", "apk"}};

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~/:").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

}  // namespace

std::string_view name_of(Ecosystem ecosystem) {
  return kEcosystems[static_cast<std::size_t>(ecosystem)].osv;
}

std::string_view purl_type(Ecosystem ecosystem) {
  return kEcosystems[static_cast<std::size_t>(ecosystem)].purl;
}

bool is_of_system(Ecosystem ecosystem) {
  return ecosystem == Ecosystem::Debian || ecosystem == Ecosystem::Alpine;
}

std::string advised_ecosystem(const Package& package) {
  const std::string name(name_of(package.ecosystem));
  return is_of_system(package.ecosystem) ? name + ":" + package.release : name;
}

const std::string& advised_name(const Package& package) {
  return package.source.empty() ? package.name : package.source;
}

const std::string& advised_version(const Package& package) {
  return package.source_version.empty() ? package.version : package.source_version;
}

std::optional<Ecosystem> ecosystem_of_purl_type(std::string_view type) {
  for (const EcosystemRow& row : kEcosystems) {
    if (row.purl == type) return row.ecosystem;
  }
  return std::nullopt;
}

std::string pypi_name(std::string_view name) {
  std::string out;
  bool separator = false;
  for (const char c : name) {
    if (c == '-' || c == '_' || c == '.') {
      separator = true;
      continue;
    }
    if (separator && !out.empty()) out += '-';
    separator = false;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

std::string purl(const Package& package) {
  const std::string type = "pkg:" + std::string(purl_type(package.ecosystem)) + "/";
  const std::string named = percent_encoded(package.name) + "@" + percent_encoded(package.version);
  if (!is_of_system(package.ecosystem)) return type + named;
  const std::string vendor = lowered(name_of(package.ecosystem));
  const std::string release = package.release.starts_with("v") ? package.release.substr(1) : package.release;
  return type + vendor + "/" + named + "?distro=" + vendor + "-" + percent_encoded(release);
}

}  // namespace countersign::vetting
