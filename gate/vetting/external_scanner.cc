#include "gate/vetting/external_scanner.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "common/durable_file.h"
#include "common/program_path.h"
#include "common/temporary_folder.h"
#include "common/text.h"
#include "gate/vetting/clamd.h"
#include "gate/vetting/sandbox.h"
#include "gate/vetting/scanner_view.h"

namespace countersign::vetting {
namespace {

namespace files = std::filesystem;

constexpr std::size_t kLargestAnswer = std::size_t{256} << 20;
constexpr std::size_t kMostRuns = 64;  // of a scanner that is run once for each file
constexpr std::chrono::seconds kVersionTime{30};
constexpr std::size_t kLongestVersion = 60;
constexpr const char* kNamed = "data";

// The worse of two outcomes of one scanner: what did not look outweighs what did.
Outcome worse(Outcome a, Outcome b) {
  const auto weight = [](Outcome outcome) {
    switch (outcome) {
      case Outcome::NotApplicable:
        return 0;
      case Outcome::Clean:
        return 1;
      case Outcome::Findings:
        return 2;
      case Outcome::Unavailable:
        return 3;
      case Outcome::Failed:
        return 4;
    }
    return 4;
  };
  return weight(a) < weight(b) ? b : a;
}

class ExternalScanner {
 public:
  ExternalScanner(const ScannerRow& row, const ScannerSettings& settings, ScannerViews& views, const TreeFacts& facts)
      : row_(row),
        settings_(settings),
        views_(views),
        tree_(views.tree()),
        facts_(facts),
        report_{std::string(row.name)} {}

  ScannerReport run() {
    const std::vector<const TreeEntry*> needed = needed_files(row_, tree_);
    if (needed.empty()) return ended(Outcome::NotApplicable, "");
    if (row_.wants_data && settings_.data.empty()) {
      return ended(Outcome::Unavailable,
                   "the policy does not say where its data is (scanners." + report_.scanner + ".data)");
    }
    if (row_.read == nullptr) return ask_clamd(settings_.data, tree_, settings_.time);
    const auto program = program_path(settings_.command.empty() ? std::string(row_.program) : settings_.command);
    if (!program) return ended(Outcome::Unavailable, "it is not installed");
    if (!settings_.data.empty() && !files::exists(settings_.data)) {
      return ended(Outcome::Unavailable, "there is nothing at " + settings_.data);
    }
    program_ = *program;
    facts_.data = settings_.data;
    facts_.matching = needed.size();
    if (row_.sees == Sees::EachFile || row_.sees == Sees::FileAlone) return for_each(needed);
    if (row_.sees == Sees::Tree) {
      look(tree_.folder, "");
    } else {
      const Result<ScannerView>& view = views_.of(row_.sees == Sees::Code ? ViewKind::Code : ViewKind::Text);
      if (!view) return ended(Outcome::Failed, view.error().detail);
      look(view->folder(), "");
      view->restore(report_);
    }
    return ended_with_version();
  }

 private:
  void conclude(Outcome outcome, std::string why) {
    report_.outcome = outcome;
    report_.error = std::move(why);
  }
  ScannerReport ended(Outcome outcome, std::string why) {
    conclude(outcome, std::move(why));
    return std::move(report_);
  }

  ScannerReport ended_with_version() {
    if (report_.outcome != Outcome::Unavailable && report_.version.empty()) report_.version = version();
    return std::move(report_);
  }

  ScannerReport for_each(const std::vector<const TreeEntry*>& needed) {
    if (needed.size() > kMostRuns) {
      return ended(Outcome::Failed,
                   "there are more than " + std::to_string(kMostRuns) + " files it would have to read");
    }
    std::optional<ScannerReport> all;
    for (const TreeEntry* entry : needed) {
      report_ = ScannerReport{std::string(row_.name)};
      facts_.packages = facts_.packages_of[entry->path];
      look_at_file(*entry);
      for (Finding& finding : report_.findings) finding.path = entry->path;
      if (report_.outcome == Outcome::Failed) report_.error = entry->path + ": " + report_.error;
      if (!all) {
        all = std::move(report_);
        continue;
      }
      all->checked += report_.checked;
      std::ranges::move(report_.findings, std::back_inserter(all->findings));
      if (all->error.empty()) all->error = report_.error;
      all->outcome = worse(all->outcome, report_.outcome);
    }
    report_ = *std::move(all);
    return ended_with_version();
  }

