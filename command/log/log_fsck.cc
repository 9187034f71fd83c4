// log fsck, export: all files of a log, checked and copied.
#include <filesystem>
#include <memory>
#include <optional>

#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/signer_address.h"
#include "command/log/commands.h"
#include "command/log/ledger_comparison.h"
#include "command/log/ledger_view.h"
#include "command/log/opened_log.h"
#include "common/durable_file.h"
#include "signer/log/tile_check.h"

namespace countersign::command {
namespace {

constexpr Flag kFsckFlags[] = {
    kArchiveFlag,
    {"archived-below", Flag::Kind::Integer, "N", "entry bundles that end at or below record N may be absent"},
    {"signers-ledger", Flag::Kind::Switch, "", "compare with the running signer's ledger too (admin:ledger)"},
    {"config", Flag::Kind::Text, "FILE", "compare with the ledger of this appliance, running or stopped"},
    {"ledger", Flag::Kind::Text, "FILE", "compare with this ledger, which has every published record"},
    {"backup", Flag::Kind::Text, "FILE", "compare with a backup of the ledger, as far as it goes"},
    {"tiles-only", Flag::Kind::Switch, "", "do not hash the entries, only the tiles"},
    {"quiet", Flag::Kind::Switch, "", "no progress on stderr"},
    kLogFlag,
    kLogKeyFlag,
    kWitnessFlag,
    kWitnessesRequiredFlag,
    kTrustFlag,
    kSignerFlag,
    kAdminFlag,
};
constexpr Flag kExportFlags[] = {
    {"out", Flag::Kind::Text, "DIR", "the copy; one that is there is continued"},
    kArchiveFlag,
    {"quiet", Flag::Kind::Switch, "", "no progress on stderr"},
    kLogFlag,
    kLogKeyFlag,
    kWitnessFlag,
    kWitnessesRequiredFlag,
    kTrustFlag,
    kSignerFlag,
};

constexpr std::uint64_t kTellEvery = 64 * 1024;  // entries

std::function<void(std::uint64_t, std::uint64_t)> progress_of(Call& call, const Arguments& arguments) {
  if (arguments.is_on("quiet")) return {};
  return [&call](std::uint64_t done, std::uint64_t whole) {
    if (done % kTellEvery == 0 && done < whole) {
      call.console.tell("checked " + std::to_string(done) + " of " + std::to_string(whole) + " records");
    }
  };
}

// The ledger to compare with; null where none is named.
Result<std::unique_ptr<LedgerView>> named_ledger(const Arguments& arguments) {
  std::unique_ptr<LedgerView> ledger;
  int named = 0;
  if (arguments.is_on("signers-ledger")) {
    ledger = signers_ledger(admin_address(arguments));
    ++named;
  }
  for (const std::string_view flag : {"config", "ledger", "backup"}) {
    if (!arguments.given(flag)) continue;
    ledger = ledger_file(flag == "config" ? "--config" : "--ledger", std::string(arguments.text(flag)));
    ++named;
  }
  if (named > 1) return Error{ErrorCode::Invalid, "set one of --signers-ledger, --config, --ledger and --backup"};
  return ledger;
}

Result<int> fsck(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "log fsck takes flags only"};
  ASSIGN_OR_RETURN(const std::unique_ptr<LedgerView> ledger, named_ledger(arguments));
  const std::unique_ptr<log::TileSource> source = log_source(arguments);
  ASSIGN_OR_RETURN(const log::TrustedCheckpoint trusted, trusted_checkpoint(arguments, *source));
  const log::Checkpoint& checkpoint = trusted.checkpoint();
  log::TileCheckOptions options;
  ASSIGN_OR_RETURN(options.archived_below, records_in(arguments, "archived-below"));
  options.entries = !arguments.is_on("tiles-only");
  options.progress = progress_of(call, arguments);
  log::TileCheckReport report = log::check_tiles(*source, checkpoint.size, checkpoint.root, options);
  if (arguments.given("log")) {
    const log::FolderSource folder(std::string(arguments.text("log")));
    for (log::FileFinding& each : log::stray_files(folder, checkpoint.size)) report.findings.push_back(std::move(each));
  }
  std::optional<LedgerComparison> compared;
  if (ledger) {
    const LedgerExtent extent = arguments.given("backup") ? LedgerExtent::Backup : LedgerExtent::Whole;
    ASSIGN_OR_RETURN(compared, compare_with_ledger(call, *source, checkpoint, *ledger, extent));
    for (log::FileFinding& each : compared->findings) report.findings.push_back(std::move(each));
  }
  Json::Array rows;
  std::string text;
  for (const log::FileFinding& each : report.findings) {
    rows.push_back(Json::object({{"path", each.path}, {"what", each.what}}));
    text += each.path + " " + each.what + "\n";
  }
  const bool clean = report.findings.empty();
  if (call.json) {
    Json answer = Json::object({{"ok", clean},
                                {"origin", checkpoint.origin},
                                {"size", checkpoint.size},
                                {"root", to_base64(report.root.bytes())},
                                {"bundles_absent", report.bundles_absent},
                                {"findings", std::move(rows)}});
    if (compared) {
      answer.set("ledger", Json::object({{"size", compared->ledger_size}, {"compared", compared->compared}}));
    }
    call.console.answer(answer.compact() + "\n");
  } else {
    text += (clean ? "clean: " : "DAMAGED: ") + std::to_string(checkpoint.size) + " records of " + checkpoint.origin;
    if (compared) {
      text += "; " + std::to_string(compared->compared) + " of them compared with the ledger, which has " +
              std::to_string(compared->ledger_size);
    }
    call.console.answer(text + "\n");
  }
  if (!clean)
    call.console.tell("docs/log.md says what the signer makes again from its ledger, and what is for a person");
  return clean ? 0 : row_of(ErrorCode::VerificationFailed).exit_code;
}

// What of the copy is not there yet, checked as a whole before its checkpoint is moved.
Status copy_tiles(const log::TileSource& source, const std::string& out, std::uint64_t from, std::uint64_t size) {
  using Kind = log::TileId::Kind;
  const auto copy = [&](const log::TileId& id) -> Status {
    ASSIGN_OR_RETURN(const std::string bytes, source.read(id.path()));
    return write_durable(out + "/" + id.path(), bytes, 0644);
  };
  for (std::uint64_t first = from / log::kTileWidth * log::kTileWidth; first < size; first += log::kTileWidth) {
    const log::TileId bundle = log::tile_holding(Kind::Entries, 0, first, size);
    const Status copied = copy(bundle);
    // An archived bundle is no part of the log that is left.
    if (!copied && copied.error().code != ErrorCode::NotFound) return copied;
  }
  for (unsigned level = 0; level < log::tile_levels(size); ++level) {
    const std::uint64_t hashes = size >> (level * log::kTileHeight);
    const std::uint64_t before = from >> (level * log::kTileHeight);
    for (std::uint64_t first = before / log::kTileWidth * log::kTileWidth; first < hashes; first += log::kTileWidth) {
      RETURN_IF_ERROR(copy(log::tile_holding(Kind::Hashes, level, first, size)));
    }
  }
  return ok();
}

Result<int> export_log(Call& call, const Arguments& arguments) {
  const std::string out(arguments.text("out"));
  if (out.empty() || !arguments.positionals().empty()) return Error{ErrorCode::Invalid, "log export needs --out DIR"};
  const std::unique_ptr<log::TileSource> source = log_source(arguments);
  ASSIGN_OR_RETURN(const log::TrustedCheckpoint trusted, trusted_checkpoint(arguments, *source));
  const log::Checkpoint& checkpoint = trusted.checkpoint();
  const log::FolderSource copy(out);
  std::uint64_t from = 0;
  if (const Result<std::string> there = copy.read("checkpoint")) {
    ASSIGN_OR_RETURN(const log::CheckpointTrust trust, checkpoint_trust(arguments, *there));
    ASSIGN_OR_RETURN(const log::TrustedCheckpoint older, log::TrustedCheckpoint::open(*there, trust));
    RETURN_IF_ERROR(check_consistency(*source, older.checkpoint(), checkpoint));
    from = older.checkpoint().size;
  }
  RETURN_IF_ERROR(copy_tiles(*source, out, from, checkpoint.size));
  log::TileCheckOptions options;
  options.archived_below = checkpoint.size;
  options.progress = progress_of(call, arguments);
  const log::TileCheckReport report = log::check_tiles(copy, checkpoint.size, checkpoint.root, options);
  if (!report.findings.empty()) {
    const log::FileFinding& first = report.findings.front();
    return Error{ErrorCode::VerificationFailed, "the copy is not the log: " + first.path + " " + first.what,
                 "log_damaged", "`countersign log fsck` on the source says where it is damaged."};
  }
  RETURN_IF_ERROR(write_durable(out + "/checkpoint", trusted.note().note(), 0644));
  call.console.answer(call.json ? Json::object({{"ok", true},
                                                {"path", out},
                                                {"size", checkpoint.size},
                                                {"added", checkpoint.size - from},
                                                {"bundles_absent", report.bundles_absent}})
                                          .compact() +
                                      "\n"
                                : out + ": " + std::to_string(checkpoint.size) + " records, " +
                                      std::to_string(checkpoint.size - from) + " new\n");
  return 0;
}

}  // namespace

Command log_fsck_command() {
  return {
      "log fsck",
      "[--log DIR] [--archive DIR] [--signers-ledger | --config FILE | --ledger FILE | --backup FILE]",
      "Checks every file of the log against its checkpoint, and the log against the ledger",
      "Hashes every entry, makes every tile again and compares; names each file that is missing, torn, other than\n"
      "it should be, or no file of a log. Where a ledger is named it is checked as a whole (as `ledger verify`), and\n"
      "the log must be what it recorded: the first record that differs is named. Exits 0 clean, 2 damaged, 3 where\n"
      "the ledger itself is.",
      "countersign log fsck --log /var/lib/countersign/log --config /etc/countersign/countersign.yaml",
      kFsckFlags,
      Positionals::Anywhere,
      Shape::Ours,
      fsck};
}

Command log_export_command() {
  return {"log export",
          "--out DIR [--log DIR]",
          "Copies the log, or what is new of it, and checks the copy",
          "The copy is a whole log that any static server can serve. A later export adds what is new, and only if the\n"
          "log continues what the copy holds.",
          "countersign log export --out /srv/www/log",
          kExportFlags,
          Positionals::Anywhere,
          Shape::Ours,
          export_log};
}

}  // namespace countersign::command
