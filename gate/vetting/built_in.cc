#include "gate/vetting/built_in.h"

#include <algorithm>

#include "common/clock.h"
#include "common/durable_file.h"
#include "common/joined.h"
#include "common/text.h"
#include "gate/vetting/advisories.h"
#include "gate/vetting/archive.h"
#include "gate/vetting/dependencies.h"
#include "gate/vetting/injection.h"
#include "gate/vetting/install_hooks.h"
#include "gate/vetting/secrets.h"
#include "gate/vetting/signatures.h"
#include "gate/vetting/text_scan.h"

namespace countersign::vetting {
namespace {

// Archives in archives, and what they may unpack to: a tree's own limits, for each.
constexpr int kArchiveDepth = 4;

class FilesOfTree : public TreeFiles {
 public:
  explicit FilesOfTree(const Tree& tree) : tree_(tree) {}
  std::optional<std::string> text_of(const std::string& path) const override {
    const auto found =
        std::lower_bound(tree_.entries.begin(), tree_.entries.end(), path,
                         [](const TreeEntry& entry, const std::string& name) { return entry.path < name; });
    if (found == tree_.entries.end() || found->path != path || found->kind != TreeEntry::Kind::File)
      return std::nullopt;
    const auto content = content_of(tree_, *found);
    return content ? text_of_file(*content) : std::nullopt;
  }

 private:
  const Tree& tree_;
};

class Scan {
 public:
  Scan(const Tree& tree, const VettingPolicy& policy) : tree_(tree), policy_(policy), files_(tree) {}

  BuiltInAnswer run(const std::string& today) {
    for (const std::string& list : policy_.signatures) add_signatures(list);
    std::size_t looked = 0;
    for (const TreeEntry& entry : tree_.entries) {
      if (entry.kind != TreeEntry::Kind::File) continue;
      const auto content = content_of(tree_, entry);
      if (!content) {
        unread_ = content.error().detail;
        continue;
      }
      ++looked;
      look({entry.path, *content, entry.executable, text_of_file(*content)}, 0);
    }
    for (ScannerReport* report : {&secrets_, &injection_, &signature_report_, &hooks_}) {
      report->checked = looked;
      conclude(*report, unread_);
    }
    if (!signature_error_.empty()) fail(signature_report_, signature_error_);
    conclude(archives_, unread_);
    finish(dependencies_);
    BuiltInAnswer answer;
    answer.reports = {
        dependency_report(), advisory_report(today), secrets_, injection_, signature_report_, hooks_, archives_};
    answer.packages = std::move(dependencies_.packages);
    return answer;
  }

 private:
  static void fail(ScannerReport& report, const std::string& why) {
    report.outcome = Outcome::Failed;
    report.error = why;
  }
  static void conclude(ScannerReport& report, const std::string& unread) {
    if (unread.empty()) {
      report.looked();
    } else {
      fail(report, unread);
    }
  }

  void add_signatures(const std::string& path) {
    const auto text = read_file(path, std::size_t{256} << 20);
    if (!text) {
      signature_error_ = text.error().detail;
      return;
    }
    if (const Status added = signatures_.add_list(*text, path); !added) signature_error_ = added.error().detail;
  }

  void look(const FileView& file, int depth) {
    find_secrets(file, secrets_.findings);
    find_injection(file, injection_.findings);
    signatures_.look(file, signature_report_.findings);
    find_install_hooks(file, files_, hooks_.findings);
    read_dependencies(file, dependencies_);
    // Every archive has bytes that no plain text has; a text may still begin as one ("BZh").
    const bool plain_text = file.bytes.find('\0') == std::string_view::npos && is_utf8(file.bytes);
    if (is_archive(file.bytes) && !plain_text) open(file, depth);
  }

