#include "gate/vetting/signatures.h"

#include <re2/re2.h>

#include <charconv>

#include "common/digest.h"
#include "common/text.h"
#include "gate/vetting/text_scan.h"

namespace countersign::vetting {
namespace {

struct BuiltInHash {
  std::string_view sha256;
  std::int64_t size;
  std::string_view name;
};
constexpr BuiltInHash kHashes[] = {
    {"275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f", 68, "EICAR-Test-File"},
};

struct BuiltInPattern {
  std::string_view name;
  std::string_view title;
  Severity severity;
  const char* expression;
  // Whether a document says it to people in good faith ("curl … | sh" of an installation).
  bool told_in_documents = false;
};
constexpr BuiltInPattern kPatterns[] = {
    // The test string stands in two pieces, so that no scanner takes this program for it.
    {"EICAR-Test-String", "the anti-virus test string", Severity::Critical,
     R"(X5O!P%@AP\[4\\PZX54\(P\^\)7CC\)7\}\$EICAR-STANDARD-)"
     R"(ANTIVIRUS-TEST-FILE!\$H\+H\*)"},
    {"reverse-shell", "opens a shell to somewhere else", Severity::Critical,
     R"((?:bash|sh)\s+-i\s+>&?\s*/dev/(?:tcp|udp)/|\bnc(?:at)?\s+(?:-\w+\s+)*-e\s*/bin/|socket\.socket\([^)]*\)[\s\S]{0,200}os\.dup2\([\s\S]{0,200}(?:/bin/(?:ba)?sh|pty\.spawn))"},
    {"fetch-and-run", "runs what it fetches", Severity::High,
     R"((?:curl|wget)\s[^\n|;&]{0,300}\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b|(?:eval|exec)\(\s*(?:requests\.get|urllib\.request\.urlopen|base64\.b64decode|atob|Buffer\.from)\()",
     true},
    {"powershell-download", "runs what it fetches", Severity::High,
     R"((?i)powershell[^\n]{0,120}(?:downloadstring|-enc(?:odedcommand)?\s+[A-Za-z0-9+/=]{40}))"},
    {"coin-miner", "mines a currency", Severity::Critical, R"(stratum\+(?:tcp|ssl)://)"},
    {"beacon", "tells an address who it runs for", Severity::High,
     R"((?:curl|wget)\s[^\n]{0,200}\$\((?:hostname|whoami|id|env|uname)\b)"},
};

re2::RE2::Options options() {
  re2::RE2::Options out;
  out.set_encoding(re2::RE2::Options::EncodingLatin1);
  out.set_log_errors(false);
  return out;
}

std::vector<std::string_view> fields(std::string_view line, char separator, std::size_t most) {
  std::vector<std::string_view> out;
  while (out.size() + 1 < most) {
    const std::size_t cut = line.find(separator);
    if (cut == std::string_view::npos) break;
    out.push_back(line.substr(0, cut));
    line.remove_prefix(cut + 1);
  }
  out.push_back(line);
  return out;
}

}  // namespace

Signatures::Signatures() {
  for (const BuiltInHash& row : kHashes) hashes_[std::string(row.sha256)] = {std::string(row.name), row.size};
  for (const BuiltInPattern& row : kPatterns) {
    patterns_.push_back({std::string(row.name), std::string(row.title), row.severity,
                         std::make_unique<re2::RE2>(row.expression, options()), row.told_in_documents});
  }
}
Signatures::Signatures(Signatures&&) noexcept = default;
Signatures::~Signatures() = default;

Status Signatures::add_list(std::string_view list, const std::string& name) {
  std::unordered_map<std::string, Hash> hashes;
  std::vector<Pattern> patterns;
  int number = 0;
  for (std::string_view line : lines_of(list)) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    const Error malformed{ErrorCode::Invalid, name + ":" + std::to_string(number) + " is no signature",
                          "signature_list", "write SHA256:SIZE:NAME, or: pattern NAME REGEX"};
    if (line.starts_with("pattern ")) {
      const auto words = fields(line, ' ', 3);
      if (words.size() != 3 || words[1].empty()) return malformed;
      auto expression = std::make_unique<re2::RE2>(re2::StringPiece(words[2].data(), words[2].size()), options());
      if (!expression->ok()) return malformed;
      patterns.push_back(
          {std::string(words[1]), "matches a pattern of " + name, Severity::Critical, std::move(expression), false});
      continue;
    }
    const auto words = fields(line, ':', 4);
    if (words.size() < 3) return malformed;
    const auto digest = Digest::parse(words[0]);
    std::int64_t size = -1;
    const auto read = std::from_chars(words[1].data(), words[1].data() + words[1].size(), size);
    const bool any = words[1] == "*";
    if (!digest || words[2].empty() ||
        (!any && (read.ec != std::errc() || read.ptr != words[1].data() + words[1].size() || size < 0))) {
      return malformed;
    }
    hashes[digest->hex()] = {std::string(words[2]), any ? -1 : size};
  }
  for (auto& [digest, hash] : hashes) hashes_[digest] = std::move(hash);
  for (Pattern& pattern : patterns) patterns_.push_back(std::move(pattern));
  return ok();
}

void Signatures::look(const FileView& file, std::vector<Finding>& findings) const {
  const auto hash = hashes_.find(sha256(file.bytes).hex());
  if (hash != hashes_.end() &&
      (hash->second.size < 0 || hash->second.size == static_cast<std::int64_t>(file.bytes.size()))) {
    findings.push_back({Category::Malware, Severity::Critical, hash->second.name, "is a known file",
                        "its SHA-256 is listed", file.path, 0, "malware\n" + file.path});
  }
  for (const Pattern& pattern : patterns_) {
    re2::StringPiece match;
    const std::string_view content = file.text ? std::string_view(*file.text) : file.bytes;
    const re2::StringPiece all(content.data(), content.size());
    if (!pattern.expression->Match(all, 0, all.size(), re2::RE2::UNANCHORED, &match, 1)) continue;
    const auto at = static_cast<std::size_t>(match.data() - all.data());
    const int line = file.text ? line_at(content, at) : 0;
    if (pattern.told_in_documents && file.is_document()) {
      findings.push_back({Category::Code, Severity::Low, pattern.name, "tells its reader to run what is fetched", "",
                          file.path, line});
      continue;
    }
    findings.push_back({Category::Malware, pattern.severity, pattern.name, pattern.title, "a pattern of known content",
                        file.path, line, "malware\n" + file.path});
  }
}

}  // namespace countersign::vetting
