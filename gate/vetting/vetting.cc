#include "gate/vetting/vetting.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "common/durable_file.h"
#include "common/joined.h"
#include "common/program_path.h"
#include "common/temporary_folder.h"
#include "gate/vetting/archive.h"
#include "gate/vetting/built_in.h"
#include "gate/vetting/external_scanner.h"
#include "gate/vetting/sandbox.h"
#include "gate/vetting/scanners.h"
#include "signer/process/child_program.h"

namespace countersign::vetting {
namespace {

namespace files = std::filesystem;

constexpr std::size_t kLargestAnswer = std::size_t{256} << 20;
constexpr const char* kUnpacked = "/out/tree";
constexpr const char* kPolicyCopy = "/out/policy.json";
constexpr const char* kAnswer = "/out/answer.json";

Result<std::string> made_folder(const std::string& path) {
  std::error_code error;
  files::create_directories(path, error);
  if (error)
    return Error{ErrorCode::Unavailable, "cannot make the folder \"" + path + "\": " + error.message(),
                 "store_unwritable"};
  return path;
}

Error worker_failed(const SandboxedAnswer& answer) {
  // The worker says what is wrong as {"code":…,"detail":…,"reason":…,"hint":…} on its stdout.
  const auto json = Json::parse(answer.output);
  if (json && json->is_object()) {
    const auto code = error_code_named(json->text("code"));
    if (code) {
      return Error{*code, std::string(json->text("detail")), std::string(json->text("reason")),
                   std::string(json->text("hint"))};
    }
  }
  return Error{ErrorCode::Invalid,
               "the source could not be read: the program that reads it ended with " + std::to_string(answer.exit_code),
               "source_unreadable"};
}

class Vetting {
 public:
  Vetting(const VettingRequest& request, const Clock& clock, const Progress& progress)
      : request_(request), clock_(clock), progress_(progress) {}

  Result<VettingReport> run() {
    VettingReport report;
    report.proposal_id = request_.proposal_id;
    report.target = request_.source;
    report.started = clock_.now();
    RETURN_IF_ERROR(made_folder(request_.store));
    progress_("snapshot");
    ASSIGN_OR_RETURN(const Snapshot snapshot, take_snapshot());
    report.digest = snapshot.digest;
    progress_("built-in scanners");
    RETURN_IF_ERROR(look_with_built_ins(snapshot.tree, report));
    look_with_others(snapshot.tree, report);
    report.judgement = judge(request_.policy, report.scanners);
    report.finished = clock_.now();
    return report;
  }

