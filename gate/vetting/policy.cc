#include "gate/vetting/policy.h"

#include <algorithm>

#include "gate/vetting/scanners.h"

namespace countersign::vetting {
namespace {

constexpr std::string_view kVerdictNames[] = {"pass", "warn", "fail", "incomplete"};

struct ThresholdRow {
  std::string_view name;
  int Thresholds::*most;
  int Summary::*found;
  std::string_view what;
};
constexpr ThresholdRow kThresholds[] = {
    {"malware", &Thresholds::malware, &Summary::malware, "malware"},
    {"critical", &Thresholds::critical, &Summary::critical, "critical findings"},
    {"secrets", &Thresholds::secrets, &Summary::secrets, "secrets"},
    {"injection", &Thresholds::injection, &Summary::injection, "injection signals"},
    {"high", &Thresholds::high, &Summary::high, "high findings"},
    {"medium", &Thresholds::medium, &Summary::medium, "medium findings"},
};

Error wrong(const std::string& path, const std::string& rule) {
  return Error{ErrorCode::Invalid, "vetting policy: " + path + " " + rule, "vetting_policy", "see docs/vetting.md"};
}

// Reads an object's members, each by its name; what nobody asked for is an error.
class Members {
 public:
  Members(const Json& json, std::string path) : json_(json), path_(std::move(path)) {}

  Status is_object() const { return json_.is_object() ? ok() : Status(wrong(path_, "must be an object")); }
  const Json* take(std::string_view name) {
    taken_.emplace_back(name);
    return json_.find(name);
  }
  Result<int> count(std::string_view name, int otherwise, int most) {
    const Json* value = take(name);
    if (value == nullptr) return otherwise;
    if (!value->is_integer() || value->as_integer() < 0 || value->as_integer() > most) {
      return wrong(at(name), "must be a whole number from 0 to " + std::to_string(most));
    }
    return static_cast<int>(value->as_integer());
  }
  Result<bool> boolean(std::string_view name, bool otherwise) {
    const Json* value = take(name);
    if (value == nullptr) return otherwise;
    if (!value->is_bool()) return wrong(at(name), "must be true or false");
    return value->as_bool();
  }
  Result<std::string> text(std::string_view name) {
    const Json* value = take(name);
    if (value == nullptr) return std::string();
    if (!value->is_string() || value->as_string().find('\0') != std::string::npos)
      return wrong(at(name), "must be a text");
    return value->as_string();
  }
  Result<std::vector<std::string>> texts(std::string_view name) {
    const Json* value = take(name);
    std::vector<std::string> out;
    if (value == nullptr) return out;
    if (!value->is_array()) return wrong(at(name), "must be a list of texts");
    for (const Json& each : value->as_array()) {
      if (!each.is_string()) return wrong(at(name), "must be a list of texts");
      out.push_back(each.as_string());
    }
    return out;
  }
  std::string at(std::string_view name) const { return path_ + "." + std::string(name); }
  Status finish() const {
    for (const auto& [name, value] : json_.as_object()) {
      if (std::find(taken_.begin(), taken_.end(), name) == taken_.end()) return wrong(at(name), "is not known");
    }
    return ok();
  }

