#include "command/release/release_signatures.h"

#include <algorithm>

#include "common/text.h"
#include "keymgmt/tuf/signed_document.h"
#include "signer/statement/approval_proof.h"

namespace countersign::command {
namespace {

using keymgmt::Algorithm;
using keymgmt::PublicKey;

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail), "signature_file_invalid"};
}

Error unverified(std::string detail, std::string reason = "signature_invalid") {
  return Error{ErrorCode::VerificationFailed, std::move(detail), std::move(reason)};
}

std::vector<const PublicKey*> keys_of(const SignedManifest& manifest) {
  std::vector<const PublicKey*> keys;
  for (const keymgmt::PublishedKey& each : manifest.keys.keys()) {
    if (each.role == keymgmt::Role::Release && !each.compromised_since) keys.push_back(&each.key);
  }
  return keys;
}

bool verifies(const PublicKey& key, ByteView message, const Bytes& carried) {
  if (key.algorithm() == Algorithm::Ed25519) return key.verify(message, carried).has_value();
  const Result<Bytes> raw = keymgmt::ecdsa_r_and_s(carried);
  return raw && key.verify(message, *raw);
}

Result<std::string> signer_of(const SignedManifest& manifest, ByteView message, const Bytes& carried) {
  for (const PublicKey* key : keys_of(manifest)) {
    if (verifies(*key, message, carried)) return key->kid();
  }
  return unverified("no release key made this signature");
}

Result<std::string> verify_openssl(const std::string& content, const SignedManifest& manifest) {
  const ByteView bytes = view_of(content);
  return signer_of(manifest, view_of(manifest.manifest), Bytes(bytes.begin(), bytes.end()));
}

Result<std::string> verify_cosign(const std::string& content, const SignedManifest& manifest) {
  ASSIGN_OR_RETURN(const Bytes carried, from_base64(trimmed(content)));
  return signer_of(manifest, view_of(manifest.manifest), carried);
}

// "Ed" or "ED", eight bytes of the key's number, the signature.
Result<Bytes> numbered(std::string_view line, std::string_view algorithm) {
  constexpr std::size_t kHead = 10;
  constexpr std::size_t kSignature = 64;
  ASSIGN_OR_RETURN(const Bytes blob, from_base64(line));
  if (blob.size() != kHead + kSignature || text_of(ByteView(blob).first(2)) != algorithm) {
    return invalid("the signature is not of the form \"" + std::string(algorithm) + "\"");
  }
  return Bytes(blob.begin() + kHead, blob.end());
}

Result<std::string> verify_signify(const std::string& content, const SignedManifest& manifest) {
  const std::vector<std::string_view> lines = lines_of(content);
  if (lines.size() != 2 || !lines[0].starts_with("untrusted comment: ")) return invalid("it is no signify file");
  ASSIGN_OR_RETURN(const Bytes signature, numbered(lines[1], "Ed"));
  return signer_of(manifest, view_of(manifest.manifest), signature);
}

Result<std::string> verify_minisign(const std::string& content, const SignedManifest& manifest) {
  constexpr std::string_view kTrusted = "trusted comment: ";
  const std::vector<std::string_view> lines = lines_of(content);
  if (lines.size() != 4 || !lines[0].starts_with("untrusted comment: ") || !lines[2].starts_with(kTrusted)) {
    return invalid("it is no minisign file");
  }
  ASSIGN_OR_RETURN(const Bytes signature, numbered(lines[1], "ED"));
  ASSIGN_OR_RETURN(const Bytes global, from_base64(lines[3]));
  const std::string_view comment = lines[2].substr(kTrusted.size());
  if (!comment.starts_with(statement::kReleaseFirstLine)) return unverified("the trusted comment is not of a release");
  Bytes commented = signature;
  commented.insert(commented.end(), view_of(comment).begin(), view_of(comment).end());
  ASSIGN_OR_RETURN(const std::string kid, signer_of(manifest, statement::minisign_hash(manifest.manifest), signature));
  ASSIGN_OR_RETURN(const std::string of_comment, signer_of(manifest, commented, global));
  if (kid != of_comment) return unverified("two keys signed the file and its comment");
  return kid;
}

Result<std::string> verify_sshsig(const std::string& content, const SignedManifest& manifest) {
  for (const PublicKey* key : keys_of(manifest)) {
    if (statement::verify_ssh_signature(content, manifest.manifest, statement::kReleaseNamespace, key->ssh_line(""))) {
      return key->kid();
    }
  }
  return unverified("no release key made this signature");
}

// That a document's files are the manifest's: the same names with the same digests, no more and no fewer.
Status same_files(const std::vector<std::pair<std::string, std::string>>& named, const SignedManifest& manifest) {
  std::vector<std::pair<std::string, std::string>> wanted;
  for (const statement::ReleaseArtifact& each : manifest.artifacts) wanted.emplace_back(each.name, each.sha256.hex());
  std::vector<std::pair<std::string, std::string>> given = named;
  std::ranges::sort(given);
  std::ranges::sort(wanted);
  if (given == wanted) return ok();
  return unverified("it is about other files than the manifest", "release_mismatch");
}