 private:
  // A folder is copied; everything else is first unpacked by the worker, for an archive's reader is where attacks
  // begin.
  Result<Snapshot> take_snapshot() {
    ASSIGN_OR_RETURN(const TemporaryFolder scratch, TemporaryFolder::make(request_.store));
    std::string from = request_.source;
    std::error_code ignored;
    if (!files::exists(from, ignored)) {
      return Error{ErrorCode::NotFound, "there is nothing at \"" + from + "\"", "source_missing",
                   "name the folder or archive of the server"};
    }
    if (!files::is_directory(from, ignored)) {
      const std::string in = scratch / "in";
      RETURN_IF_ERROR(made_folder(in));
      files::copy_file(from, in + "/source", ignored);
      if (ignored)
        return Error{ErrorCode::Unavailable, "cannot read \"" + from + "\": " + ignored.message(), "source_unreadable"};
      ASSIGN_OR_RETURN(const std::string out, made_folder(scratch / "out"));
      RETURN_IF_ERROR(worker({"unpack"}, in, out, {}));
      from = out + "/tree";
    }
    const std::string copy = scratch / "tree";
    RETURN_IF_ERROR(made_folder(copy));
    std::vector<TreeEntry> left_out;
    ASSIGN_OR_RETURN(Tree tree, copy_tree(from, copy, TreeLimits{}, left_out));
    for (const TreeEntry& each : left_out) {
      left_out_.push_back({Category::Code, Severity::High, "link-leaves-tree",
                           "is a link to something outside the tree; it was left out",
                           "\"" + each.target.substr(0, 200) + "\"", each.path, 0});
    }
    const bool has_file = std::any_of(tree.entries.begin(), tree.entries.end(),
                                      [](const TreeEntry& each) { return each.kind == TreeEntry::Kind::File; });
    if (!has_file) {
      return Error{ErrorCode::Invalid, "there is no file in \"" + request_.source + "\", so nothing could be vetted",
                   "source_empty", "name the folder or archive of the server"};
    }
    const Digest digest = tree.digest();
    const std::string place = request_.store + "/" + digest.hex();
    if (!files::exists(place, ignored)) {
      RETURN_IF_ERROR(sync_tree(copy));
      files::rename(copy, place, ignored);
      if (ignored && !files::exists(place)) {
        return Error{ErrorCode::Unavailable, "cannot keep the snapshot: " + ignored.message(), "store_unwritable"};
      }
      RETURN_IF_ERROR(sync_directory(request_.store));
    }
    // What stands there under this name may have been changed by another.
    ASSIGN_OR_RETURN(Tree kept, read_tree(place, TreeLimits{}));
    if (kept.digest() != digest) {
      return Error{ErrorCode::VerificationFailed, "the snapshot " + digest.hex() + " was changed after it was taken",
                   "snapshot_changed", "remove " + place + " and vet again"};
    }
    return Snapshot{std::move(kept), digest};
  }

  Status worker(const std::vector<std::string>& words, const std::string& tree, const std::string& out,
                const std::vector<std::string>& read_only) {
    SandboxedProgram program;
    program.argv = {request_.worker, "broker", "vet-worker"};
    program.argv.insert(program.argv.end(), words.begin(), words.end());
    program.tree = tree;
    program.out = out;
    program.read_only = read_only;
    program.time = request_.policy.time;
#ifdef COUNTERSIGN_SANITIZED
    program.environment = {"ASAN_OPTIONS=detect_leaks=0"};  // looking for leaks needs what the sandbox forbids
#endif
    ASSIGN_OR_RETURN(const SandboxedAnswer answer, run_sandboxed(program));
    return answer.exit_code == 0 ? ok() : Status(worker_failed(answer));
  }

  Status look_with_built_ins(const Tree& tree, VettingReport& report) {
    ASSIGN_OR_RETURN(const TemporaryFolder scratch, TemporaryFolder::make(request_.store));
    std::vector<std::string> read_only = request_.policy.signatures;
    if (!request_.policy.advisories.empty() && files::exists(request_.policy.advisories))
      read_only.push_back(request_.policy.advisories);
    Json policy = Json::object(
        {{"advisories", request_.policy.advisories},
         {"signatures", Json::array(request_.policy.signatures)},
         {"oldest_advisories_days", static_cast<std::int64_t>(request_.policy.oldest_advisories.count() / 24)}});
    RETURN_IF_ERROR(write_durable(scratch / "policy.json", policy.compact(), 0600));
    RETURN_IF_ERROR(worker({"scan", clock_.now().rfc3339()}, tree.folder, scratch.path(), read_only));
    ASSIGN_OR_RETURN(const std::string text, read_file(scratch / "answer.json", kLargestAnswer));
    ASSIGN_OR_RETURN(const Json answer, Json::parse(text, {.bytes = kLargestAnswer}));
    const Json* reports = answer.find("reports");
    const Json* packages = answer.find("packages");
    if (reports == nullptr || !reports->is_array() || packages == nullptr || !packages->is_array()) {
      return Error{ErrorCode::Internal, "the worker's answer is incomplete", "vetting_report"};
    }
    for (const Json& each : reports->as_array()) {
      ASSIGN_OR_RETURN(ScannerReport one, report_from_json(each));
      report.scanners.push_back(std::move(one));
    }
    for (const Json& each : packages->as_array()) {
      const auto ecosystem = ecosystem_of_purl_type(each.text("type"));
      if (!ecosystem) return Error{ErrorCode::Internal, "the worker names an unknown ecosystem", "vetting_report"};
      report.packages.push_back({*ecosystem, std::string(each.text("name")), std::string(each.text("version")),
                                 std::string(each.text("path")), std::string(each.text("release")),
                                 std::string(each.text("source")), std::string(each.text("source_version"))});
    }
    if (!left_out_.empty()) {
      ScannerReport links{"links"};
      links.findings = left_out_;
      links.looked();
      report.scanners.push_back(std::move(links));
    }
    return ok();
  }