 private:
  const Json& json_;
  std::string path_;
  std::vector<std::string> taken_;
};

std::string absolute(const std::string& folder, const std::string& path) {
  return path.empty() || path.front() == '/' ? path : folder + "/" + path;
}

Result<ScannerSettings> read_settings(const Json& json, const std::string& path, const std::string& folder) {
  Members members(json, path);
  RETURN_IF_ERROR(members.is_object());
  ScannerSettings out;
  ASSIGN_OR_RETURN(out.enabled, members.boolean("enabled", true));
  ASSIGN_OR_RETURN(const std::string command, members.text("command"));
  ASSIGN_OR_RETURN(out.read_only, members.texts("read_only"));
  ASSIGN_OR_RETURN(const std::string data, members.text("data"));
  ASSIGN_OR_RETURN(out.network, members.boolean("network", false));
  ASSIGN_OR_RETURN(const int seconds, members.count("seconds", 120, 3600));
  RETURN_IF_ERROR(members.finish());
  out.command = absolute(folder, command);
  out.data = absolute(folder, data);
  for (std::string& each : out.read_only) each = absolute(folder, each);
  out.time = std::chrono::seconds(seconds);
  return out;
}

}  // namespace

Result<VettingPolicy> VettingPolicy::read(const Json& document, const std::string& folder) {
  VettingPolicy out;
  Members members(document, "$");
  RETURN_IF_ERROR(members.is_object());
  if (const Json* thresholds = members.take("thresholds")) {
    Members each(*thresholds, members.at("thresholds"));
    RETURN_IF_ERROR(each.is_object());
    for (const ThresholdRow& row : kThresholds) {
      ASSIGN_OR_RETURN(out.thresholds.*row.most, each.count(row.name, out.thresholds.*row.most, 1'000'000));
    }
    RETURN_IF_ERROR(each.finish());
  }
  if (document.find("required") != nullptr) {
    ASSIGN_OR_RETURN(out.required, members.texts("required"));
    for (const std::string& name : out.required) {
      if (!is_scanner(name)) return wrong(members.at("required"), "names \"" + name + "\", which is no scanner");
    }
  }
  (void)members.take("required");
  ASSIGN_OR_RETURN(const std::string advisories, members.text("advisories"));
  out.advisories = absolute(folder, advisories);
  ASSIGN_OR_RETURN(const int days, members.count("oldest_advisories_days", 0, 3650));
  out.oldest_advisories = std::chrono::hours(24 * days);
  ASSIGN_OR_RETURN(out.signatures, members.texts("signatures"));
  for (std::string& each : out.signatures) each = absolute(folder, each);
  ASSIGN_OR_RETURN(const int seconds, members.count("seconds", 300, 3600));
  out.time = std::chrono::seconds(seconds);
  if (const Json* scanners = members.take("scanners")) {
    if (!scanners->is_object()) return wrong(members.at("scanners"), "must be an object");
    for (const auto& [name, settings] : scanners->as_object()) {
      const std::string path = members.at("scanners") + "." + name;
      if (!is_scanner(name)) return wrong(path, "is no scanner");
      ASSIGN_OR_RETURN(out.scanners[name], read_settings(settings, path, folder));
    }
  }
  RETURN_IF_ERROR(members.finish());
  return out;
}

const ScannerSettings& VettingPolicy::settings_of(const std::string& scanner) const {
  static const ScannerSettings kDefault;
  const auto found = scanners.find(scanner);
  return found == scanners.end() ? kDefault : found->second;
}

bool VettingPolicy::requires_scanner(const std::string& scanner) const {
  return std::find(required.begin(), required.end(), scanner) != required.end();
}

std::string_view name_of(Verdict verdict) {
  return kVerdictNames[static_cast<std::size_t>(verdict)];
}

Judgement judge(const VettingPolicy& policy, const std::vector<ScannerReport>& reports) {
  Judgement out;
  for (const Finding& finding : distinct(reports)) {
    switch (finding.severity) {
      case Severity::Critical:
        ++out.summary.critical;
        break;
      case Severity::High:
        ++out.summary.high;
        break;
      case Severity::Medium:
        ++out.summary.medium;
        break;
      case Severity::Low:
        ++out.summary.low;
        break;
    }
    if (finding.category == Category::Secret) ++out.summary.secrets;
    // A phrase that a document quotes is Low, and no signal.
    if (finding.category == Category::Injection && finding.severity != Severity::Low) ++out.summary.injection;
    if (finding.category == Category::Malware) ++out.summary.malware;
  }
  for (const ThresholdRow& row : kThresholds) {
    const int found = out.summary.*row.found;
    const int most = policy.thresholds.*row.most;
    if (found > most) {
      out.reasons.push_back(std::to_string(found) + " " + std::string(row.what) + " (at most " + std::to_string(most) +
                            ")");
    }
  }
  const bool fails = !out.reasons.empty();
  bool incomplete = false;
  for (const std::string& name : policy.required) {
    const auto report =
        std::find_if(reports.begin(), reports.end(), [&](const ScannerReport& each) { return each.scanner == name; });
    const bool looked =
        report != reports.end() && report->outcome != Outcome::Unavailable && report->outcome != Outcome::Failed;
    if (looked) continue;
    incomplete = true;
    out.reasons.push_back("the required scanner " + name + " did not look" +
                          (report == reports.end() || report->error.empty() ? "" : ": " + report->error));
  }
  const bool warns = out.summary.high > 0 || out.summary.injection > 0;
  out.verdict = fails ? Verdict::Fail : incomplete ? Verdict::Incomplete : warns ? Verdict::Warn : Verdict::Pass;
  if (out.verdict == Verdict::Warn) {
    if (out.summary.high > 0) out.reasons.push_back(std::to_string(out.summary.high) + " high findings");
    if (out.summary.injection > 0) out.reasons.push_back(std::to_string(out.summary.injection) + " injection signals");
  }
  return out;
}

}  // namespace countersign::vetting