  void open(const FileView& file, int depth) {
    ++archives_.checked;
    if (depth >= kArchiveDepth) {
      archives_.findings.push_back({Category::Archive, Severity::High, "archive-depth",
                                    "is an archive in an archive, too deep to be opened", "", file.path, 0});
      return;
    }
    ArchiveLimits limits;
    limits.bytes = std::min(limits.bytes, unpackable_);
    const Status opened = for_each_entry(file.bytes, limits, [&](ArchiveEntry& entry) -> Status {
      unpackable_ -= std::min<std::uint64_t>(unpackable_, entry.content.size());
      const std::string path = file.path + "!" + entry.path;
      if (!check_path(entry.path, TreeLimits{})) {
        archives_.findings.push_back({Category::Archive, Severity::High, "archive-path",
                                      "has a name that leaves the folder it is unpacked in", "", file.path, 0,
                                      "archive-path\n" + file.path});
      }
      if (entry.kind != ArchiveEntry::Kind::File) return ok();
      // A single compressed file has no name of its own.
      look({path, entry.content, entry.executable, text_of_file(entry.content)}, depth + 1);
      return ok();
    });
    if (opened) return;
    const bool bomb = opened.error().reason == "archive_bomb";
    archives_.findings.push_back({Category::Archive, bomb ? Severity::Critical : Severity::High,
                                  bomb ? "archive-bomb" : "archive-unreadable",
                                  bomb ? "unpacks to more than can be looked at"
                                       : "is an archive that cannot be opened, so nothing of it was looked at",
                                  opened.error().detail, file.path, 0});
  }

  ScannerReport dependency_report() const {
    ScannerReport report{"dependencies"};
    report.checked = dependencies_.packages.size();
    report.findings = dependencies_.findings;
    if (dependencies_.failed) {
      fail(report, "a file that names dependencies could not be read");
    } else if (dependencies_.packages.empty() && dependencies_.declared.empty() && report.findings.empty()) {
      report.outcome = Outcome::NotApplicable;
    } else if (dependencies_.packages.empty()) {
      fail(report, "dependencies are named, and no exact version of any: add a lock file");
    } else {
      report.looked();
    }
    return report;
  }

  ScannerReport advisory_report(const std::string& today) const {
    ScannerReport report{"advisories"};
    if (dependencies_.packages.empty()) {
      report.outcome = dependencies_.declared.empty() ? Outcome::NotApplicable : Outcome::Failed;
      if (report.outcome == Outcome::Failed) report.error = "no exact version is known of what it depends on";
      return report;
    }
    if (policy_.advisories.empty()) {
      report.outcome = Outcome::Unavailable;
      report.error = "the policy names no advisory database";
      return report;
    }
    auto answer = look_up(policy_.advisories, dependencies_.packages);
    if (!answer) {
      report.outcome = answer.error().code == ErrorCode::NotFound ? Outcome::Unavailable : Outcome::Failed;
      report.error = answer.error().detail;
      return report;
    }
    report.checked = answer->checked;
    report.version = answer->newest.empty() ? "" : "records up to " + answer->newest;
    report.findings = std::move(answer->findings);
    report.looked();
    if (!answer->missing.empty()) fail(report, "the database has nothing of " + joined(answer->missing, ", "));
    if (answer->unreadable != 0)
      fail(report, std::to_string(answer->unreadable) + " records of the database cannot be read");
    if (policy_.oldest_advisories.count() != 0 && is_too_old(answer->newest, today)) {
      fail(report, "the advisories are older than the policy allows");
    }
    return report;
  }

  // The age of a database that has no record of the tree's packages is not known, and unknown is too old.
  bool is_too_old(const std::string& newest, const std::string& today) const {
    const auto then = UtcTime::parse(newest);
    const auto now = UtcTime::parse(today);
    return !then || !now || *now - *then > policy_.oldest_advisories;
  }

  const Tree& tree_;
  const VettingPolicy& policy_;
  FilesOfTree files_;
  Signatures signatures_;
  std::string signature_error_;
  std::string unread_;
  Dependencies dependencies_;
  ScannerReport secrets_{"secrets"};
  ScannerReport injection_{"prompt_injection"};
  ScannerReport signature_report_{"signatures"};
  ScannerReport hooks_{"install_hooks"};
  ScannerReport archives_{"archives"};
  std::uint64_t unpackable_ = TreeLimits{}.bytes;  // what all archives of the tree may still unpack to
};

}  // namespace

BuiltInAnswer scan(const Tree& tree, const VettingPolicy& policy, const std::string& today) {
  return Scan(tree, policy).run(today);
}

}  // namespace countersign::vetting
