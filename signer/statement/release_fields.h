// What the release role signs: which files, by digest and size, of which version, built by whom from what. The caller
// names digests; every byte that a key sees is built here, so no caller's bytes are ever signed.
//
// Formats that sign a file as it is (openssl, signify, minisign, cosign) are over the manifest that the signer writes:
//   countersign-release-v1
//   SHA256 SIZE NAME        a line an artifact, sorted by name
// DSSE is over an in-toto Statement v1, TUF over a delegated targets role. What each key signs begins otherwise, so a
// signature of one is none of another; those over the manifest itself are one signature in several wrappings.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "signer/statement/statement.h"

namespace countersign::statement {

enum class ReleaseFormat { Openssl, Cosign, Signify, Minisign, Sshsig, Dsse, Tuf };

struct ReleaseFormatRow {
  ReleaseFormat format;
  std::string_view name;
  bool p256;  // whether it exists for P-256 keys
};
std::span<const ReleaseFormatRow> release_formats();

// What `release sign` writes, one noun a file.
inline constexpr std::string_view kAllFormats = "all";
inline constexpr std::string_view kReleaseFirstLine = "countersign-release-v1";
inline constexpr std::string_view kReleaseManifest = "countersign-release.txt";
inline constexpr std::string_view kReleaseNamespace = "countersign-release";  // of sshsig
inline constexpr std::string_view kInTotoType = "application/vnd.in-toto+json";
inline constexpr std::string_view kReleasePredicate = "https://countersign.example/release/v1";

struct ReleaseArtifact {
  std::string name;
  Digest sha256;
  std::uint64_t size = 0;
  bool operator==(const ReleaseArtifact&) const = default;
};

// {"version","builder","source_revision","artifacts":[{"name","sha256","size"}],"formats":["all"|…]}. Strict: names are
// single path components of 1 to 255 bytes without control characters, sorted, each once; at most 256. Fails with
// Invalid.
Result<Json> read_release_fields(const JsonTree& fields);

// What approvers of a release approve (dual control): the digest of its fields without `formats`, as an intent, under a
// policy of this name alone.
Json approvable_release(const Json& fields);
Digest release_policy_digest();
inline constexpr std::string_view kReleaseScope = "tool:release.sign";

// Of the fields or the document of a release. Precondition: read_release_fields took it.
std::vector<ReleaseArtifact> release_artifacts(const Json& document);

std::string release_manifest(std::span<const ReleaseArtifact> artifacts);
// Fails with Invalid on anything that release_manifest does not make.
Result<std::vector<ReleaseArtifact>> parse_release_manifest(std::string_view text);

}  // namespace countersign::statement
