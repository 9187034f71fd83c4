#include <algorithm>
#include <map>

#include "gate/vetting/vetting.h"

namespace countersign::vetting {
namespace {

constexpr std::size_t kMostRows = 50;

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

std::string location_of(const Finding& finding) {
  return finding.line == 0 ? finding.path : finding.path + ":" + std::to_string(finding.line);
}

// Text of others inside a table of Markdown: no new cell, line, tag or link.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 300)) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += ' ';
      continue;
    }
    if (std::string_view("|<>[]`*_\\").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::size_t total(const std::vector<ScannerReport>& scanners) {
  return distinct(scanners).size();
}

Json summary_of(const VettingReport& report) {
  const Summary& counts = report.judgement.summary;
  return Json::object({{"critical", counts.critical},
                       {"high", counts.high},
                       {"medium", counts.medium},
                       {"low", counts.low},
                       {"total", static_cast<std::uint64_t>(total(report.scanners))},
                       {"secrets", counts.secrets},
                       {"injection", counts.injection},
                       {"malware", counts.malware}});
}

std::string_view sarif_level(Severity severity) {
  switch (severity) {
    case Severity::Critical:
    case Severity::High:
      return "error";
    case Severity::Medium:
      return "warning";
    case Severity::Low:
      return "note";
  }
  return "error";
}

// RFC 3986: what a path in a tree needs to be a relative reference.
std::string uri_of(std::string_view path) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~/!").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += {'%', kDigits[static_cast<unsigned char>(c) >> 4], kDigits[static_cast<unsigned char>(c) & 15]};
    }
  }
  return out;
}

}  // namespace

Json findings_document(const VettingReport& report) {
  Json::Array scanners;
  for (const ScannerReport& each : report.scanners) {
    Json::Array findings;
    for (const Finding& finding : each.findings) {
      findings.push_back(Json::object({{"severity", name_of(finding.severity)},
                                       {"title", finding.title},
                                       {"detail", finding.detail},
                                       {"location", location_of(finding)},
                                       {"rule", finding.rule},
                                       {"category", name_of(finding.category)},
                                       {"path", finding.path},
                                       {"line", finding.line}}));
    }
    scanners.push_back(Json::object({{"scanner", each.scanner},
                                     {"available", each.outcome != Outcome::Unavailable},
                                     {"outcome", name_of(each.outcome)},
                                     {"version", each.version},
                                     {"checked", static_cast<std::uint64_t>(each.checked)},
                                     {"finding_count", static_cast<std::uint64_t>(each.findings.size())},
                                     {"findings", std::move(findings)},
                                     {"error", each.error},
                                     {"duration_ms", each.duration_ms}}));
  }
  return Json::object({{"schema_id", "countersign.vetting_findings"},
                       {"schema_version", "1.0.0"},
                       {"proposal_id", report.proposal_id},
                       {"target", report.target},
                       {"tree_digest", report.digest.hex()},
                       {"started_at", report.started.rfc3339()},
                       {"finished_at", report.finished.rfc3339()},
                       {"verdict", name_of(report.judgement.verdict)},
                       {"verdict_reasons", Json::array(report.judgement.reasons)},
                       {"summary", summary_of(report)},
                       {"scanners", std::move(scanners)}});
}

Json sarif_document(const VettingReport& report) {
  Json::Array runs;
  for (const ScannerReport& each : report.scanners) {
    std::map<std::string, std::string> titles;
    Json::Array results;
    for (const Finding& finding : each.findings) {
      titles.emplace(finding.rule, finding.title);
      Json place = Json::object({{"artifactLocation", Json::object({{"uri", uri_of(finding.path)}})}});
      if (finding.line > 0) place.set("region", Json::object({{"startLine", finding.line}}));
      const std::string text = finding.detail.empty() ? finding.title : finding.title + ": " + finding.detail;
      Json result = Json::object({{"ruleId", finding.rule},
                                  {"level", sarif_level(finding.severity)},
                                  {"message", Json::object({{"text", text}})}});
      if (!finding.path.empty())
        result.set("locations", Json::Array{Json::object({{"physicalLocation", std::move(place)}})});
      results.push_back(std::move(result));
    }
    Json::Array rules;
    for (const auto& [rule, title] : titles)
      rules.push_back(Json::object({{"id", rule}, {"shortDescription", Json::object({{"text", title}})}}));
    Json driver = Json::object({{"name", each.scanner}, {"rules", std::move(rules)}});
    if (!each.version.empty()) driver.set("version", each.version);
    // SARIF 2.1.0 §3.20.14: whether the run did what it should.
    const bool looked = each.outcome != Outcome::Unavailable && each.outcome != Outcome::Failed;
    runs.push_back(Json::object({{"tool", Json::object({{"driver", std::move(driver)}})},
                                 {"invocations", Json::Array{Json::object({{"executionSuccessful", looked}})}},
                                 {"results", std::move(results)}}));
  }
  return Json::object(
      {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"}, {"version", "2.1.0"}, {"runs", std::move(runs)}});
}

std::string markdown_page(const VettingReport& report) {
  const Summary& counts = report.judgement.summary;
  std::string page = "# Vetting report [" + upper(name_of(report.judgement.verdict)) + "]\n\n";
  page += "- Proposal: `" + cell(report.proposal_id) + "`\n- Target: " + cell(report.target) +
          "\n- Tree: `sha256:" + report.digest.hex() + "`\n- Date: " + report.finished.rfc3339() + "\n- Verdict: **" +
          upper(name_of(report.judgement.verdict)) + "**\n";
  for (const std::string& reason : report.judgement.reasons) page += "  - " + cell(reason) + "\n";
  page += "\n| critical | high | medium | low | secrets | injection | malware |\n|---|---|---|---|---|---|---|\n| " +
          std::to_string(counts.critical) + " | " + std::to_string(counts.high) + " | " +
          std::to_string(counts.medium) + " | " + std::to_string(counts.low) + " | " + std::to_string(counts.secrets) +
          " | " + std::to_string(counts.injection) + " | " + std::to_string(counts.malware) + " |\n";
  for (const ScannerReport& each : report.scanners) {
    page += "\n## " + each.scanner + ": " + std::string(name_of(each.outcome)) + "\n\n";
    if (!each.version.empty()) page += "Version: " + cell(each.version) + "\n\n";
    page += "Checked: " + std::to_string(each.checked) + (each.error.empty() ? "" : ". " + cell(each.error)) + "\n";
    if (each.findings.empty()) continue;
    page += "\n| severity | rule | where | what |\n|---|---|---|---|\n";
    for (std::size_t i = 0; i < std::min(each.findings.size(), kMostRows); ++i) {
      const Finding& finding = each.findings[i];
      page += "| " + std::string(name_of(finding.severity)) + " | " + cell(finding.rule) + " | " +
              cell(location_of(finding)) + " | " +
              cell(finding.detail.empty() ? finding.title : finding.title + ": " + finding.detail) + " |\n";
    }
    if (each.findings.size() > kMostRows)
      page += "\n" + std::to_string(each.findings.size() - kMostRows) + " more in the findings document.\n";
  }
  return page;
}

}  // namespace countersign::vetting
