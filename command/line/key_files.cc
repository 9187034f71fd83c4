#include "command/line/key_files.h"

#include <algorithm>
#include <cstdlib>

#include "command/line/input_file.h"
#include "common/text.h"

namespace countersign::command {
namespace {

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

using Kind = Flag::Kind;
constexpr std::string_view kSame = "the same, from an environment variable";
constexpr Flag kKeyMode = {"key-mode", Kind::Text, "MODE", "dev or prod: gait's keys in files instead of the signer"};
constexpr Flag kSigner = {"private-key", Kind::Text, "FILE", "key-file mode: the key that signs"};
constexpr Flag kSignerVariable = {"private-key-env", Kind::Text, "NAME", kSame};

constexpr Flag kSigningFlags[] = {kKeyMode, kSigner, kSignerVariable};
constexpr Flag kVerifyingFlags[] = {
    {"public-key", Kind::Text, "FILE", "the key to believe, in gait's form"},
    {"public-key-env", Kind::Text, "NAME", kSame},
    {"private-key", Kind::Text, "FILE", "its public half is the key to believe"},
    {"private-key-env", Kind::Text, "NAME", kSame},
};
constexpr Flag kGateFlags[] = {
    kKeyMode,
    kSigner,
    kSignerVariable,
    {"approval-public-key", Kind::Text, "FILE", "key-file mode: the key of approvers"},
    {"approval-public-key-env", Kind::Text, "NAME", kSame},
    {"approval-private-key", Kind::Text, "FILE", "key-file mode: its public half is the key of approvers"},
    {"approval-private-key-env", Kind::Text, "NAME", kSame},
    {"delegation-public-key", Kind::Text, "FILE", "key-file mode: the key of delegators"},
    {"delegation-public-key-env", Kind::Text, "NAME", kSame},
    {"delegation-private-key", Kind::Text, "FILE", "key-file mode: its public half is the key of delegators"},
    {"delegation-private-key-env", Kind::Text, "NAME", kSame},
    {"approved-script-public-key", Kind::Text, "FILE", "key-file mode: the key of script approvers"},
    {"approved-script-public-key-env", Kind::Text, "NAME", kSame},
};

constexpr Flag kSpeakingFlags[] = {kKeyMode,      kSigner,       kSignerVariable, kGateFlags[3],
                                   kGateFlags[4], kGateFlags[5], kGateFlags[6],   kGateFlags[7],
                                   kGateFlags[8], kGateFlags[9], kGateFlags[10]};

// Which command has which (gait-formats §2.3).
struct Row {
  std::string_view words;
  std::span<const Flag> flags;
};
constexpr Row kRows[] = {
    {"mcp proxy", kGateFlags},
    {"mcp bridge", kGateFlags},
    {"gate eval", kGateFlags},
    {"approve", kSigningFlags},
    {"approve-script", kSigningFlags},
    {"delegate mint", kSigningFlags},
    {"delegate verify", kVerifyingFlags},
    {"voice token mint", kSpeakingFlags},
    {"voice token verify", kVerifyingFlags},
    {"voice pack build", kSigningFlags},
    {"voice pack verify", kVerifyingFlags},
    {"guard pack", kSigningFlags},
    {"guard verify", kVerifyingFlags},
    {"pack verify", kVerifyingFlags},
    {"trace verify", kVerifyingFlags},
    {"verify chain", kVerifyingFlags},
    {"keys verify", kVerifyingFlags},
};

std::string_view value(const Arguments& arguments, const std::string& name) {
  return trimmed(arguments.text(name));
}

// The text of the file or variable; nothing where neither is named.
struct KeyText {
  std::string text;
  std::string source;
};
Result<std::optional<KeyText>> key_text(const Arguments& arguments, const std::string& flag, const std::string& what) {
  const std::string file(value(arguments, flag));
  const std::string variable(value(arguments, flag + "-env"));
  if (!file.empty() && !variable.empty()) return invalid(what + " source: set either path or env");
  if (!file.empty()) {
    ASSIGN_OR_RETURN(std::string text, read_input(what, file));
    return std::optional(KeyText{std::move(text), "path:" + file});
  }
  if (variable.empty()) return std::optional<KeyText>();
  const char* text = std::getenv(variable.c_str());
  if (text == nullptr || trimmed(text).empty()) {
    return invalid(what + " environment variable " + variable + " is not set");
  }
  return std::optional(KeyText{text, "env:" + variable});
}

// PEM is ours: what `keys export` writes.
Result<keymgmt::PublicKey> public_key_of(std::string_view text) {
  if (text.find("-----BEGIN") == std::string_view::npos) return keyfile::parse_public_key(text);
  Result<keymgmt::PublicKey> key = keymgmt::PublicKey::from_pem(text);
  if (!key) return invalid("parse public key: " + key.error().detail);
  return key;
}

}  // namespace

std::span<const Flag> key_file_flags(std::string_view words) {
  const auto row = std::ranges::find(kRows, words, &Row::words);
  return row == std::end(kRows) ? std::span<const Flag>() : row->flags;
}

bool in_key_file_mode(const Arguments& arguments) {
  return std::ranges::any_of(kGateFlags, [&](const Flag& flag) { return arguments.given(flag.name); });
}

Result<std::optional<SourcedPrivateKey>> private_key(const Arguments& arguments, std::string_view prefix) {
  ASSIGN_OR_RETURN(std::optional<KeyText> text,
                   key_text(arguments, std::string(prefix) + "private-key", "private key"));
  if (!text) return std::optional<SourcedPrivateKey>();
  ASSIGN_OR_RETURN(keyfile::PrivateKey key, keyfile::PrivateKey::parse(std::move(text->text)));
  return std::optional(SourcedPrivateKey{std::move(key), std::move(text->source)});
}

Result<std::optional<SourcedPublicKey>> verify_key(const Arguments& arguments, std::string_view prefix) {
  ASSIGN_OR_RETURN(const std::optional<KeyText> text,
                   key_text(arguments, std::string(prefix) + "public-key", "public key"));
  if (text) {
    ASSIGN_OR_RETURN(keymgmt::PublicKey key, public_key_of(text->text));
    return std::optional(SourcedPublicKey{std::move(key), text->source});
  }
  ASSIGN_OR_RETURN(const std::optional<SourcedPrivateKey> pair, private_key(arguments, prefix));
  if (!pair) return std::optional<SourcedPublicKey>();
  return std::optional(SourcedPublicKey{pair->key.public_key(), "derived"});
}

Result<FileSigner> FileSigner::load(const Arguments& arguments) {
  const std::string mode = lowered(value(arguments, "key-mode"));
  const bool named = !value(arguments, "private-key").empty() || !value(arguments, "private-key-env").empty();
  if (mode.empty() || mode == "dev") {
    if (named) return invalid("dev mode does not accept explicit key sources");
    FileSigner signer(keyfile::PrivateKey::generate(), "a throw-away key");
    signer.warnings_ = {"dev mode: ephemeral keypair generated; signatures will not verify across machines"};
    return signer;
  }
  if (mode != "prod") return invalid("unsupported key mode: \"" + mode + "\"");
  ASSIGN_OR_RETURN(std::optional<SourcedPrivateKey> key, command::private_key(arguments, ""));
  if (!key) return invalid("prod mode requires an explicit private key source (--private-key or --private-key-env)");
  return FileSigner(std::move(key->key), key->source);
}

std::string FileSigner::notice() const {
  return "key-file mode: signed with " + source_ + " (key_id " + public_key().gait_key_id() +
         "); nothing is recorded and approvals are not single-use. Without key flags the signer signs.";
}

keymgmt::KeySet only_key(keymgmt::PublicKey key, keymgmt::Role role) {
  keymgmt::PublishedKey published{std::move(key), role,        keymgmt::KeyState::Active, "", "", {}, {},
                                  std::nullopt,   std::nullopt};
  return keymgmt::KeySet(1, UtcTime(), {std::move(published)});
}

}  // namespace countersign::command
