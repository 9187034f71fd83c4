#include "signer/statement/publication_fields.h"

#include <cstdlib>

#include "keymgmt/tuf/canonical.h"
#include "keymgmt/tuf/metadata.h"
#include "signer/statement/structure.h"

namespace countersign::statement {
namespace {

using enum Field::Kind;
using enum Field::Presence;

constexpr Field kVersion{"version", Integer, Required};
constexpr Field kLifetime{"lifetime", Integer, Required};  // whole seconds
constexpr Field kTimestamp[] = {kVersion,
                                kLifetime,
                                {"snapshot_version", Integer, Required},
                                {"snapshot_length", Integer, Required},
                                {"snapshot_sha256", HexDigest, Required}};
constexpr Field kSnapshot[] = {
    kVersion, kLifetime, {"targets_version", Integer, Required}, {"revoked_version", Integer, Required}};
constexpr Field kRevoked[] = {kVersion, kLifetime, {"length", Integer, Required}, {"sha256", HexDigest, Required}};

// No metadata of ours is to be believed for longer, whatever the configuration says.
constexpr std::int64_t kLongestLifetime = std::int64_t{400} * 24 * 3600;

const Structure& structure_of(StatementType type) {
  static constexpr Structure timestamp{kTimestamp};
  static constexpr Structure snapshot{kSnapshot};
  static constexpr Structure revoked{kRevoked};
  if (type == StatementType::TufTimestamp) return timestamp;
  if (type == StatementType::TufSnapshot) return snapshot;
  if (type == StatementType::TufRevoked) return revoked;
  std::abort();
}

std::uint64_t number(const Json& fields, std::string_view name) {
  return static_cast<std::uint64_t>(fields.find(name)->as_integer());
}

Json signed_part(StatementType type, const Json& fields, UtcTime expires) {
  const std::uint64_t version = number(fields, "version");
  if (type == StatementType::TufTimestamp) {
    tuf::Timestamp timestamp{.version = version, .expires = expires};
    timestamp.snapshot_version = number(fields, "snapshot_version");
    timestamp.snapshot = tuf::FileFacts{number(fields, "snapshot_length"), std::string(fields.text("snapshot_sha256"))};
    return timestamp.signed_part();
  }
  if (type == StatementType::TufSnapshot) {
    tuf::Snapshot snapshot{.version = version, .expires = expires};
    snapshot.versions = {{"targets.json", number(fields, "targets_version")},
                         {"revoked.json", number(fields, "revoked_version")}};
    return snapshot.signed_part();
  }
  tuf::Targets revoked{.version = version, .expires = expires};
  revoked.files.emplace(tuf::kRevokedTarget,
                        tuf::FileFacts{number(fields, "length"), std::string(fields.text("sha256"))});
  return revoked.signed_part();
}

}  // namespace

Result<Json> read_publication_fields(StatementType type, const JsonTree& fields) {
  RETURN_IF_ERROR(read(structure_of(type), fields, fields.root(), Reading::Strict, ""));
  Json out = fields.root().json();
  for (const Json::Member& member : out.as_object()) {
    if (!member.second.is_integer()) continue;
    const bool length = member.first == "length" || member.first == "snapshot_length";
    if (member.second.as_integer() < (length ? 0 : 1)) {
      return Error{ErrorCode::Invalid, member.first + ": must be a whole number from 1 on"};
    }
  }
  if (out.find("lifetime")->as_integer() > kLongestLifetime) {
    return Error{ErrorCode::Invalid, "lifetime: is longer than 400 days"};
  }
  return out;
}

std::chrono::nanoseconds lifetime_of(const Json& fields) {
  return std::chrono::seconds(fields.find("lifetime")->as_integer());
}

Result<OnlineDocument> stamped_publication(StatementType type, const Json& fields, const Stamp& stamp) {
  OnlineDocument out;
  out.document = signed_part(type, fields, stamp.now.whole_seconds() + lifetime_of(fields));
  ASSIGN_OR_RETURN(out.message, tuf::canonical(out.document));
  // Without PEM in it, what TUF signs is what RFC 8785 says.
  if (out.message != out.document.canonical()) {
    return Error{ErrorCode::Internal, "TUF's canonical form differs from RFC 8785"};
  }
  return out;
}

Result<Json> sealed_publication(Json signed_part, const keymgmt::PublicKey& key, ByteView signature) {
  ASSIGN_OR_RETURN(tuf::SignedDocument document, tuf::SignedDocument::of(std::move(signed_part)));
  RETURN_IF_ERROR(document.add(key, signature));
  return Json::parse(document.text());
}

}  // namespace countersign::statement
