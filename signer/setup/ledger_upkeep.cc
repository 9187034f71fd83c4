#include "signer/setup/ledger_upkeep.h"

#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "common/durable_file.h"
#include "keymgmt/key_set.h"
#include "signer/config/events.h"
#include "signer/ledger/ledger_file.h"
#include "signer/supervisor/state_lock.h"

namespace countersign::setup {
namespace {

constexpr const char* kUsualConfiguration = "/etc/countersign/countersign.yaml";
constexpr std::chrono::seconds kToldEvery{1};

struct Kind {
  std::string_view name;
  LedgerTask::Kind kind;
};
constexpr Kind kKinds[] = {{"verify", LedgerTask::Kind::Verify},
                           {"root", LedgerTask::Kind::Root},
                           {"backup", LedgerTask::Kind::Backup},
                           {"restore", LedgerTask::Kind::Restore}};

struct TextFlag {
  std::string_view name;
  std::string LedgerTask::*value;
};
constexpr TextFlag kFlags[] = {{"--config", &LedgerTask::config}, {"--ledger", &LedgerTask::ledger},
                               {"--at", &LedgerTask::at},         {"--to", &LedgerTask::to},
                               {"--from", &LedgerTask::from},     {"--reason", &LedgerTask::reason}};

Error unknown(std::string_view word) {
  return Error{ErrorCode::Invalid, "ledger does not know, or not here: " + std::string(word), "", "--help"};
}

Status complete(LedgerTask& task) {
  const bool backs_up = task.kind == LedgerTask::Kind::Backup;
  const bool restores = task.kind == LedgerTask::Kind::Restore;
  if ((task.kind == LedgerTask::Kind::Root) == task.at.empty()) {
    return task.at.empty() ? Error{ErrorCode::Invalid, "ledger root needs --at N"} : unknown("--at");
  }
  if (!task.config.empty() && !task.ledger.empty()) return unknown("--ledger beside --config");
  if (task.config.empty() && task.ledger.empty()) task.config = kUsualConfiguration;
  if (backs_up == task.to.empty())
    return backs_up ? Error{ErrorCode::Invalid, "ledger backup needs --to FILE"} : unknown("--to");
  if (restores == task.from.empty()) {
    return restores ? Error{ErrorCode::Invalid, "ledger restore needs --from FILE"} : unknown("--from");
  }
  if (!restores) {
    if (!task.reason.empty() || task.accept_loss) return unknown("--reason, --accept-loss");
    return ok();
  }
  if (!task.ledger.empty()) return unknown("--ledger");
  if (task.reason.empty()) {
    return Error{ErrorCode::Invalid, "ledger restore needs --reason TEXT", "reason_missing", "say why, for the record"};
  }
  return ok();
}

// At most once a second, so that a short task says nothing.
ledger::FileProgress teller() {
  return
      [last = std::chrono::steady_clock::now()](std::string_view doing, std::uint64_t done, std::uint64_t all) mutable {
        const auto now = std::chrono::steady_clock::now();
        if (now - last < kToldEvery) return;
        last = now;
        std::fprintf(stderr, "%.*s: %llu of %llu\n", static_cast<int>(doing.size()), doing.data(),
                     static_cast<unsigned long long>(done), static_cast<unsigned long long>(all));
      };
}

struct Place {
  std::string ledger;
  std::vector<ledger::AnchorReading> anchors;
  std::optional<config::Config> config;
};

Result<Place> place_of(const LedgerTask& task) {
  Place place;
  if (!task.ledger.empty()) {
    place.ledger = task.ledger;
    return place;
  }
  ASSIGN_OR_RETURN(place.config, config::load(task.config));
  place.ledger = place.config->state + "/ledger.db";
  if (!place.config->publication.empty()) {
    place.anchors.push_back({"publication directory", ledger::read_anchor_file(place.config->publication)});
  }
  return place;
}

// The root over the first records of a ledger, to hold another's word against: a checkpoint, an anchor, a log's files.
Result<Json> root_of(const LedgerTask& task, const Place& place) {
  std::uint64_t at = 0;
  const auto [end, error] = std::from_chars(task.at.data(), task.at.data() + task.at.size(), at);
  if (error != std::errc() || end != task.at.data() + task.at.size()) {
    return Error{ErrorCode::Invalid, "--at takes a number of records, not \"" + task.at + "\""};
  }
  ASSIGN_OR_RETURN(const ledger::RootReport report, ledger::root_in_file(place.ledger, at));
  return Json::object({{"ok", true},
                       {"ledger", place.ledger},
                       {"size", report.head.size},
                       {"root", report.head.root.hex()},
                       {"root_at", Json::object({{"size", at}, {"root", report.root.hex()}})}});
}

Json texts(const std::vector<std::string>& list) {
  Json::Array rows;
  for (const std::string& each : list) rows.emplace_back(each);
  return Json(std::move(rows));
}

Json report_json(const Place& place, const ledger::FileReport& report) {
  Json json = Json::object({{"ok", true},
                            {"ledger", place.ledger},
                            {"size", report.verification.head.size},
                            {"root", report.verification.head.root.hex()},
                            {"redemptions", report.verification.redemptions},
                            {"executions", report.verification.executions},
                            {"anchors_compared", report.anchors.newest ? 1 : 0},
                            {"findings", texts(report.anchors.findings)}});
  return json;
}

// What verifiers were told last of the keys. A directory that holds none is no obstacle; one that cannot be read is.
Status read_published(const std::string& directory, ledger::RestorePlan& plan) {
  if (directory.empty()) return ok();
  const Result<std::string> text = read_file(directory + "/keyset.json");
  if (!text) return text.error().code == ErrorCode::NotFound ? ok() : Status(text.error());
  ASSIGN_OR_RETURN(const Json document, Json::parse(*text));
  ASSIGN_OR_RETURN(const keymgmt::KeySet published, keymgmt::KeySet::parse(document));
  plan.published = published.keys();
  plan.published_version = published.version();
  return ok();
}

Result<Json> restore(const LedgerTask& task, const Place& place, const Clock& clock) {
  // While this is held no appliance starts on the state directory.
  ASSIGN_OR_RETURN(const supervisor::StateLock lock,
                   supervisor::StateLock::take(place.config->state, place.config->front_uid()));
  const config::EventRow& event = config::row_of(config::Event::LedgerRestored);
  ledger::RestorePlan plan;
  plan.backup = task.from;
  plan.ledger = place.ledger;
  plan.anchors = place.anchors;
  plan.accept_loss = task.accept_loss;
  plan.reason = task.reason;
  plan.uid = getuid();
  plan.event.event = std::string(event.name);
  plan.event.window = event.window;
  RETURN_IF_ERROR(read_published(place.config->publication, plan));
  ASSIGN_OR_RETURN(const ledger::RestoreReport report, ledger::restore(plan, clock, teller()));
  return Json::object({{"ok", true},
                       {"ledger", place.ledger},
                       {"restored_size", report.backup.size},
                       {"size", report.head.size},
                       {"root", report.head.root.hex()},
                       {"accepts_loss", task.accept_loss},
                       {"moved_aside", report.moved_aside},
                       {"findings", texts(report.findings)}});
}

}  // namespace

Result<LedgerTask> read_ledger_task(std::span<char* const> words) {
  LedgerTask task;
  const Kind* kind = nullptr;
  for (const Kind& each : kKinds) {
    if (!words.empty() && each.name == words.front()) kind = &each;
  }
  if (kind == nullptr) return Error{ErrorCode::Invalid, "ledger does verify, root, backup or restore", "", "--help"};
  task.kind = kind->kind;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--json") {
      task.json = true;
      continue;
    }
    if (word == "--accept-loss") {
      task.accept_loss = true;
      continue;
    }
    const TextFlag* flag = nullptr;
    for (const TextFlag& each : kFlags) {
      if (each.name == word) flag = &each;
    }
    if (flag == nullptr || i + 1 == words.size() || !(task.*flag->value).empty()) return unknown(word);
    task.*flag->value = words[++i];
  }
  RETURN_IF_ERROR(complete(task));
  return task;
}

