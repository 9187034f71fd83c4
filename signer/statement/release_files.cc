#include "signer/statement/release_files.h"

#include <openssl/evp.h>

#include <algorithm>
#include <chrono>

#include "common/armour.h"
#include "common/text.h"
#include "keymgmt/tuf/signed_document.h"
#include "signer/statement/ssh_wire.h"

namespace countersign::statement {
namespace {

using keymgmt::Algorithm;

constexpr std::chrono::hours kTufLifetime{24 * 365};

Error invalid(std::string detail, std::string reason = {}) {
  return Error{ErrorCode::Invalid, std::move(detail), std::move(reason)};
}

Bytes hash_of(std::string_view text, const EVP_MD* kind) {
  Bytes out(64);
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), out.data(), &size, kind, nullptr) != 1 || size != out.size()) std::abort();
  return out;
}

// https://in-toto.io/Statement/v1, with what was built how as the predicate.
std::string in_toto_statement(const Json& document) {
  Json::Array subjects;
  for (const ReleaseArtifact& each : release_artifacts(document)) {
    subjects.push_back(Json::object({{"name", each.name}, {"digest", Json::object({{"sha256", each.sha256.hex()}})}}));
  }
  return Json::object({{"_type", "https://in-toto.io/Statement/v1"},
                       {"subject", std::move(subjects)},
                       {"predicateType", kReleasePredicate},
                       {"predicate", Json::object({{"version", document.text("version")},
                                                   {"builder", document.text("builder")},
                                                   {"source_revision", document.text("source_revision")},
                                                   {"signed_at", document.text("signed_at")}})}})
      .compact();
}

// A delegated targets role; its version is the second of signing, so a later release has a greater one.
Result<tuf::SignedDocument> tuf_targets(const Json& document) {
  ASSIGN_OR_RETURN(const UtcTime at, UtcTime::parse(document.text("signed_at")));
  Json targets{Json::Object{}};
  for (const ReleaseArtifact& each : release_artifacts(document)) {
    targets.set(each.name, Json::object({{"hashes", Json::object({{"sha256", each.sha256.hex()}})},
                                         {"length", static_cast<std::int64_t>(each.size)}}));
  }
  return tuf::SignedDocument::of(Json::object({{"_type", "targets"},
                                               {"spec_version", "1.0.31"},
                                               {"version", at.unix_seconds()},
                                               {"expires", (at + kTufLifetime).whole_seconds().rfc3339()},
                                               {"targets", std::move(targets)}}));
}

std::string trusted_comment(const Json& document) {
  return std::string(kReleaseFirstLine) + " " + std::string(document.text("signed_at"));
}

// The algorithm's formats among those asked for.
Result<std::vector<ReleaseFormat>> chosen_formats(const Json& document, Algorithm algorithm) {
  std::vector<ReleaseFormat> chosen;
  for (const Json& each : document.find("formats")->as_array()) {
    for (const ReleaseFormatRow& row : release_formats()) {
      const bool exists = algorithm == Algorithm::Ed25519 || row.p256;
      if (each.as_string() == row.name && !exists) {
        return invalid("there is no " + std::string(row.name) + " signature by a P-256 key", "format_unfit");
      }
      if ((each.as_string() == row.name || each.as_string() == kAllFormats) && exists &&
          std::ranges::find(chosen, row.format) == chosen.end()) {
        chosen.push_back(row.format);
      }
    }
  }
  return chosen;
}

bool over_manifest(ReleaseFormat format) {
  return format == ReleaseFormat::Openssl || format == ReleaseFormat::Cosign || format == ReleaseFormat::Signify;
}

Json text_file(std::string name, std::string content) {
  return Json::object({{"name", std::move(name)}, {"content", std::move(content)}});
}

std::string beside_manifest(std::string_view ending) {
  return std::string(kReleaseManifest) + std::string(ending);
}

// "Ed" or "ED", the key's number and the signature, as minisign and signify keep it.
std::string numbered_signature(std::string_view algorithm, const keymgmt::PublicKey& key, ByteView signature) {
  const std::string text = key.minisign_text("");
  const std::size_t line = text.find('\n') + 1;
  const Bytes public_key = *from_base64(trimmed(std::string_view(text).substr(line)));
  Bytes blob(algorithm.begin(), algorithm.end());
  blob.insert(blob.end(), public_key.begin() + 2, public_key.begin() + 10);
  blob.insert(blob.end(), signature.begin(), signature.end());
  return to_base64(blob) + "\n";
}