  void look_at_file(const TreeEntry& entry) {
    if (row_.sees == Sees::EachFile) return look(tree_.folder, "/" + entry.path);
    const auto name = std::ranges::find_if(row_.needs, [&](std::string_view end) { return entry.path.ends_with(end); });
    const auto alone = TemporaryFolder::make(views_.store());
    const auto content = content_of(tree_, entry);
    if (!alone || !content || name == row_.needs.end() || !write_durable(*alone / std::string(*name), *content, 0444)) {
      conclude(Outcome::Failed, "it could not be given the file");
      return;
    }
    look(alone->path(), "/" + std::string(*name));
  }

  // Runs it over what lies at `folder` and reads its answer.
  void look(const std::string& folder, const std::string& file) {
    const auto scratch = TemporaryFolder::make(views_.store());
    if (!scratch) {
      conclude(Outcome::Unavailable, scratch.error().detail);
      return;
    }
    if (!name_data(scratch->path())) {
      conclude(Outcome::Failed, "it could not be given its data");
      return;
    }
    SandboxedProgram sandboxed = program(row_.arguments, file);
    sandboxed.tree = folder;
    sandboxed.out = scratch->path();
    sandboxed.network = settings_.network;
    sandboxed.time = settings_.time;
    const auto answer = run_sandboxed(sandboxed);
    if (!answer) {
      conclude(answer.error().reason == "sandbox_missing" ? Outcome::Unavailable : Outcome::Failed,
               answer.error().detail);
      return;
    }
    ScannerOutput output{answer->exit_code, answer->output, answer->errors};
    if (row_.report_file) {
      const auto text = read_file(*scratch / "report", kLargestAnswer);
      output.answer = text ? *text : std::string();
    }
    row_.read(output, facts_, report_);
  }

  // Puts the links of ScannerRow::data_names into the folder of a run; false where they cannot be made.
  bool name_data(const std::string& scratch) const {
    if (row_.data_names.empty()) return true;
    std::error_code failed;
    files::path data = settings_.data;
    for (const std::string_view name : row_.data_names) {
      if (files::is_directory(files::path(settings_.data) / name, failed)) data = files::path(settings_.data) / name;
    }
    const files::path folder = files::path(scratch) / kNamed;
    files::create_directory(folder, failed);
    for (const std::string_view name : row_.data_names) {
      if (!failed) files::create_directory_symlink(data, folder / name, failed);
    }
    return !failed;
  }

  // Its version, for people who compare two reports: the first line of what it says, or nothing.
  std::string version() const {
    if (row_.version.empty()) return "";
    SandboxedProgram sandboxed = program(row_.version, "");
    sandboxed.time = std::min(settings_.time, kVersionTime);
    const auto answer = run_sandboxed(sandboxed);
    if (!answer || answer->exit_code != 0) return "";
    const std::string line = answer->output.substr(0, answer->output.find('\n'));
    return displayed(trimmed(line)).substr(0, kLongestVersion);
  }

  SandboxedProgram program(std::span<const std::string_view> words, const std::string& file) const {
    SandboxedProgram out;
    out.argv = {program_};
    for (const std::string_view word : words) out.argv.push_back(with_paths(word, file));
    for (const std::string_view word : row_.environment) out.environment.push_back(with_paths(word, file));
    out.read_only = settings_.read_only;
    if (!settings_.data.empty()) out.read_only.push_back(settings_.data);
    out.memory = 0;  // Go and Node reserve more than they use
    return out;
  }

  std::string with_paths(std::string_view word, const std::string& file) const {
    struct Stand {
      std::string_view name;
      std::string path;
    };
    const Stand stands[] = {{"TREE", kSandboxTree},
                            {"FILE", kSandboxTree + file},
                            {"OUT", std::string(kSandboxOut) + "/report"},
                            {"DATA", settings_.data.empty() ? std::string(kSandboxEmpty) + "/none" : settings_.data},
                            {"NAMED", std::string(kSandboxOut) + "/" + kNamed},
                            {"EMPTY", kSandboxEmpty}};
    std::string out(word);
    for (const Stand& stand : stands) {
      const std::size_t at = out.find(stand.name);
      if (at == std::string::npos) continue;
      out.replace(at, stand.name.size(), stand.path);
      break;  // a path may hold such a word
    }
    return out;
  }

  const ScannerRow& row_;
  const ScannerSettings& settings_;
  ScannerViews& views_;
  const Tree& tree_;
  TreeFacts facts_;
  ScannerReport report_;
  std::string program_;
};

}  // namespace

ScannerReport ask_scanner(const ScannerRow& row, const ScannerSettings& settings, ScannerViews& views,
                          const TreeFacts& facts) {
  return ExternalScanner(row, settings, views, facts).run();
}

}  // namespace countersign::vetting