Result<std::string> verify_envelope(const Json& envelope, const SignedManifest& manifest) {
  const Json* signatures = envelope.find("signatures");
  if (envelope.text("payloadType") != statement::kInTotoType || signatures == nullptr || !signatures->is_array() ||
      signatures->as_array().size() != 1) {
    return invalid("it is no DSSE envelope of one in-toto statement");
  }
  ASSIGN_OR_RETURN(const Bytes payload, from_base64(envelope.text("payload")));
  ASSIGN_OR_RETURN(const Bytes carried, from_base64(signatures->as_array().front().text("sig")));
  const std::string message = statement::dsse_message(statement::kInTotoType, text_of(payload));
  ASSIGN_OR_RETURN(const std::string kid, signer_of(manifest, view_of(message), carried));
  ASSIGN_OR_RETURN(const Json body, Json::parse(text_of(payload)));
  const Json* subjects = body.find("subject");
  if (body.text("_type") != "https://in-toto.io/Statement/v1" ||
      body.text("predicateType") != statement::kReleasePredicate || subjects == nullptr || !subjects->is_array()) {
    return unverified("the statement is no release", "release_mismatch");
  }
  std::vector<std::pair<std::string, std::string>> named;
  for (const Json& subject : subjects->as_array()) {
    const Json* digest = subject.find("digest");
    named.emplace_back(subject.text("name"), digest == nullptr ? "" : digest->text("sha256"));
  }
  RETURN_IF_ERROR(same_files(named, manifest));
  return kid;
}

Result<std::string> verify_dsse(const std::string& content, const SignedManifest& manifest) {
  ASSIGN_OR_RETURN(const Json envelope, Json::parse(content));
  return verify_envelope(envelope, manifest);
}

Result<Json> bundle_content(const std::string& content, std::string_view member) {
  ASSIGN_OR_RETURN(const Json bundle, Json::parse(content));
  const Json* inner = bundle.find(member);
  if (bundle.text("mediaType") != "application/vnd.dev.sigstore.bundle.v0.3+json" || inner == nullptr) {
    return invalid("it is no sigstore bundle v0.3 of a " + std::string(member));
  }
  return *inner;
}

Result<std::string> verify_dsse_bundle(const std::string& content, const SignedManifest& manifest) {
  ASSIGN_OR_RETURN(const Json envelope, bundle_content(content, "dsseEnvelope"));
  return verify_envelope(envelope, manifest);
}

Result<std::string> verify_bundle(const std::string& content, const SignedManifest& manifest) {
  ASSIGN_OR_RETURN(const Json inner, bundle_content(content, "messageSignature"));
  const Json* digest = inner.find("messageDigest");
  if (digest == nullptr || digest->text("algorithm") != "SHA2_256" ||
      digest->text("digest") != to_base64(sha256(manifest.manifest).bytes())) {
    return unverified("the bundle is of another file", "release_mismatch");
  }
  ASSIGN_OR_RETURN(const Bytes carried, from_base64(inner.text("signature")));
  return signer_of(manifest, view_of(manifest.manifest), carried);
}

Result<std::string> verify_tuf(const std::string& content, const SignedManifest& manifest) {
  ASSIGN_OR_RETURN(const tuf::SignedDocument document, tuf::SignedDocument::parse(trimmed(content)));
  std::string kid;
  for (const PublicKey* key : keys_of(manifest)) {
    const std::string id = tuf::key_id(*key);
    if (!document.good_signers({{id, *key}}, {{id}, 1}).empty()) kid = key->kid();
  }
  if (kid.empty()) return unverified("no release key made this signature");
  const Json& part = document.signed_part();
  const Json* targets = part.find("targets");
  const Result<UtcTime> expires = UtcTime::parse(part.text("expires"));
  if (part.text("_type") != "targets" || targets == nullptr || !targets->is_object() || !expires) {
    return unverified("it is no TUF targets role", "release_mismatch");
  }
  if (*expires <= manifest.now) return unverified("it expired at " + expires->rfc3339(), "expired");
  std::vector<std::pair<std::string, std::string>> named;
  for (const Json::Member& target : targets->as_object()) {
    const Json* hashes = target.second.find("hashes");
    named.emplace_back(target.first, hashes == nullptr ? "" : hashes->text("sha256"));
  }
  RETURN_IF_ERROR(same_files(named, manifest));
  return kid;
}

constexpr ReleaseSignatureFile kFiles[] = {
    {"countersign-release.txt.sig", "openssl", verify_openssl},
    {"countersign-release.txt.cosign.sig", "cosign", verify_cosign},
    {"countersign-release.txt.sigstore.json", "cosign", verify_bundle},
    {"countersign-release.txt.signify", "signify", verify_signify},
    {"countersign-release.txt.minisig", "minisign", verify_minisign},
    {"countersign-release.txt.sshsig", "sshsig", verify_sshsig},
    {"countersign-release.intoto.json", "dsse", verify_dsse},
    {"countersign-release.intoto.sigstore.json", "dsse", verify_dsse_bundle},
    {"countersign-releases.json", "tuf", verify_tuf},
};

}  // namespace

std::span<const ReleaseSignatureFile> release_signature_files() {
  return kFiles;
}

}  // namespace countersign::command