Bytes mpint(ByteView magnitude) {
  while (magnitude.size() > 1 && magnitude.front() == 0) magnitude = magnitude.subspan(1);
  Bytes out;
  if ((magnitude.front() & 0x80) != 0) out.push_back(0);
  out.insert(out.end(), magnitude.begin(), magnitude.end());
  return out;
}

std::string sshsig_file(const keymgmt::PublicKey& key, ByteView signature) {
  const std::string line = key.ssh_line("");
  const std::size_t first = line.find(' ');
  const std::string type = line.substr(0, first);
  const Bytes blob = *from_base64(trimmed(std::string_view(line).substr(first + 1)));
  Bytes inner;
  append_ssh_string(inner, view_of(type));
  if (key.algorithm() == Algorithm::Ed25519) {
    append_ssh_string(inner, signature);
  } else {
    Bytes both;
    append_ssh_string(both, mpint(signature.first(32)));
    append_ssh_string(both, mpint(signature.subspan(32)));
    append_ssh_string(inner, both);
  }
  Bytes out{'S', 'S', 'H', 'S', 'I', 'G'};
  append_ssh_number(out, 1);
  append_ssh_string(out, blob);
  append_ssh_string(out, view_of(kReleaseNamespace));
  append_ssh_string(out, {});
  append_ssh_string(out, view_of("sha512"));
  append_ssh_string(out, inner);
  return to_armour(out, "SSH SIGNATURE");
}

// Sigstore bundle v0.3 around one signature by a key that the verifier has.
Json bundle_of(const keymgmt::PublicKey& key, std::string_view member, Json content) {
  return Json::object({{"mediaType", "application/vnd.dev.sigstore.bundle.v0.3+json"},
                       {"verificationMaterial",
                        Json::object({{"publicKey", Json::object({{"hint", to_base64(sha256(key.spki()).bytes())}})},
                                      {"tlogEntries", Json(Json::Array{})}})},
                       {std::string(member), std::move(content)}});
}

Json dsse_envelope(std::string_view statement, std::string_view keyid, const Bytes& signature) {
  return Json::object(
      {{"payload", to_base64(view_of(statement))},
       {"payloadType", kInTotoType},
       {"signatures", Json(Json::Array{Json::object({{"keyid", keyid}, {"sig", to_base64(signature)}})})}});
}

}  // namespace

std::string dsse_message(std::string_view payload_type, std::string_view payload) {
  return "DSSEv1 " + std::to_string(payload_type.size()) + " " + std::string(payload_type) + " " +
         std::to_string(payload.size()) + " " + std::string(payload);
}

Bytes release_sshsig_message(std::string_view text) {
  Bytes out{'S', 'S', 'H', 'S', 'I', 'G'};
  append_ssh_string(out, view_of(kReleaseNamespace));
  append_ssh_string(out, {});
  append_ssh_string(out, view_of("sha512"));
  append_ssh_string(out, hash_of(text, EVP_sha512()));
  return out;
}

Bytes minisign_hash(std::string_view text) {
  return hash_of(text, EVP_blake2b512());
}

Json stamped_release(const Json& fields, const Stamp& stamp) {
  Json document = Json::object({{"schema_id", row_of(StatementType::Release).schema_id},
                                {"schema_version", "1.0.0"},
                                {"signed_at", stamp.now.rfc3339()}});
  for (const Json::Member& member : fields.as_object()) document.set(member.first, member.second);
  return document;
}

Result<std::vector<ReleasePart>> release_parts(const Json& document, Algorithm algorithm) {
  ASSIGN_OR_RETURN(const std::vector<ReleaseFormat> formats, chosen_formats(document, algorithm));
  const std::string manifest = release_manifest(release_artifacts(document));
  std::vector<ReleasePart> parts;
  if (std::ranges::any_of(formats, over_manifest)) parts.push_back({ReleaseFormat::Openssl, manifest});
  for (const ReleaseFormat format : formats) {
    switch (format) {
      case ReleaseFormat::Openssl:
      case ReleaseFormat::Cosign:
      case ReleaseFormat::Signify:
        break;
      case ReleaseFormat::Minisign:
        parts.push_back({format, std::string(text_of(minisign_hash(manifest)))});
        parts.push_back({format, trusted_comment(document), true});
        break;
      case ReleaseFormat::Sshsig:
        parts.push_back({format, std::string(text_of(release_sshsig_message(manifest)))});
        break;
      case ReleaseFormat::Dsse:
        parts.push_back({format, dsse_message(kInTotoType, in_toto_statement(document))});
        break;
      case ReleaseFormat::Tuf: {
        ASSIGN_OR_RETURN(const tuf::SignedDocument targets, tuf_targets(document));
        parts.push_back({format, targets.message()});
        break;
      }
    }
  }
  return parts;
}

