// log archive: older entries of the log, and lines of its history, to another folder.
#include <chrono>

#include "command/line/command.h"
#include "command/log/commands.h"
#include "command/log/opened_log.h"
#include "common/clock.h"
#include "signer/log/archive.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"to", Flag::Kind::Text, "DIR", "the archive; one that is there is continued"},
    {"before", Flag::Kind::Text, "DAY", "what was recorded before 2026-11-27 (UTC), and the history of these days"},
    {"below", Flag::Kind::Integer, "N", "bundles that end at or below record N"},
    kLogFlag,
    kLogKeyFlag,
    kWitnessFlag,
    kWitnessesRequiredFlag,
    kTrustFlag,
    kSignerFlag,
};

// A line of a day's history may still be on its way when the day is over.
constexpr std::chrono::hours kDayIsOver{1};

Result<UtcTime> start_of(const std::string& day, UtcTime now) {
  const Result<UtcTime> start = UtcTime::parse(day + "T00:00:00Z");
  if (!start) return Error{ErrorCode::Invalid, "--before takes a day such as 2026-11-27, not \"" + day + "\""};
  if (now < *start + kDayIsOver) {
    return Error{ErrorCode::Refused, "what was recorded before " + day + " may not all be there yet", "day_not_over",
                 "Name an earlier day; the last one counts from an hour after its end."};
  }
  return start;
}

Result<int> archive(Call& call, const Arguments& arguments) {
  const std::string to(arguments.text("to"));
  const std::string folder(arguments.text("log"));
  const std::string day(arguments.text("before"));
  if (to.empty() || folder.empty() || !arguments.positionals().empty()) {
    return Error{ErrorCode::Invalid, "log archive needs --log DIR, the log's own folder, and --to DIR"};
  }
  if (arguments.given("before") == arguments.given("below")) {
    return Error{ErrorCode::Invalid, "log archive takes --before DAY or --below N"};
  }
  const log::FolderSource source(folder);
  ASSIGN_OR_RETURN(const log::TrustedCheckpoint trusted, trusted_checkpoint(arguments, source));
  const log::Archive archive(folder, trusted.checkpoint(), to);
  ASSIGN_OR_RETURN(std::uint64_t below, records_in(arguments, "below"));
  log::ArchiveReport report;
  if (arguments.given("before")) {
    ASSIGN_OR_RETURN(const UtcTime start, start_of(day, SystemClock().now()));
    ASSIGN_OR_RETURN(below, archive.made_before(start));
  }
  RETURN_IF_ERROR(archive.move_bundles(below, report));
  if (arguments.given("before")) RETURN_IF_ERROR(archive.move_history(day, report));
  call.console.answer(call.json
                          ? Json::object({{"ok", true},
                                          {"path", to},
                                          {"archived_below", report.below},
                                          {"bundles", report.bundles},
                                          {"history_days", report.days},
                                          {"bytes", report.bytes}})
                                    .compact() +
                                "\n"
                          : to + ": " + std::to_string(report.bundles) + " bundles and " + std::to_string(report.days) +
                                " days of history moved; all entries below record " + std::to_string(report.below) +
                                " are there\n");
  return 0;
}

}  // namespace

Command log_archive_command() {
  return {
      "log archive",
      "--log DIR --to DIR (--before DAY | --below N)",
      "Moves older entries of the log to an archive, without which every proof stays whole",
      "Hash tiles and checkpoint stay, so the log continues, proves and is followed as before. Everything is proven\n"
      "before it is copied and again in the archive, synced, and only then removed; killed, the same call goes on.\n"
      "The signer may run. `log fsck`, `prove`, `show`, `follow` and `export` read the archive with --archive DIR.",
      "countersign log archive --log /var/lib/countersign/log --to /archive/log --before 2026-09-01",
      kFlags,
      Positionals::Anywhere,
      Shape::Ours,
      archive};
}

}  // namespace countersign::command
