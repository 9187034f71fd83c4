#include "signer/statement/release_fields.h"

#include <algorithm>
#include <charconv>

#include "common/text.h"
#include "signer/statement/structure.h"

namespace countersign::statement {
namespace {

using enum Field::Kind;
using enum Field::Presence;

constexpr Field kArtifact[] = {{"name", Text, Required}, {"sha256", HexDigest, Required}, {"size", Integer, Required}};
constexpr Structure kArtifactShape{kArtifact};
constexpr Field kFields[] = {{"version", Text, Required},
                             {"builder", Text, Required},
                             {"source_revision", Text, Required},
                             {"artifacts", Objects, Required, &kArtifactShape},
                             {"formats", Texts, Required}};
constexpr Structure kShape{kFields};

constexpr ReleaseFormatRow kFormats[] = {
    {ReleaseFormat::Openssl, "openssl", true},  {ReleaseFormat::Cosign, "cosign", true},
    {ReleaseFormat::Signify, "signify", false}, {ReleaseFormat::Minisign, "minisign", false},
    {ReleaseFormat::Sshsig, "sshsig", true},    {ReleaseFormat::Dsse, "dsse", true},
    {ReleaseFormat::Tuf, "tuf", true},
};

constexpr std::size_t kLongestName = 255;
constexpr std::size_t kLongestWord = 256;
constexpr std::size_t kMostArtifacts = 256;  // all signatures of them fit one answer

Error invalid(std::string detail, std::string reason = {}) {
  return Error{ErrorCode::Invalid, std::move(detail), std::move(reason)};
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// A name of a file in the folder where the manifest lies, and of nothing else.
bool is_artifact_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && is_utf8(name) && !has_control(name) && name != "." &&
         name != ".." && name.find('/') == std::string_view::npos && name.find('\\') == std::string_view::npos &&
         trimmed(name) == name;
}

const ReleaseFormatRow* format_named(std::string_view name) {
  const auto found = std::ranges::find(kFormats, name, &ReleaseFormatRow::name);
  return found == std::end(kFormats) ? nullptr : found;
}

}  // namespace

std::span<const ReleaseFormatRow> release_formats() {
  return kFormats;
}

Result<Json> read_release_fields(const JsonTree& fields) {
  RETURN_IF_ERROR(read(kShape, fields, fields.root(), Reading::Strict, ""));
  Json out = fields.root().json();
  for (const std::string_view name : {"version", "builder", "source_revision"}) {
    const std::string_view word = out.text(name);
    if (word.empty() || word.size() > kLongestWord || has_control(word)) {
      return invalid(std::string(name) + ": must be 1 to 256 bytes without control characters");
    }
  }
  const Json* artifacts = out.find("artifacts");
  const Json* formats = out.find("formats");
  if (artifacts->as_array().empty() || artifacts->as_array().size() > kMostArtifacts) {
    return invalid("artifacts: must name 1 to 256");
  }
  std::string_view before;
  for (const Json& each : artifacts->as_array()) {
    const std::string_view name = each.text("name");
    if (!is_artifact_name(name)) return invalid("artifacts.name: must be the name of a file, without a folder");
    if (name <= before) return invalid("artifacts: must be sorted by name, each once");
    if (each.find("size")->as_integer() < 0) return invalid("artifacts.size: must not be negative");
    before = name;
  }
  if (formats->as_array().empty()) return invalid("formats: must name at least one");
  for (const Json& each : formats->as_array()) {
    if (each.as_string() != kAllFormats && format_named(each.as_string()) == nullptr) {
      return invalid("formats: must be all, openssl, cosign, signify, minisign, sshsig, dsse or tuf");
    }
  }
  return out;
}

std::vector<ReleaseArtifact> release_artifacts(const Json& document) {
  std::vector<ReleaseArtifact> artifacts;
  for (const Json& each : document.find("artifacts")->as_array()) {
    artifacts.push_back({std::string(each.text("name")), *Digest::parse(each.text("sha256")),
                         static_cast<std::uint64_t>(each.find("size")->as_integer())});
  }
  return artifacts;
}

Json approvable_release(const Json& fields) {
  Json out = fields;
  out.erase("formats");
  return out;
}

Digest release_policy_digest() {
  return sha256("countersign: releases under dual control, version 1");
}

std::string release_manifest(std::span<const ReleaseArtifact> artifacts) {
  std::string out(kReleaseFirstLine);
  out += '\n';
  for (const ReleaseArtifact& each : artifacts) {
    out += each.sha256.hex() + " " + std::to_string(each.size) + " " + each.name + "\n";
  }
  return out;
}

Result<std::vector<ReleaseArtifact>> parse_release_manifest(std::string_view text) {
  const Error wrong = invalid("the manifest is not one that the signer writes", "manifest_invalid");
  const std::string_view whole = text;
  std::vector<ReleaseArtifact> artifacts;
  for (bool first = true; !text.empty(); first = false) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return wrong;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (first) {
      if (line != kReleaseFirstLine) return wrong;
      continue;
    }
    const std::size_t digest_end = line.find(' ');
    const std::size_t size_end = digest_end == std::string_view::npos ? digest_end : line.find(' ', digest_end + 1);
    if (size_end == std::string_view::npos) return wrong;
    const Result<Digest> digest = Digest::parse(line.substr(0, digest_end));
    ReleaseArtifact artifact{std::string(line.substr(size_end + 1)), digest ? *digest : Digest(), 0};
    const std::string_view size = line.substr(digest_end + 1, size_end - digest_end - 1);
    const auto [at, error] = std::from_chars(size.data(), size.data() + size.size(), artifact.size);
    if (!digest || error != std::errc() || at != size.data() + size.size()) return wrong;
    if (!is_artifact_name(artifact.name) || (!artifacts.empty() && artifacts.back().name >= artifact.name))
      return wrong;
    artifacts.push_back(std::move(artifact));
  }
  // One manifest has one spelling.
  if (artifacts.empty() || release_manifest(artifacts) != whole) return wrong;
  return artifacts;
}

}  // namespace countersign::statement
