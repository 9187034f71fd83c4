// ledger verify, backup, restore: the running signer is asked over the custodians' socket; a file is the business of
// countersignd, which knows ledgers (docs/decisions, "Who opens a ledger").
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "command/line/command.h"
#include "command/line/signer_address.h"
#include "command/log/commands.h"
#include "command/log/ledger_view.h"

namespace countersign::command {
namespace {

constexpr Flag kConfigFlag = {"config", Flag::Kind::Text, "FILE", "the appliance's configuration"};
constexpr Flag kLedgerFlag = {"ledger", Flag::Kind::Text, "FILE", "a ledger or backup alone, without anchors"};
constexpr Flag kVerifyFlags[] = {kConfigFlag, kLedgerFlag, kSignerFlag, kAdminFlag};
constexpr Flag kBackupFlags[] = {{"to", Flag::Kind::Text, "FILE", "the new file"}, kConfigFlag, kLedgerFlag};
constexpr Flag kRestoreFlags[] = {
    {"from", Flag::Kind::Text, "FILE", "a backup"},
    kConfigFlag,
    {"reason", Flag::Kind::Text, "TEXT", "why, for the record and the security owner"},
    {"accept-loss", Flag::Kind::Switch, "",
     "records after the backup are lost, and anchors that have them are overruled"},
};

// Becomes `countersignd ledger …`, which lies beside this program. Comes back only where that fails.
Result<int> become(const Call& call, std::string_view task, const Arguments& arguments, std::span<const Flag> flags) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "ledger takes flags only"};
  const std::string program = countersignd_path();
  std::vector<std::string> words = {program, "ledger", std::string(task)};
  for (const Flag& flag : flags) {
    if (!arguments.given(flag.name)) continue;
    if (flag.kind == Flag::Kind::Switch) {
      if (arguments.is_on(flag.name)) words.push_back("--" + std::string(flag.name));
      continue;
    }
    words.push_back("--" + std::string(flag.name));
    words.emplace_back(arguments.text(flag.name));
  }
  if (call.json) words.emplace_back("--json");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  return Error{ErrorCode::Unavailable, "cannot run " + program + ": " + std::strerror(errno), "program_missing",
               "Install countersignd beside countersign."};
}

// Has the running signer check its ledger now.
Result<int> ask_signer(Call& call, const Arguments& arguments) {
  client::SignerClient signer(admin_address(arguments));
  ASSIGN_OR_RETURN(const Json ledger, check_by_signer(call, signer));
  if (!call.json) {
    call.console.answer("verified by the signer: " + ledger.find("check")->find("size")->compact() +
                        " records; the ledger has " + ledger.find("size")->compact() + " now, root " +
                        std::string(ledger.text("root")) + "\n");
    return 0;
  }
  Json whole = Json::object({{"ok", true}});
  for (const Json::Member& member : ledger.as_object()) whole.set(member.first, member.second);
  call.console.answer(whole.compact() + "\n");
  return 0;
}

Result<int> verify(Call& call, const Arguments& arguments) {
  if (arguments.given("config") || arguments.given("ledger")) {
    return become(call, "verify", arguments, std::span(kVerifyFlags).first(2));
  }
  return ask_signer(call, arguments);
}

Result<int> backup(Call& call, const Arguments& arguments) {
  return become(call, "backup", arguments, kBackupFlags);
}

Result<int> restore(Call& call, const Arguments& arguments) {
  return become(call, "restore", arguments, kRestoreFlags);
}

}  // namespace

Command ledger_verify_command() {
  return {"ledger verify",
          "[--config FILE | --ledger FILE]",
          "Checks a whole ledger: every record against the tree, every table against the records, the anchors",
          "Without a file the running signer checks its own, over the custodians' socket (admin:ledger). With one the "
          "file\n"
          "is read, also while its appliance runs: that takes the right to read it. Exits 3 on damage.",
          "countersign ledger verify --config /etc/countersign/countersign.yaml",
          kVerifyFlags,
          Positionals::Anywhere,
          Shape::Ours,
          verify};
}

Command ledger_backup_command() {
  return {"ledger backup",
          "--to FILE [--config FILE | --ledger FILE]",
          "Copies the ledger, also while the appliance runs; synced, verified, never over another file",
          "The copy is one state of the ledger. Without --config or --ledger: /etc/countersign/countersign.yaml.",
          "countersign ledger backup --to /backup/ledger-2027-01-15.db",
          kBackupFlags,
          Positionals::Anywhere,
          Shape::Ours,
          backup};
}

Command ledger_restore_command() {
  return {"ledger restore",
          "--from FILE --reason TEXT [--config FILE] [--accept-loss]",
          "Puts a backup in the place of the ledger of a stopped appliance",
          "Refused while the appliance runs, where the backup does not verify, and where an anchor has more records "
          "unless\n"
          "--accept-loss. The old ledger is moved aside. Tokens and permits made before the restore are refused from "
          "then on.",
          "countersign ledger restore --from /backup/ledger-2027-01-15.db --reason 'disk of host a died'",
          kRestoreFlags,
          Positionals::Anywhere,
          Shape::Ours,
          restore};
}

}  // namespace countersign::command
