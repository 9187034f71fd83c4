// doctor: what stands in the way of using the gate from here, each finding with the command that mends it (gait's
// object gait.doctor.result; the checks are ours).
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "command/line/command.h"
#include "command/line/signer_address.h"
#include "command/upkeep/commands.h"
#include "common/clock.h"
#include "common/joined.h"
#include "gate/document/optional_members.h"
#include "signer/client/signer_client.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"production-readiness", Flag::Kind::Switch, "", "a signer with a key for every role must be there"},
    kSignerFlag,
};

constexpr const char* kOutput = "gait-out";
constexpr const char* kRateLock = ".gait-out/gate_rate_limits.json.lock";
constexpr std::time_t kStaleAfter = 15;  // seconds: gait-formats §14
constexpr const char* kApproverKey = "COUNTERSIGN_APPROVER_KEY";

enum class Health { Pass, Warn, Fail };

std::string_view name_of(Health health) {
  switch (health) {
    case Health::Pass:
      return "pass";
    case Health::Warn:
      return "warn";
    case Health::Fail:
      return "fail";
  }
  return "fail";
}

struct Finding {
  std::string_view check;
  Health health = Health::Pass;
  std::string message;
  std::string fix;  // empty where nothing is to be done
  std::string_view scope = "universal";

  Json json() const {
    Json out = Json::object(
        {{"name", Json(check)}, {"scope", Json(scope)}, {"status", Json(name_of(health))}, {"message", message}});
    gate::put(out, "fix_command", fix);
    return out;
  }
};

bool is_writable_folder(const std::string& path) {
  struct stat facts {};
  return stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) && access(path.c_str(), W_OK | X_OK) == 0;
}

Finding check_workdir() {
  if (is_writable_folder(".")) return {"workdir", Health::Pass, "workdir is writable", ""};
  return {"workdir", Health::Fail, "workdir is not writable", "cd to a folder you may write"};
}

Finding check_output() {
  if (is_writable_folder(kOutput)) return {"output_dir", Health::Pass, "output directory is writable", ""};
  if (access(kOutput, F_OK) != 0) {
    return {"output_dir", Health::Warn, "output directory does not exist", "mkdir -p 'gait-out'"};
  }
  return {"output_dir", Health::Fail, "output directory is not writable", "chmod u+wx 'gait-out'"};
}

Finding check_temporary() {
  std::error_code failure;
  const std::string path = std::filesystem::temp_directory_path(failure).string();
  if (!failure && is_writable_folder(path)) {
    return {"temp_dir", Health::Pass, "temporary directory is writable", ""};
  }
  return {"temp_dir", Health::Fail, "temporary directory is not writable", "export TMPDIR=/var/tmp"};
}

Finding check_rate_lock() {
  struct stat facts {};
  if (lstat(kRateLock, &facts) != 0 || std::time(nullptr) - facts.st_mtime <= kStaleAfter) {
    return {"gate_rate_limit_lock", Health::Pass, "no stale gate rate-limit lock detected", ""};
  }
  return {"gate_rate_limit_lock", Health::Warn, "a gate rate-limit lock is older than 15 s",
          std::string("rm '") + kRateLock + "'"};
}

// A private key that others may read proves nothing about its owner.
Finding check_approver_key() {
  const char* path = std::getenv(kApproverKey);
  if (path == nullptr || *path == '\0') return {"approver_key", Health::Pass, "no approver key is configured", ""};
  struct stat facts {};
  if (stat(path, &facts) != 0 || access(path, R_OK) != 0) {
    return {"approver_key", Health::Fail, std::string("the approver key ") + path + " cannot be read",
            std::string("export ") + kApproverKey + "=~/.ssh/id_ed25519"};
  }
  if ((facts.st_mode & 077U) != 0) {
    return {"approver_key", Health::Fail, std::string("the approver key ") + path + " is readable by others",
            std::string("chmod 600 '") + path + "'"};
  }
  return {"approver_key", Health::Pass, "the approver key is its owner's alone", ""};
}

std::vector<std::string> roles_without_key(const keymgmt::KeySet& keys) {
  std::vector<std::string> out;
  for (const keymgmt::Role role : {keymgmt::Role::Approval, keymgmt::Role::Trace}) {
    const bool has = std::ranges::any_of(keys.keys(), [role](const keymgmt::PublishedKey& key) {
      return key.role == role && key.state == keymgmt::KeyState::Active;
    });
    if (!has) out.emplace_back(keymgmt::name_of(role));
  }
  return out;
}

Finding check_signer(const Arguments& arguments) {
  const bool required = arguments.is_on("production-readiness");
  const Health missing = required ? Health::Fail : Health::Warn;
  const std::string_view scope = required ? "production_readiness" : "universal";
  const std::string path = signer_address(arguments).path;
  const Result<keymgmt::KeySet> keys = client::SignerClient(path).keys();
  if (!keys) {
    return {"signer", missing, "no signer answers at " + path, "countersign status --wait 15s", scope};
  }
  const std::vector<std::string> without = roles_without_key(*keys);
  if (without.empty())
    return {"signer", Health::Pass, "the signer has an active key for approval and trace", "", scope};
  return {"signer", missing, "the signer has no active key for " + joined(without, ", "), "countersign status", scope};
}

Result<int> examine(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "unexpected positional arguments"};
  const Finding findings[] = {check_workdir(),   check_output(),       check_temporary(),
                              check_rate_lock(), check_approver_key(), check_signer(arguments)};
  Health worst = Health::Pass;
  int failed = 0;
  int warned = 0;
  std::set<std::string> fixes;
  Json::Array checks;
  std::string text;
  for (const Finding& finding : findings) {
    worst = std::max(worst, finding.health);
    failed += finding.health == Health::Fail ? 1 : 0;
    warned += finding.health == Health::Warn ? 1 : 0;
    if (!finding.fix.empty()) fixes.insert(finding.fix);
    checks.push_back(finding.json());
    text += std::string(name_of(finding.health)) + " " + std::string(finding.check) + ": " + finding.message + "\n";
    if (!finding.fix.empty()) text += "     fix: " + finding.fix + "\n";
  }
  const std::string summary = "doctor: onboarding_mode=installed_binary status=" + std::string(name_of(worst)) +
                              " failed=" + std::to_string(failed) + " warned=" + std::to_string(warned) +
                              " non_fixable=false";
  if (!call.json) {
    call.console.answer(text + summary + "\n");
  } else {
    Json answer = Json::object({{"ok", worst != Health::Fail},
                                {"schema_id", "gait.doctor.result"},
                                {"schema_version", "1.0.0"},
                                {"created_at", SystemClock().now().rfc3339()},
                                {"producer_version", COUNTERSIGN_VERSION},
                                {"onboarding_mode", "installed_binary"},
                                {"status", Json(name_of(worst))},
                                {"checks", Json(std::move(checks))},
                                {"summary", summary}});
    gate::put(answer, "fix_commands", std::vector<std::string>(fixes.begin(), fixes.end()));
    answer_as_gait(call, std::move(answer));
  }
  return worst == Health::Fail ? row_of(ErrorCode::VerificationFailed).exit_code : 0;
}

}  // namespace

Command doctor_command() {
  return {"doctor",
          "[--production-readiness]",
          "Says what stands in the way of using the gate from here, and how to mend it",
          "Exits 0 when nothing fails, also with warnings, and 2 otherwise.",
          "countersign doctor --json",
          kFlags,
          Positionals::Anywhere,
          Shape::Gait,
          examine};
}

}  // namespace countersign::command
