// broker vet, broker report, and the worker that vetting runs inside its sandbox.
#include <filesystem>

#include "command/broker/commands.h"
#include "command/line/command.h"
#include "common/durable_file.h"
#include "common/text.h"
#include "gate/vetting/bill_of_materials.h"
#include "gate/vetting/vetting.h"

namespace countersign::command {
namespace {

constexpr Flag kVetFlags[] = {
    {"source-path", Flag::Kind::Text, "PATH", "folder, archive, npm or PyPI package, or image (docker save) to vet"},
    {"proposal-id", Flag::Kind::Text, "ID", "names the reports (the first 16 digits of the tree's digest)"},
    {"policy", Flag::Kind::Text, "FILE",
     "vetting policy, JSON (docs/vetting.md); without it the built-in scanners and the default thresholds"},
    {"output-dir", Flag::Kind::Text, "DIR", "where the reports are written (./vetting)"},
    {"store", Flag::Kind::Text, "DIR", "where snapshots are kept (DIR/snapshots of --output-dir)"},
};
constexpr Flag kReportFlags[] = {
    {"proposal-id", Flag::Kind::Text, "ID", "the proposal"},
    {"output-dir", Flag::Kind::Text, "DIR", "where vet wrote its reports (./vetting)"},
};
constexpr std::string_view kDefaultFolder = "vetting";
constexpr std::size_t kLongestId = 64;
constexpr std::size_t kLargestReport = std::size_t{64} << 20;

// It becomes a part of file names: nothing that could lead elsewhere.
Status check_id(std::string_view id) {
  const bool plain = !id.empty() && id.size() <= kLongestId && id.front() != '.' && id.front() != '-' &&
                     id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
                         std::string_view::npos;
  if (plain) return ok();
  return Error{ErrorCode::Invalid, "--proposal-id takes up to 64 letters, digits, dots, dashes and underscores",
               "bad_proposal_id"};
}

Result<vetting::VettingPolicy> policy_of(const Arguments& arguments) {
  if (!arguments.given("policy")) return vetting::VettingPolicy{};
  const std::string path(arguments.text("policy"));
  ASSIGN_OR_RETURN(const std::string text, read_file(path));
  ASSIGN_OR_RETURN(const Json document, Json::parse(text));
  return vetting::VettingPolicy::read(document, std::filesystem::absolute(path).parent_path().string());
}

struct Written {
  std::string markdown;
  std::string findings;
  std::string bill_of_materials;
  std::string sarif;
};

Result<Written> write_reports(const vetting::VettingReport& report, const std::string& folder,
                              const std::string& store) {
  const std::string base = folder + "/" + report.proposal_id;
  const Written out{base + "_VETTING.md", base + "_FINDINGS.json", base + "_SBOM.json", base + "_FINDINGS.sarif"};
  ASSIGN_OR_RETURN(const vetting::Tree tree,
                   vetting::read_tree(store + "/" + report.digest.hex(), vetting::TreeLimits{}));
  RETURN_IF_ERROR(write_durable(
      out.bill_of_materials, vetting::bill_of_materials(report.proposal_id, tree, report.packages).gait_file(), 0640));
  RETURN_IF_ERROR(write_durable(out.sarif, vetting::sarif_document(report).gait_file(), 0640));
  RETURN_IF_ERROR(write_durable(out.markdown, vetting::markdown_page(report), 0640));
  // The last one: who finds it finds the others.
  RETURN_IF_ERROR(write_durable(out.findings, vetting::findings_document(report).gait_file(), 0640));
  return out;
}

int exit_code_of(vetting::Verdict verdict) {
  return verdict == vetting::Verdict::Pass || verdict == vetting::Verdict::Warn ? 0
                                                                                : row_of(ErrorCode::Refused).exit_code;
}

Result<int> broker_vet(Call& call, const Arguments& arguments) {
  const std::string source(arguments.text("source-path"));
  if (source.empty())
    return Error{ErrorCode::Invalid, "--source-path is missing: what is to be vetted?", "missing_flag"};
  if (arguments.given("proposal-id")) RETURN_IF_ERROR(check_id(arguments.text("proposal-id")));
  vetting::VettingRequest request;
  request.source = source;
  const std::string folder =
      std::filesystem::absolute(std::string(arguments.text("output-dir", kDefaultFolder))).string();
  request.store = arguments.given("store") ? std::filesystem::absolute(std::string(arguments.text("store"))).string()
                                           : folder + "/snapshots";
  std::error_code unknown;
  request.worker = std::filesystem::read_symlink("/proc/self/exe", unknown).string();
  ASSIGN_OR_RETURN(request.policy, policy_of(arguments));
  const SystemClock clock;
  const auto tell = [&](const std::string& step) {
    if (!call.json) call.console.tell("vetting: " + step);
  };
  ASSIGN_OR_RETURN(vetting::VettingReport report, vetting::vet(request, clock, tell));
  report.proposal_id =
      arguments.given("proposal-id") ? std::string(arguments.text("proposal-id")) : report.digest.hex().substr(0, 16);
  ASSIGN_OR_RETURN(const Written written, write_reports(report, folder, request.store));
  const std::string_view verdict = vetting::name_of(report.judgement.verdict);
  if (call.json) {
    call.console.answer(Json::object({{"ok", exit_code_of(report.judgement.verdict) == 0},
                                      {"proposal_id", report.proposal_id},
                                      {"verdict", verdict},
                                      {"verdict_reasons", Json::array(report.judgement.reasons)},
                                      {"tree_digest", report.digest.hex()},
                                      {"report", written.markdown},
                                      {"findings", written.findings},
                                      {"sbom", written.bill_of_materials},
                                      {"sarif", written.sarif}})
                            .compact() +
                        "\n");
    return exit_code_of(report.judgement.verdict);
  }
  std::string answer = "verdict       " + std::string(verdict) + "\n";
  for (const std::string& reason : report.judgement.reasons) answer += "  " + reason + "\n";
  for (const vetting::ScannerReport& each : report.scanners) {
    answer += "  " + each.scanner + ": " + std::string(vetting::name_of(each.outcome)) +
              (each.findings.empty() ? "" : ", " + std::to_string(each.findings.size()) + " findings") +
              (each.error.empty() ? "" : " (" + each.error + ")") + "\n";
  }
  answer += "tree          sha256:" + report.digest.hex() + "\nreport        " + written.markdown + "\nfindings      " +
            written.findings + "\nsbom          " + written.bill_of_materials + "\n";
  call.console.answer(answer);
  return exit_code_of(report.judgement.verdict);
}

Result<int> broker_report(Call& call, const Arguments& arguments) {
  const std::string_view id = arguments.text("proposal-id");
  RETURN_IF_ERROR(check_id(id));
  const std::string base = std::string(arguments.text("output-dir", kDefaultFolder)) + "/" + std::string(id);
  const std::string path = base + (call.json ? "_FINDINGS.json" : "_VETTING.md");
  const auto text = read_file(path, kLargestReport);
  if (!text) {
    return Error{text.error().code,
                 "there is no report of the proposal \"" + std::string(id) + "\": " + text.error().detail, "no_report",
                 "run: countersign broker vet --proposal-id " + std::string(id) + " --source-path PATH"};
  }
  call.console.answer(*text);
  return 0;
}

// Speaks to the program that started it: an error as JSON on stdout.
Result<int> broker_vet_worker(Call& call, const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positionals();
  Status done = Error{ErrorCode::Invalid, "the worker of broker vet is started by broker vet alone", "not_a_command"};
  if (words.size() == 1 && words[0] == "unpack") done = vetting::unpack_in_sandbox();
  if (words.size() == 2 && words[0] == "scan") done = vetting::scan_in_sandbox(words[1]);
  if (done) return 0;
  const Error& error = done.error();
  call.console.answer(
      Json::object(
          {{"code", row_of(error.code).name}, {"detail", error.detail}, {"reason", error.reason}, {"hint", error.hint}})
          .compact() +
      "\n");
  return row_of(error.code).exit_code;
}

}  // namespace

Command broker_vet_command() {
  return {
      "broker vet",
      "--source-path PATH [flags]",
      "Vets a tool server before it is admitted",
      "Takes a snapshot named by the digest of its tree, looks at it with every scanner inside a sandbox without "
      "network,\n"
      "and writes ID_VETTING.md, ID_FINDINGS.json, ID_FINDINGS.sarif and ID_SBOM.json. The verdict is pass, warn, fail "
      "or\n"
      "incomplete (a required scanner did not look). Exit 0: pass or warn; 3: fail or incomplete.",
      "countersign broker vet --source-path ./weather-server --proposal-id weather-1 --policy vetting.json",
      kVetFlags,
      Positionals::Anywhere,
      Shape::Ours,
      broker_vet,
  };
}

Command broker_report_command() {
  return {
      "broker report",
      "--proposal-id ID [flags]",
      "Shows what vetting found",
      "The page for people, or with --json the findings document.",
      "countersign broker report --proposal-id weather-1",
      kReportFlags,
      Positionals::Anywhere,
      Shape::Ours,
      broker_report,
  };
}

Command broker_vet_worker_command() {
  return {
      "broker vet-worker",
      "unpack | scan TIME",
      "What broker vet runs inside its sandbox; not for people",
      "Reads /tree, writes to /out.",
      "countersign broker vet-worker scan 2026-01-01T00:00:00Z",
      {},
      Positionals::Anywhere,
      Shape::Ours,
      broker_vet_worker,
  };
}

}  // namespace countersign::command