  // What lies installed or is declared is in no lock file, and a scanner of lock files does not count it.
  static TreeFacts facts_for(const ScannerRow& row, TreeFacts facts, const std::vector<Package>& packages) {
    for (const Package& package : packages) {
      const bool named =
          std::ranges::any_of(row.needs, [&](std::string_view end) { return package.path.ends_with(end); });
      if (!named) continue;
      ++facts.packages;
      ++facts.packages_of[package.path];
    }
    return facts;
  }

  void look_with_others(const Tree& tree, VettingReport& report) {
    TreeFacts facts;
    ScannerViews views(tree, request_.store);
    for (const TreeEntry& entry : tree.entries) facts.files += entry.kind == TreeEntry::Kind::File ? 1 : 0;
    for (const ScannerRow& row : scanner_rows()) {
      const std::string name(row.name);
      const bool built_in = row.read == nullptr && name != "clamd";
      const ScannerSettings& settings = request_.policy.settings_of(name);
      if (built_in || !settings.enabled) continue;
      // A scanner that nobody set up and nobody requires is not worth a line.
      const bool wanted = request_.policy.scanners.contains(name) || request_.policy.requires_scanner(name);
      if (!wanted && (row.program.empty() || row.wants_data || !program_path(std::string(row.program)))) continue;
      progress_(name);
      const auto begun = clock_.since_boot();
      ScannerReport one = ask_scanner(row, settings, views, facts_for(row, facts, report.packages));
      one.duration_ms = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.since_boot() - begun).count();
      report.scanners.push_back(std::move(one));
    }
  }

  const VettingRequest& request_;
  const Clock& clock_;
  const Progress& progress_;
  std::vector<Finding> left_out_;
};

}  // namespace

Result<VettingReport> vet(const VettingRequest& request, const Clock& clock, const Progress& progress) {
  return Vetting(request, clock, progress).run();
}

Status unpack_in_sandbox() {
  RETURN_IF_ERROR(made_folder(kUnpacked));
  return unpack(std::string(kSandboxTree) + "/source", kUnpacked, ArchiveLimits{}, TreeLimits{});
}

Status scan_in_sandbox(const std::string& today) {
  ASSIGN_OR_RETURN(const std::string text, read_file(kPolicyCopy));
  ASSIGN_OR_RETURN(const Json document, Json::parse(text));
  ASSIGN_OR_RETURN(const VettingPolicy policy, VettingPolicy::read(document, "/"));
  ASSIGN_OR_RETURN(const Tree tree, read_tree(kSandboxTree, TreeLimits{}));
  const BuiltInAnswer answer = scan(tree, policy, today);
  Json::Array reports;
  for (const ScannerReport& report : answer.reports) reports.push_back(to_json(report));
  Json::Array packages;
  for (const Package& package : answer.packages) {
    packages.push_back(Json::object({{"type", purl_type(package.ecosystem)},
                                     {"name", package.name},
                                     {"version", package.version},
                                     {"path", package.path},
                                     {"release", package.release},
                                     {"source", package.source},
                                     {"source_version", package.source_version}}));
  }
  return write_durable(
      kAnswer, Json::object({{"reports", std::move(reports)}, {"packages", std::move(packages)}}).compact(), 0600);
}

}  // namespace countersign::vetting
