// The signature files of a release: one table, name → format → how it is verified.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "signer/statement/release_files.h"

namespace countersign::command {

struct SignedManifest {
  const std::string& manifest;
  const std::vector<statement::ReleaseArtifact>& artifacts;  // of the manifest
  const keymgmt::KeySet& keys;                               // those of role release count, unless compromised
  UtcTime now;
};

struct ReleaseSignatureFile {
  std::string_view name;
  std::string_view format;
  // The kid of the key that signed. Fails with VerificationFailed (signature_invalid, release_mismatch, expired) and
  // with Invalid.
  Result<std::string> (*verify)(const std::string& content, const SignedManifest& manifest);
};
std::span<const ReleaseSignatureFile> release_signature_files();

}  // namespace countersign::command
