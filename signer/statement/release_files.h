// The signatures of a release, each as the tool of its format keeps it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "signer/statement/release_fields.h"

namespace countersign::statement {

// DSSE's pre-authentication encoding.
std::string dsse_message(std::string_view payload_type, std::string_view payload);
// PROTOCOL.sshsig: what is signed for `text` in kReleaseNamespace.
Bytes release_sshsig_message(std::string_view text);
// BLAKE2b-512, 64 bytes: what minisign signs.
Bytes minisign_hash(std::string_view text);

// One thing the key signs. `after_previous`: the signature before it stands in front of `message` (minisign's global
// signature).
struct ReleasePart {
  ReleaseFormat format;
  std::string message;
  bool after_previous = false;
};

// The document of a release without signatures: the fields, the time, who signs.
Json stamped_release(const Json& fields, const Stamp& stamp);
// What `algorithm` signs of it, in order. Formats over the manifest share the first of them. Fails with Invalid, reason
// "format_unfit", where a format was asked for by name that the algorithm has not.
Result<std::vector<ReleasePart>> release_parts(const Json& document, keymgmt::Algorithm algorithm);
// The document with "manifest" and "files": [{"name","content" (text) or "content_base64"}]. `signatures`: 64 bytes a
// part. Fails with Invalid.
Result<Json> sealed_release(Json document, const keymgmt::PublicKey& key, ByteView signatures);

}  // namespace countersign::statement
