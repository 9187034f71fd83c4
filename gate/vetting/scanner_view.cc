#include "gate/vetting/scanner_view.h"

#include <re2/re2.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "common/durable_file.h"

namespace countersign::vetting {
namespace {

namespace files = std::filesystem;

// Names by which scanners find their own configuration; those that begin with a dot are none in a view anyway.
constexpr std::string_view kControlFiles[] = {"trivy.yaml",  "trivy.yml",   "trivy-secret.yaml", "osv-scanner.toml",
                                              "bandit.yaml", "bandit.yml",  "pyproject.toml",    "setup.cfg",
                                              "tox.ini",     "semgrep.yml", "gitleaks.toml",     "pip.conf"};

// Marks that no flag of their scanner overrides. Each is replaced by one of its length, so that places stay.
const re2::RE2& marks() {
  static const re2::RE2 expression("(?i)(trivy|tfsec):ignore");
  return expression;
}

std::string code_name(std::string_view name) {
  if (name.starts_with(".")) return "dot" + std::string(name);
  const bool control = std::find(std::begin(kControlFiles), std::end(kControlFiles), name) != std::end(kControlFiles);
  return (control ? "_" : "") + std::string(name);
}

std::string text_name(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '.', '_');
  return out + ".text";
}

Error unwritable(const std::string& why) {
  return Error{ErrorCode::Unavailable, "cannot lay the tree out for a scanner: " + why, "store_unwritable"};
}

class Layout {
 public:
  Layout(const Tree& tree, ViewKind kind, std::string folder) : tree_(tree), kind_(kind), folder_(std::move(folder)) {}

  Status add(const TreeEntry& entry, std::map<std::string, std::string>& real) {
    const std::size_t slash = entry.path.rfind('/');
    const std::string below = slash == std::string::npos ? "" : entry.path.substr(0, slash);
    ASSIGN_OR_RETURN(const std::string folder, folder_of(below));
    const std::string_view name = std::string_view(entry.path).substr(slash == std::string::npos ? 0 : slash + 1);
    std::string path = folder + (kind_ == ViewKind::Code ? code_name(name) : text_name(name));
    while (real.contains(path)) path.insert(folder.size(), "_");
    RETURN_IF_ERROR(place(entry, folder_ + "/" + path));
    real[path] = entry.path;
    return ok();
  }

 private:
  // "d1/d2/", made where it is new.
  Result<std::string> folder_of(const std::string& path) {
    if (path.empty()) return std::string();
    const auto known = folders_.find(path);
    if (known != folders_.end()) return known->second;
    const std::size_t slash = path.rfind('/');
    ASSIGN_OR_RETURN(const std::string above, folder_of(slash == std::string::npos ? "" : path.substr(0, slash)));
    const std::string made = above + "d" + std::to_string(folders_.size() + 1);
    std::error_code error;
    files::create_directory(folder_ + "/" + made, error);
    if (error) return unwritable(error.message());
    folders_[path] = made + "/";
    return made + "/";
  }

  Status place(const TreeEntry& entry, const std::string& to) const {
    ASSIGN_OR_RETURN(std::string content, content_of(tree_, entry));
    const int marked = re2::RE2::GlobalReplace(&content, marks(), "\\1_ignore");
    std::error_code error;
    if (marked == 0) {
      files::create_hard_link(tree_.folder + "/" + entry.path, to, error);
      if (!error) return ok();
    }
    return write_durable(to, content, entry.executable ? 0555 : 0444);
  }

  const Tree& tree_;
  ViewKind kind_;
  std::string folder_;
  std::map<std::string, std::string> folders_;
};

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
}

}  // namespace

Result<ScannerView> ScannerView::make(const Tree& tree, ViewKind kind, const std::string& store) {
  ASSIGN_OR_RETURN(TemporaryFolder folder, TemporaryFolder::make(store));
  ScannerView view(std::move(folder));
  Layout layout(tree, kind, view.folder());
  for (const TreeEntry& entry : tree.entries) {
    if (entry.kind == TreeEntry::Kind::File) RETURN_IF_ERROR(layout.add(entry, view.real_));
  }
  return view;
}

void ScannerView::restore(ScannerReport& report) const {
  for (Finding& finding : report.findings) {
    const auto found = real_.find(finding.path);
    if (found == real_.end()) continue;
    replace_all(finding.subject, "\n" + finding.path + "\n", "\n" + found->second + "\n");
    finding.path = found->second;
  }
  if (report.error.empty()) return;
  // The longest names first: one may end as another does.
  std::vector<std::pair<std::string, std::string>> names(real_.begin(), real_.end());
  std::stable_sort(names.begin(), names.end(),
                   [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  for (const auto& [seen, real] : names) {
    if (report.error.find(seen) == std::string::npos) continue;
    replace_all(report.error, seen, real);
    break;
  }
}

const Result<ScannerView>& ScannerViews::of(ViewKind kind) {
  const auto known = made_.find(kind);
  if (known != made_.end()) return known->second;
  return made_.emplace(kind, ScannerView::make(tree_, kind, store_)).first->second;
}

}  // namespace countersign::vetting
