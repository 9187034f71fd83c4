// The four kinds of TUF metadata (TUF specification 1.0, §4.3 to §4.6) as far as we write them, and as tolerant as a
// client must be: members that we do not know are kept by the signature and otherwise ignored.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "keymgmt/tuf/signed_document.h"

namespace countersign::tuf {

inline constexpr std::string_view kRevokedRole = "revoked";         // the delegated role that can only take away
inline constexpr std::string_view kRevokedTarget = "revoked.json";  // and its one target

// A file as metadata names it.
struct FileFacts {
  std::uint64_t length = 0;
  std::string sha256;  // lower-case hex
  bool operator==(const FileFacts&) const = default;
};
FileFacts facts_of(std::string_view content);
// Fails with VerificationFailed, reason "arbitrary_software".
Status matches(const FileFacts& facts, std::string_view content, std::string_view what);

struct Root {
  std::uint64_t version = 0;
  UtcTime expires;
  KeyTable keys;
  Signers root, targets, snapshot, timestamp;
  bool trial = false;  // made by `countersignd init`: its custodians' keys lie on one disk
  Json signed_part() const;
  static Result<Root> parse(const Json& signed_part);
};

struct Targets {
  struct Delegation {
    std::string name;
    KeyTable keys;
    Signers signers;
    std::vector<std::string> paths;
  };
  std::uint64_t version = 0;
  UtcTime expires;
  std::map<std::string, FileFacts, std::less<>> files;
  std::optional<Delegation> delegation;
  Json signed_part() const;
  static Result<Targets> parse(const Json& signed_part);
};

struct Snapshot {
  std::uint64_t version = 0;
  UtcTime expires;
  std::map<std::string, std::uint64_t, std::less<>> versions;  // by file name: "targets.json", "revoked.json"
  Json signed_part() const;
  static Result<Snapshot> parse(const Json& signed_part);
};

struct Timestamp {
  std::uint64_t version = 0;
  UtcTime expires;
  std::uint64_t snapshot_version = 0;
  std::optional<FileFacts> snapshot;  // of the file; always written by us
  Json signed_part() const;
  static Result<Timestamp> parse(const Json& signed_part);
};

// "3.root.json": metadata under consistent snapshots (§6.2). Timestamp has no number.
std::string versioned(std::uint64_t version, std::string_view name);
// "approval/<sha256>.k.pem" of the target "approval/k.pem".
std::string hashed(std::string_view target, const FileFacts& facts);

}  // namespace countersign::tuf
