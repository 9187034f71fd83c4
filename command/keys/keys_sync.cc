// keys sync: a verifier fetches the published keys by the rules of a TUF client.
#include <filesystem>

#include "command/keys/commands.h"
#include "command/line/command.h"
#include "command/line/http_source.h"
#include "command/line/input_file.h"
#include "common/clock.h"
#include "common/text.h"
#include "keymgmt/sync/client.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"from", Flag::Kind::Text, "DIR|URL", "the publication directory, or an http(s) server of it"},
    {"trust", Flag::Kind::Text, "DIR", "what is known already, and where the key files go"},
    {"root", Flag::Kind::Text, "FILE", "the root metadata that came with the verifier; needed the first time"},
    {"ca", Flag::Kind::Text, "FILE",
     "authorities to check an https server's certificate against, instead of the system's"},
};

Result<int> sync_keys(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "keys sync takes no arguments"};
  const std::string from(trimmed(arguments.text("from")));
  const std::string trust(trimmed(arguments.text("trust")));
  if (from.empty() || trust.empty()) {
    return Error{ErrorCode::Invalid, "keys sync needs --from and --trust", "flag_missing",
                 "countersign keys sync --from https://keys.example --trust ./trust --root root.json"};
  }
  std::string pinned;
  if (const std::string root(trimmed(arguments.text("root"))); !root.empty()) {
    ASSIGN_OR_RETURN(pinned, read_input("root metadata", root));
  }
  if (std::error_code ignored;
      std::filesystem::exists(trust, ignored) && !std::filesystem::is_directory(trust, ignored)) {
    return Error{ErrorCode::Invalid, trust + " is a file; --trust takes a directory", "trust_no_directory",
                 "Name a directory of its own: countersign keys sync --from … --trust ./trust"};
  }
  const sync::TrustStore store(trust);
  sync::DirectorySource directory(from);
  HttpSource server(from, std::string(trimmed(arguments.text("ca"))));
  sync::Source& source = is_url(from) ? static_cast<sync::Source&>(server) : directory;
  ASSIGN_OR_RETURN(const sync::Synced synced, sync::refresh(store, source, pinned, SystemClock().now()));
  if (synced.trial) {
    call.console.tell("warning: this is a trial root: its custodians' keys lie on the signer's own disk");
  }
  const std::string expires = synced.keys.expires_at()->rfc3339();
  call.console.answer(call.json ? Json::object({{"ok", true},
                                                {"trust", trust},
                                                {"root_version", synced.root_version},
                                                {"targets_version", synced.targets_version},
                                                {"timestamp_version", synced.timestamp_version},
                                                {"keys", std::uint64_t{synced.keys.keys().size()}},
                                                {"expires_at", expires},
                                                {"trial", synced.trial}})
                                          .compact() +
                                      "\n"
                                : "synced " + std::to_string(synced.keys.keys().size()) + " keys into " + trust +
                                      ", to be believed until " + expires + "\n");
  return 0;
}

}  // namespace

Command keys_sync_command() {
  return {
      "keys sync",
      "--from DIR|URL --trust DIR [--root FILE] [--ca FILE]",
      "Fetches the published keys as a verifier",
      "Follows the client rules of TUF: old, held back, mixed and foreign files are refused by the attack's name, and "
      "the trust directory keeps what was good. Works offline from a copied directory. Exits 0 synced, 2 refused, "
      "7 not reachable.",
      "countersign keys sync --from https://keys.example --trust ./trust --root root.json",
      kFlags,
      Positionals::Anywhere,
      Shape::Ours,
      sync_keys};
}

}  // namespace countersign::command
