// ledger verify, backup, restore: the running signer is asked over the custodians' socket; a file is the business of
// countersignd, which knows ledgers (docs/decisions, "Who opens a ledger").
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "command/command.h"
#include "command/commands.h"
#include "command/signer_address.h"
#include "signer/client/signer_client.h"

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

// Between two looks at a check that is under way.
constexpr std::chrono::milliseconds kPause{200};

// Becomes `countersignd ledger …`, which lies beside this program. Comes back only where that fails.
Result<int> become(const Call& call, std::string_view task, const Arguments& arguments, std::span<const Flag> flags) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "ledger takes flags only"};
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string program = (self.parent_path() / "countersignd").string();
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

Error damaged(const Json& check) {
  const Json* damage = check.find("damage");
  const std::string what = damage != nullptr ? std::string(damage->text("message")) : "the ledger is damaged";
  const std::string code = damage != nullptr ? std::string(damage->text("code")) : "ledger_corrupt";
  return Error{ErrorCode::Refused, what, code, "The signer signs nothing any more. docs/ledger.md says what to do."};
}

Result<std::int64_t> rounds_in(const Json& ledger) {
  const Json* check = ledger.find("check");
  const Json* rounds = check != nullptr ? check->find("rounds") : nullptr;
  if (rounds == nullptr || !rounds->is_integer()) {
    return Error{ErrorCode::Unavailable, "the signer answers nothing about a check"};
  }
  if (check->text("state") == "damaged") return damaged(*check);
  return rounds->as_integer();
}

// Has the running signer check its ledger now, and waits for the end of the round.
Result<int> ask_signer(Call& call, const Arguments& arguments) {
  client::SignerClient signer(admin_address(arguments));
  const auto ask = [&signer](bool start) {
    return signer.change("/v1/ledger/check", Json::object({{"start", start}}));
  };
  ASSIGN_OR_RETURN(Json ledger, ask(true));
  const Json* round = ledger.find("done_by_round");
  if (round == nullptr || !round->is_integer()) {
    return Error{ErrorCode::Unavailable, "the signer answers nothing about a check"};
  }
  const std::int64_t wanted = round->as_integer();
  auto told = std::chrono::steady_clock::now();
  for (;;) {
    std::this_thread::sleep_for(kPause);
    ASSIGN_OR_RETURN(ledger, ask(false));
    ASSIGN_OR_RETURN(const std::int64_t rounds, rounds_in(ledger));
    if (rounds >= wanted) break;
    const Json& check = *ledger.find("check");
    if (const std::string_view trouble = check.text("trouble"); !trouble.empty()) {
      return Error{ErrorCode::Unavailable, "the signer cannot read its ledger: " + std::string(trouble)};
    }
    if (std::chrono::steady_clock::now() - told < std::chrono::seconds(1)) continue;
    told = std::chrono::steady_clock::now();
    call.console.tell(std::string(check.text("doing")) + ": " + check.find("checked")->compact() + " of " +
                      check.find("size")->compact());
  }
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