Result<Json> sealed_release(Json document, const keymgmt::PublicKey& key, ByteView signatures) {
  constexpr std::size_t kSignature = 64;
  const Algorithm algorithm = key.algorithm();
  ASSIGN_OR_RETURN(const std::vector<ReleaseFormat> formats, chosen_formats(document, algorithm));
  ASSIGN_OR_RETURN(const std::vector<ReleasePart> parts, release_parts(document, algorithm));
  if (signatures.size() != parts.size() * kSignature) return invalid("a release has another number of signatures");
  const auto has = [&formats](ReleaseFormat format) { return std::ranges::find(formats, format) != formats.end(); };
  const std::string manifest = release_manifest(release_artifacts(document));
  Json::Array files{text_file(std::string(kReleaseManifest), manifest)};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const ByteView signature = signatures.subspan(i * kSignature, kSignature);
    Bytes carried(signature.begin(), signature.end());  // as files carry it: Ed25519 as it is, ECDSA as DER
    if (algorithm == Algorithm::P256) {
      ASSIGN_OR_RETURN(carried, keymgmt::ecdsa_der(signature));
    }
    switch (parts[i].format) {
      case ReleaseFormat::Openssl:
      case ReleaseFormat::Cosign:
      case ReleaseFormat::Signify:
        if (has(ReleaseFormat::Openssl)) {
          files.push_back(Json::object({{"name", beside_manifest(".sig")}, {"content_base64", to_base64(carried)}}));
        }
        if (has(ReleaseFormat::Cosign)) {
          files.push_back(text_file(beside_manifest(".cosign.sig"), to_base64(carried) + "\n"));
          const Json content = Json::object(
              {{"messageDigest",
                Json::object({{"algorithm", "SHA2_256"}, {"digest", to_base64(sha256(manifest).bytes())}})},
               {"signature", to_base64(carried)}});
          files.push_back(text_file(beside_manifest(".sigstore.json"),
                                    bundle_of(key, "messageSignature", content).compact() + "\n"));
        }
        if (has(ReleaseFormat::Signify)) {
          files.push_back(text_file(beside_manifest(".signify"), "untrusted comment: countersign release manifest\n" +
                                                                     numbered_signature("Ed", key, signature)));
        }
        break;
      case ReleaseFormat::Minisign: {
        if (parts[i].after_previous) break;
        const ByteView global = signatures.subspan((i + 1) * kSignature, kSignature);
        files.push_back(text_file(beside_manifest(".minisig"), "untrusted comment: countersign release manifest\n" +
                                                                   numbered_signature("ED", key, signature) +
                                                                   "trusted comment: " + trusted_comment(document) +
                                                                   "\n" + to_base64(global) + "\n"));
        break;
      }
      case ReleaseFormat::Sshsig:
        files.push_back(text_file(beside_manifest(".sshsig"), sshsig_file(key, signature)));
        break;
      case ReleaseFormat::Dsse: {
        const std::string statement = in_toto_statement(document);
        files.push_back(text_file("countersign-release.intoto.json",
                                  dsse_envelope(statement, key.kid(), carried).compact() + "\n"));
        // cosign takes a key id in an envelope for a threshold that it does not meet.
        files.push_back(
            text_file("countersign-release.intoto.sigstore.json",
                      bundle_of(key, "dsseEnvelope", dsse_envelope(statement, "", carried)).compact() + "\n"));
        break;
      }
      case ReleaseFormat::Tuf: {
        ASSIGN_OR_RETURN(tuf::SignedDocument targets, tuf_targets(document));
        RETURN_IF_ERROR(targets.add(key, signature));
        files.push_back(text_file("countersign-releases.json", targets.text() + "\n"));
        break;
      }
    }
  }
  document.set("kid", key.kid());
  document.set("algorithm", keymgmt::name_of(algorithm));
  document.set("files", std::move(files));
  return document;
}

}  // namespace countersign::statement