Result<Json> carry_out(const LedgerTask& task, const Clock& clock) {
  ASSIGN_OR_RETURN(const Place place, place_of(task));
  switch (task.kind) {
    case LedgerTask::Kind::Verify: {
      ASSIGN_OR_RETURN(const ledger::FileReport report, ledger::verify_file(place.ledger, place.anchors, teller()));
      return report_json(place, report);
    }
    case LedgerTask::Kind::Root:
      return root_of(task, place);
    case LedgerTask::Kind::Backup: {
      ASSIGN_OR_RETURN(const ledger::FileReport report,
                       ledger::back_up(place.ledger, task.to, place.anchors, teller()));
      Json json = report_json(place, report);
      json.set("backup", task.to);
      return json;
    }
    case LedgerTask::Kind::Restore:
      return restore(task, place, clock);
  }
  return Error{ErrorCode::Internal, "a task that is none"};
}

std::string text_of(const LedgerTask& task, const Json& answer) {
  const std::string size = std::to_string(answer.find("size")->as_integer());
  std::string text;
  switch (task.kind) {
    case LedgerTask::Kind::Verify:
      text = "verified: " + size + " records, root " + std::string(answer.text("root")) + "\n";
      break;
    case LedgerTask::Kind::Root:
      return std::string(answer.find("root_at")->text("root")) + " over the first " + task.at + " of " + size +
             " records\n";
    case LedgerTask::Kind::Backup:
      text = "backed up and verified: " + size + " records in " + task.to + "\n";
      break;
    case LedgerTask::Kind::Restore:
      text = "restored: " + size + " records; tokens and permits made before now are refused\n";
      if (!answer.text("moved_aside").empty()) {
        text += "the ledger that stood in its place: " + std::string(answer.text("moved_aside")) + "\n";
      }
      break;
  }
  for (const Json& finding : answer.find("findings")->as_array()) text += "WARNING: " + finding.as_string() + "\n";
  return text;
}

}  // namespace countersign::setup
