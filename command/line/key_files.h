// gait's key files (gait-formats §2.3, §4): the flags that name them, and the keys in them. Where a command is given
// one of its key flags it is in key-file mode: it signs and verifies with these files as gait does, has no ledger and
// hence no single use, and says so. Without a key flag the signer signs and its published keys verify.
//
// A command that gait has gets its key flags from the table in key_files.cc by its words (a command without a row there
// knows no key flag). It then asks, in this order:
//   in_key_file_mode(arguments)          whether to ask the signer at all
//   FileSigner::load(arguments)          who signs: --key-mode, --private-key[-env]
//   verify_key(arguments, "approval-")   which key verifies: --approval-public-key[-env], --approval-private-key[-env]
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "command/line/arguments.h"
#include "command/line/console.h"
#include "common/bytes.h"
#include "common/result.h"
#include "gate/keyfile/private_key.h"
#include "keymgmt/key_set.h"

namespace countersign::command {

// The rows for the command of these words ("gate eval"); empty for a command without key files.
std::span<const Flag> key_file_flags(std::string_view words);

// Whether one of gait's key flags was given, or configured. Commands that only verify are not asked.
bool in_key_file_mode(const Arguments& arguments);

// The private key that signs in key-file mode.
class FileSigner {
 public:
  // --key-mode dev (gait's default): a fresh key, and gait's warning. prod: exactly one of --private-key and
  // --private-key-env. Fails with Invalid in gait's words.
  static Result<FileSigner> load(const Arguments& arguments);

  const keymgmt::PublicKey& public_key() const { return key_.public_key(); }
  // `document` with gait's envelope as its last member `signature`.
  Json sealed(Json document) const { return key_.sealed(std::move(document)); }
  // The envelope alone: evidence packs keep theirs in a list.
  Json envelope(const Digest& digest) const { return key_.envelope(digest); }
  // Over a text, as gait's packs sign their proof records: base64.
  std::string text_signature(std::string_view text) const { return to_base64(key_.signature(view_of(text))); }
  // gait's own, for the member `warnings`.
  const std::vector<std::string>& warnings() const { return warnings_; }
  // For people: who signed, and what that lacks.
  std::string notice() const;

 private:
  FileSigner(keyfile::PrivateKey key, std::string source) : key_(std::move(key)), source_(std::move(source)) {}
  keyfile::PrivateKey key_;
  std::string source_;
  std::vector<std::string> warnings_;
};

// A key and where it came from, as `keys verify` reports it: "path:FILE", "env:NAME" or "derived".
struct SourcedPrivateKey {
  keyfile::PrivateKey key;
  std::string source;
};
struct SourcedPublicKey {
  keymgmt::PublicKey key;
  std::string source;
};
// --<prefix>private-key[-env]; nothing where neither is given. Fails with Invalid in gait's words.
Result<std::optional<SourcedPrivateKey>> private_key(const Arguments& arguments, std::string_view prefix);
// --<prefix>public-key[-env], else the public half of --<prefix>private-key[-env]; nothing where none is given.
// `prefix` is "" or ends in "-". Fails with Invalid in gait's words.
Result<std::optional<SourcedPublicKey>> verify_key(const Arguments& arguments, std::string_view prefix);

// A key set of this one key, which counts for `role` at every moment.
keymgmt::KeySet only_key(keymgmt::PublicKey key, keymgmt::Role role);

}  // namespace countersign::command
