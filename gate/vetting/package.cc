#include "gate/vetting/package.h"

namespace countersign::vetting {
namespace {

struct EcosystemRow {
  Ecosystem ecosystem;
  std::string_view osv;
  std::string_view purl;
};
constexpr EcosystemRow kEcosystems[] = {{Ecosystem::Npm, "npm", "npm"},
                                        {Ecosystem::PyPI, "PyPI", "pypi"},
                                        {Ecosystem::Go, "Go", "golang"},
                                        {Ecosystem::CratesIo, "crates.io", "cargo"}};

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
  return "pkg:" + std::string(purl_type(package.ecosystem)) + "/" + percent_encoded(package.name) + "@" +
         percent_encoded(package.version);
}

}  // namespace countersign::vetting
