// keys init, rotate, verify: pairs of key files in gait's form, for those who come from gait. A signer's keys are made
// in its tokens, by ceremony.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "command/keys/commands.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/key_files.h"
#include "command/line/signer_address.h"
#include "common/clock.h"
#include "common/text.h"

namespace countersign::command {
namespace {

constexpr Flag kPairFlags[] = {
    {"out-dir", Flag::Kind::Text, "DIR", "where the pair goes (gait-out/keys)"},
    {"prefix", Flag::Kind::Text, "NAME", "how the files begin (gait)"},
    {"force", Flag::Kind::Switch, "", "write over files that are there"},
    kSignerFlag,
};

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

bool exists(const std::string& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0;
}

// With a signer, a pair of files is not what rotates a key. Who names a folder wants files all the same.
Status refuse_beside_signer(const Arguments& arguments, std::string_view word) {
  const SignerAddress address = signer_address(arguments);
  if (arguments.given("out-dir") || !(address.chosen || exists(address.path))) return ok();
  return Error{ErrorCode::Refused,
               "the signer at " + address.path + " keeps its keys in tokens; keys " + std::string(word) +
                   " would only make files that it never signs with",
               "key_ceremony_required",
               "rotate its keys by a ceremony (docs/key-lifecycle.md), or name --out-dir to make key files"};
}

// The prefix begins a file name, and only that.
Result<std::string> prefix_of(const Arguments& arguments) {
  std::string prefix(trimmed(arguments.text("prefix", "gait")));
  if (prefix.empty()) prefix = "gait";
  if (prefix.find('/') != std::string::npos || prefix == "..") {
    return invalid("prefix must not contain path separators");
  }
  return prefix;
}

// 20261122T042304Z
std::string compact_stamp(UtcTime now) {
  std::string text = now.rfc3339().substr(0, std::string_view("2026-11-22T04:23:04").size());
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text + "Z";
}

Result<int> write_pair(Call& call, const Arguments& arguments, const std::string& prefix) {
  std::string folder(trimmed(arguments.text("out-dir")));
  if (folder.empty()) folder = "gait-out/keys";
  const std::string base = std::filesystem::path(folder + "/" + prefix).lexically_normal().string();
  const std::string private_path = base + "_private.key";
  const std::string public_path = base + "_public.key";
  for (const auto& [what, path] : {std::pair("private", private_path), std::pair("public", public_path)}) {
    if (arguments.is_on("force") || !exists(path)) continue;
    return invalid(std::string(what) + " key path already exists (use --force): " + path);
  }
  RETURN_IF_ERROR(prepare_output("private key", private_path));
  const keyfile::PrivateKey key = keyfile::PrivateKey::generate();
  RETURN_IF_ERROR(write_output(private_path, key.gait_text() + "\n"));
  RETURN_IF_ERROR(write_output(public_path, key.public_key().gait_text() + "\n"));
  const std::string& key_id = key.public_key().gait_key_id();
  if (call.json) {
    answer_as_gait(call, Json::object({{"ok", true},
                                       {"prefix", prefix},
                                       {"key_id", key_id},
                                       {"public_key_path", public_path},
                                       {"private_key_path", private_path}}));
  } else {
    call.console.answer("key_id        " + key_id + "\nprivate       " + private_path + "\npublic        " +
                        public_path + "\n");
  }
  call.console.tell("key-file mode: " + private_path +
                    " is a private key in a file; whoever reads it signs. A signer keeps keys in tokens.");
  return 0;
}

Result<int> init(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return invalid("unexpected positional arguments");
  RETURN_IF_ERROR(refuse_beside_signer(arguments, "init"));
  ASSIGN_OR_RETURN(const std::string prefix, prefix_of(arguments));
  return write_pair(call, arguments, prefix);
}

Result<int> rotate(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return invalid("unexpected positional arguments");
  RETURN_IF_ERROR(refuse_beside_signer(arguments, "rotate"));
  ASSIGN_OR_RETURN(const std::string prefix, prefix_of(arguments));
  return write_pair(call, arguments, prefix + "_" + compact_stamp(SystemClock().now()));
}

Result<int> verify(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return invalid("unexpected positional arguments");
  ASSIGN_OR_RETURN(const std::optional<SourcedPrivateKey> pair, private_key(arguments, ""));
  if (!pair) return invalid("private key source is required (--private-key or --private-key-env)");
  ASSIGN_OR_RETURN(const std::optional<SourcedPublicKey> half, verify_key(arguments, ""));
  if (half && half->key.raw() != pair->key.public_key().raw()) return invalid("public key does not match private key");
  const std::string& key_id = pair->key.public_key().gait_key_id();
  const std::string public_source = half ? half->source : "derived";
  if (call.json) {
    answer_as_gait(call, Json::object({{"ok", true},
                                       {"key_id", key_id},
                                       {"public_key_source", public_source},
                                       {"private_key_source", pair->source}}));
  } else {
    call.console.answer("key_id        " + key_id + "\nprivate       " + pair->source + "\npublic        " +
                        public_source + "\n");
  }
  return 0;
}

}  // namespace

Command keys_init_command() {
  return {"keys init",
          "[--out-dir DIR] [--prefix NAME] [--force]",
          "Makes a pair of key files in gait's form",
          "For key-file mode only. With a signer it needs --out-dir: the signer's keys are made by ceremony.",
          "countersign keys init --out-dir keys --prefix approval",
          kPairFlags,
          Positionals::Anywhere,
          Shape::Gait,
          init};
}

Command keys_rotate_command() {
  return {"keys rotate",
          "[--out-dir DIR] [--prefix NAME]",
          "Makes the next pair of key files, named by the time",
          "For key-file mode only. With a signer it needs --out-dir: the signer's keys are rotated by ceremony.",
          "countersign keys rotate --out-dir keys --prefix approval",
          kPairFlags,
          Positionals::Anywhere,
          Shape::Gait,
          rotate};
}

Command keys_verify_command() {
  return {"keys verify",
          "--private-key FILE [--public-key FILE]",
          "Checks that key files hold a pair",
          "Exits 0 where they do, 6 where a file is no key, its halves differ, or the two do not belong together.",
          "countersign keys verify --private-key keys/approval_private.key --public-key keys/approval_public.key",
          {},
          Positionals::Anywhere,
          Shape::Gait,
          verify};
}

}  // namespace countersign::command
