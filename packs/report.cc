#include "packs/report.h"

#include <algorithm>
#include <set>

#include "common/html.h"
#include "common/joined.h"
#include "common/text.h"
#include "gate/document/optional_members.h"
#include "packs/controls.h"

namespace countersign::packs {
namespace {

using Row = Report::Row;

std::string listed(const Json* texts) {
  const std::vector<std::string> words = gate::texts_of(texts);
  return words.empty() ? "none" : joined(words, ", ");
}

std::string text_of_member(const Json& document, std::string_view name) {
  return std::string(document.text(name));
}

// The kid of the key that signed, by which the table of keys names it; what the signature says where nobody knows it.
std::string key_of(const Json& document, const std::optional<keymgmt::KeySet>& keys) {
  const Json* signature = document.find("signature");
  const std::string name(signature == nullptr ? "" : signature->text("key_id"));
  const keymgmt::PublishedKey* key = keys ? keys->find(name) : nullptr;
  return key == nullptr ? name : key->key.kid();
}

Row decision(const Json& trace) {
  const Json* ours = trace.find("countersign");
  const Json none{Json::Object{}};
  const Json& facts = ours == nullptr ? none : *ours;
  const std::string requester(facts.text("requester"));
  std::string what = text_of_member(trace, "verdict") + " " + text_of_member(trace, "tool_name");
  const std::string rule(facts.text("matched_rule"));
  if (!rule.empty()) what += ", rule " + rule;
  what += "; reasons: " + listed(facts.find("reason_codes"));
  if (trace.find("violations") != nullptr) what += "; violations: " + listed(trace.find("violations"));
  return {text_of_member(trace, "observed_at"), "decision",
          requester.empty() ? text_of_member(trace, "agent_id") : requester, what};
}

Row approval(const Json& token) {
  return {text_of_member(token, "created_at"), "approval", text_of_member(token, "approver_identity"),
          "token " + text_of_member(token, "token_id") + " for " + listed(token.find("scope")) + "; reason " +
              text_of_member(token, "reason_code") + "; until " + text_of_member(token, "expires_at")};
}

Row delegation(const Json& token) {
  return {text_of_member(token, "created_at"), "delegation", text_of_member(token, "delegator_identity"),
          "token " + text_of_member(token, "token_id") + " to " + text_of_member(token, "delegate_identity") + " for " +
              listed(token.find("scope")) + "; until " + text_of_member(token, "expires_at")};
}

// Each token of an audit with what became of it.
std::string entries_of(const Json& audit) {
  std::string out;
  const Json* entries = audit.find("entries");
  if (entries == nullptr || !entries->is_array()) return out;
  for (const Json& entry : entries->as_array()) {
    const Json* valid = entry.find("valid");
    const bool counted = valid != nullptr && valid->is_bool() && valid->as_bool();
    out += "; token " + text_of_member(entry, "token_id") + " " +
           (counted ? "counted" : "refused: " + text_of_member(entry, "error_code"));
  }
  return out;
}

std::string number_of(const Json& document, std::string_view name) {
  const Json* value = document.find(name);
  return value != nullptr && value->is_integer() ? std::to_string(value->as_integer()) : "?";
}

std::string moment_of(const Json& record) {
  const std::string observed = text_of_member(record, "observed_at");
  return observed.empty() ? text_of_member(record, "created_at") : observed;
}

Row approval_audit(const Json& audit) {
  return {moment_of(audit), "approvals judged", "",
          text_of_member(audit, "tool_name") + ": " + number_of(audit, "valid_approvals") + " of " +
              number_of(audit, "required_approvals") + " approvals" + entries_of(audit)};
}

Row delegation_audit(const Json& audit) {
  return {
      moment_of(audit), "delegations judged", "",
      text_of_member(audit, "tool_name") + ": " + number_of(audit, "valid_delegations") + " valid" + entries_of(audit)};
}

Row credential(const Json& record) {
  return {moment_of(record), "credential", text_of_member(record, "identity"),
          text_of_member(record, "broker") + " gave " + text_of_member(record, "credential_ref") + " for " +
              text_of_member(record, "tool_name") + "; until " + text_of_member(record, "expires_at")};
}

Row execution(const Json& record) {
  return {text_of_member(record, "at"), "executed", "uid " + number_of(record, "peer_uid"),
          "the permit with signed digest " + text_of_member(record, "trace")};
}

Report::Table timeline(const PackInputs& inputs) {
  struct Kind {
    const std::vector<Json>& documents;
    Row (*row)(const Json&);
  };
  const Proofs& proofs = *inputs.proofs;
  const Kind kinds[] = {{inputs.traces, decision},
                        {proofs.approval_tokens, approval},
                        {proofs.delegation_tokens, delegation},
                        {inputs.approval_audits, approval_audit},
                        {proofs.delegation_audits, delegation_audit},
                        {inputs.credential_evidence, credential},
                        {proofs.executions, execution}};
  Report::Table table{"Timeline", {"when", "what", "who", "details", "key"}, {}, "Nothing is recorded of this run."};
  for (const Kind& kind : kinds) {
    for (const Json& document : kind.documents) {
      table.rows.push_back(kind.row(document));
      table.rows.back().push_back(key_of(document, proofs.keys));
    }
  }
  // RFC 3339 in UTC with a fraction of any length does not sort as text.
  std::ranges::stable_sort(table.rows, {}, [](const Row& row) {
    const Result<UtcTime> at = UtcTime::parse(row.front());
    return at ? *at : UtcTime();
  });
  return table;
}

Report::Table keys_table(const PackInputs& inputs) {
  Report::Table table{"Keys", {"key", "role", "algorithm", "state", "counts from", "until"}, {}, "None is known."};
  const std::optional<keymgmt::KeySet>& keys = inputs.proofs->keys;
  if (!keys) return table;
  for (const keymgmt::PublishedKey& key : keys->keys()) {
    const std::string state(keymgmt::name_of(key.state));
    table.rows.push_back({key.key.kid(), std::string(keymgmt::name_of(key.role)),
                          std::string(keymgmt::name_of(key.key.algorithm())),
                          key.compromised_since ? "COMPROMISED since " + key.compromised_since->rfc3339() : state,
                          key.not_before.rfc3339(), key.not_after ? key.not_after->rfc3339() : "open"});
  }
  return table;
}

Report::Table failures(const PackInputs& inputs) {
  Report::Table table{"Not verified",
                      {"source", "kind", "why"},
                      {},
                      "Every signature in this pack was verified when it was made.",
                      true};
  for (const Json& each : inputs.proofs->unverified) {
    table.rows.push_back({text_of_member(each, "source"), text_of_member(each, "type"),
                          text_of_member(each, "code") + ": " + text_of_member(each, "message")});
  }
  return table;
}

Report::Table policies_table(const PackInputs& inputs) {
  Report::Table table{"Policies", {"digest", "text"}, {}, "No decision names a policy."};
  std::set<std::string> digests;
  for (const Json& trace : inputs.traces) digests.insert(text_of_member(trace, "policy_digest"));
  for (const std::string& digest : digests) {
    const bool given = std::ranges::any_of(inputs.proofs->policies,
                                           [&](const PolicyFile& policy) { return policy.digest.hex() == digest; });
    table.rows.push_back({digest, given ? "policy_" + digest + ".yaml" : "not in this pack"});
  }
  return table;
}

std::string log_line(const std::vector<Json>& proofs) {
  if (proofs.empty()) return "no proofs: the signer keeps no log";
  return std::to_string(proofs.size()) + " proofs against the checkpoint of " + number_of(proofs.front(), "size") +
         " records";
}

std::string page_row(const Row& cells, std::string_view tag) {
  std::string out = "<tr>";
  for (const std::string& cell : cells) {
    out += "<" + std::string(tag) + ">" + html_text(displayed(cell)) + "</" + std::string(tag) + ">";
  }
  return out + "</tr>\n";
}

}  // namespace

Report report_of(const PackInputs& inputs) {
  Report report;
  report.about = {{"run", inputs.run.run_id()},
                  {"case", inputs.case_id.empty() ? "none" : inputs.case_id},
                  {"template", std::string(template_named(inputs.template_name).id)},
                  {"begun", inputs.run.created_at().rfc3339()},
                  {"decisions", std::to_string(inputs.traces.size())},
                  {"log", log_line(inputs.proofs->log_proofs)}};
  report.tables = {failures(inputs), timeline(inputs), policies_table(inputs), keys_table(inputs)};
  return report;
}

std::string text_of(const Report& report) {
  std::string out = "Evidence of a run\n\n";
  for (const auto& [name, value] : report.about) out += displayed(name) + ": " + displayed(value) + "\n";
  for (const Report::Table& table : report.tables) {
    out += "\n" + table.title + "\n";
    if (table.rows.empty()) out += "  " + table.empty + "\n";
    for (const Row& row : table.rows) {
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (row[i].empty()) continue;
        out += (i == 0 ? "- " : "    " + table.columns[i] + ": ") + displayed(row[i]) + "\n";
      }
    }
  }
  return out +
         "\nThe signed pack_manifest.json counts, not this page: countersign guard verify PACK --root root.json\n";
}

std::string html_of(const Report& report) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Evidence of a run</title>"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
      "<meta name=\"viewport\" content=\"width=device-width\">"
      "<style>body{font:15px/1.4 sans-serif;max-width:75em;margin:2em auto;padding:0 1em}"
      "table{border-collapse:collapse;width:100%}th,td{border:1px solid #bbb;padding:.3em .5em;text-align:left;"
      "vertical-align:top;overflow-wrap:anywhere}th{background:#eee}.failed td{background:#fdd}</style>\n"
      "<h1>Evidence of a run</h1>\n<table>\n";
  for (const auto& [name, value] : report.about) {
    out += "<tr><th scope=\"row\">" + html_text(displayed(name)) + "</th><td>" + html_text(displayed(value)) +
           "</td></tr>\n";
  }
  out += "</table>\n";
  for (const Report::Table& table : report.tables) {
    out += "<h2>" + html_text(table.title) + "</h2>\n";
    if (table.rows.empty()) {
      out += "<p>" + html_text(table.empty) + "</p>\n";
      continue;
    }
    out += std::string("<table") + (table.alarming ? " class=\"failed\"" : "") + ">\n" + page_row(table.columns, "th");
    for (const Row& row : table.rows) out += page_row(row, "td");
    out += "</table>\n";
  }
  return out +
         "<p>The signed pack_manifest.json counts, not this page: "
         "<code>countersign guard verify PACK --root root.json</code></p>\n</html>\n";
}

}  // namespace countersign::packs
