#include "packs/evidence_pack.h"

#include <algorithm>
#include <map>
#include <optional>

#include "common/text.h"
#include "gate/document/gait_fields.h"
#include "gate/document/optional_members.h"
#include "packs/controls.h"
#include "packs/pack_documents.h"
#include "packs/report.h"
#include "packs/summary_page.h"
#include "signer/statement/evidence_pack_fields.h"
#include "signer/statement/statement.h"

namespace countersign::packs {
namespace {

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, "evidence pack: " + std::move(detail), "bad_pack"};
}

std::string policy_path(std::string_view digest) {
  return "policy_" + std::string(digest) + ".yaml";
}

// A file of the pack and what it counts as.
struct Part {
  ZipFile file;
  std::string_view type;
};

void add(std::vector<Part>& parts, std::string name, const Json& content, std::string_view type) {
  parts.push_back({{std::move(name), content.canonical()}, type});
}

// Two digits, so that names sort as they count.
constexpr std::size_t kMostFiles = 99;

// "approval_audit", 0 → "approval_audit_01.json"
std::string numbered(std::string_view stem, std::size_t index) {
  const std::string number = std::to_string(index + 1);
  return std::string(stem) + (number.size() < 2 ? "_0" : "_") + number + ".json";
}

std::string lines_name(std::string_view stem) {
  return std::string(stem) + ".jsonl";
}

using Converted = Result<Json> (*)(const Json& document);
Result<Json> as_it_is(const Json& document) {
  return document;
}

Status add_all(std::vector<Part>& parts, std::string_view stem, const std::vector<Json>& documents,
               std::string_view type, Converted converted = as_it_is) {
  std::string lines;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    ASSIGN_OR_RETURN(const Json document, converted(documents[i]));
    if (documents.size() <= kMostFiles) {
      add(parts, numbered(stem, i), document, type);
    } else {
      lines += document.canonical() + "\n";
    }
  }
  if (!lines.empty()) parts.push_back({{lines_name(stem), std::move(lines)}, type});
  return ok();
}

Json runpack_summary(const Runpack& run) {
  return Json::object({{"run_id", run.run_id()},
                       {"manifest_digest", run.manifest_digest()},
                       {"capture_mode", run.capture_mode()},
                       {"intent_count", run.intents()},
                       {"result_count", run.results()},
                       {"receipt_count", static_cast<std::int64_t>(run.receipts().size())}});
}

Json referenced_runpacks(const Runpack& run) {
  return Json::object({{"run_id", run.run_id()},
                       {"receipts", run.receipts()},
                       {"references", static_cast<std::int64_t>(run.receipts().size())}});
}

Json trace_summary(const std::vector<Json>& traces) {
  std::vector<Json> rows;
  std::map<std::string, std::int64_t> counts;
  for (const Json& trace : traces) {
    const std::string verdict(trace.text("verdict"));
    ++counts[verdict];
    rows.push_back(Json::object(
        {{"trace_id", trace.text("trace_id")}, {"tool_name", trace.text("tool_name")}, {"verdict", verdict}}));
  }
  std::ranges::stable_sort(rows, {}, [](const Json& row) { return std::string(row.text("trace_id")); });
  Json::Object counted(counts.begin(), counts.end());
  return Json::object({{"traces", Json::Array(rows.begin(), rows.end())},
                       {"verdict_counts", Json(std::move(counted))},
                       {"total", static_cast<std::int64_t>(traces.size())}});
}

Json regress_summary(const std::vector<Json>& results) {
  return Json::object(
      {{"results", Json::Array(results.begin(), results.end())}, {"total", static_cast<std::int64_t>(results.size())}});
}

Json contents_of(std::vector<Part>& parts) {
  std::ranges::sort(parts, {}, [](const Part& part) -> const std::string& { return part.file.name; });
  Json::Array contents;
  for (const Part& part : parts) {
    contents.push_back(
        Json::object({{"path", part.file.name}, {"sha256", sha256(part.file.content).hex()}, {"type", part.type}}));
  }
  return Json(std::move(contents));
}

Json pointers_to(const Json& contents) {
  Json::Array pointers;
  for (const Json& content : contents.as_array()) {
    std::string number = std::to_string(pointers.size() + 1);
    number.insert(0, 3 - std::min<std::size_t>(3, number.size()), '0');
    pointers.push_back(Json::object({{"pointer_id", "ev_" + number},
                                     {"path", content.text("path")},
                                     {"type", content.text("type")},
                                     {"sha256", content.text("sha256")}}));
  }
  return Json(std::move(pointers));
}

// Which policies decided, how often, and where their text is.
Json policy_digests(const std::vector<Json>& traces, const std::vector<PolicyFile>& policies) {
  std::map<std::string, std::int64_t> decisions;
  for (const Json& trace : traces) ++decisions[std::string(trace.text("policy_digest"))];
  Json::Array rows;
  for (const auto& [digest, count] : decisions) {
    Json row = Json::object({{"policy_digest", digest}, {"decisions", count}});
    const bool given =
        std::ranges::any_of(policies, [&digest](const PolicyFile& policy) { return policy.digest.hex() == digest; });
    if (given) row.set("path", policy_path(digest));
    rows.push_back(std::move(row));
  }
  const auto total = static_cast<std::int64_t>(rows.size());
  return Json::object({{"policies", std::move(rows)}, {"total", total}});
}

Status add_proofs(std::vector<Part>& parts, const PackInputs& inputs) {
  const Proofs& proofs = *inputs.proofs;
  RETURN_IF_ERROR(add_all(parts, "trace", inputs.traces, "trace"));
  RETURN_IF_ERROR(add_all(parts, "delegation_audit", proofs.delegation_audits, "evidence"));
  RETURN_IF_ERROR(add_all(parts, "approval_token", proofs.approval_tokens, "evidence"));
  RETURN_IF_ERROR(add_all(parts, "delegation_token", proofs.delegation_tokens, "evidence"));
  RETURN_IF_ERROR(add_all(parts, "execution", proofs.executions, "evidence"));
  RETURN_IF_ERROR(add_all(parts, "log_proof", proofs.log_proofs, "evidence"));
  RETURN_IF_ERROR(add_all(parts, "unverified", proofs.unverified, "evidence"));
  for (const ZipFile& file : proofs.published) parts.push_back({file, "evidence"});
  if (proofs.keys) add(parts, std::string(kKeySetName), proofs.keys->document(), "evidence");
  for (const PolicyFile& policy : proofs.policies) {
    parts.push_back({{policy_path(policy.digest.hex()), policy.text}, "evidence"});
  }
  if (!inputs.traces.empty()) {
    add(parts, "policy_digests.json", policy_digests(inputs.traces, proofs.policies), "report");
  }
  const Report report = report_of(inputs);
  parts.push_back({{"report.txt", text_of(report)}, "report"});
  parts.push_back({{"report.html", html_of(report)}, "report"});
  return ok();
}

Result<std::vector<Part>> evidence_of(const PackInputs& inputs) {
  std::vector<Part> parts;
  add(parts, "runpack_summary.json", runpack_summary(inputs.run), "runpack");
  add(parts, "referenced_runpacks.json", referenced_runpacks(inputs.run), "evidence");
  RETURN_IF_ERROR(add_all(parts, "inventory_snapshot", inputs.inventories, "evidence"));
  if (!inputs.traces.empty()) add(parts, "trace_summary.json", trace_summary(inputs.traces), "trace");
  if (!inputs.regress_results.empty()) {
    add(parts, "regress_summary.json", regress_summary(inputs.regress_results), "report");
  }
  RETURN_IF_ERROR(add_all(parts, "approval_audit", inputs.approval_audits, "evidence", approval_audit_record));
  RETURN_IF_ERROR(
      add_all(parts, "credential_evidence", inputs.credential_evidence, "evidence", credential_evidence_record));
  if (inputs.proofs) RETURN_IF_ERROR(add_proofs(parts, inputs));
  return parts;
}

// A pack that our own reader refuses helps nobody.
Status check_size(const std::vector<Part>& parts) {
  const ZipLimits limits;
  std::size_t bytes = 0;
  for (const Part& part : parts) bytes += part.file.content.size();
  if (parts.size() < limits.files && bytes <= limits.content) return ok();
  return Error{ErrorCode::TooLarge,
               "the evidence is " + std::to_string(parts.size()) + " files of " + std::to_string(bytes) +
                   " bytes; a pack holds " + std::to_string(limits.files - 1) + " of " + std::to_string(limits.content),
               "pack_too_large", "Name fewer inventories and regress results, or pack a part of the run: --trace."};
}

// From the first decision to the last.
std::optional<Json> window_of(const PackInputs& inputs) {
  std::optional<UtcTime> from;
  std::optional<UtcTime> to;
  for (const Json& trace : inputs.traces) {
    const Result<UtcTime> at = UtcTime::parse(trace.text("observed_at"));
    if (!at) continue;
    if (!from || *at < *from) from = *at;
    if (!to || *at > *to) to = *at;
  }
  if (!from) return std::nullopt;
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(*to - *from).count();
  return Json::object({{"from", from->rfc3339()},
                       {"to", to->rfc3339()},
                       {"window_seconds", std::int64_t{seconds}},
                       {"selection_anchor", "run_id"}});
}

}  // namespace

Result<PackDraft> draft_pack(const PackInputs& inputs) {
  ASSIGN_OR_RETURN(std::vector<Part> parts, evidence_of(inputs));
  std::optional<std::string> page_digest;
  if (inputs.rendered) {
    parts.push_back({{std::string(kSummaryPage), summary_page(inputs, contents_of(parts))}, "report"});
    page_digest = sha256(parts.back().file.content).hex();
  }
  // gait computes controls and pointers before the two files about them exist.
  const Template& chosen = template_named(inputs.template_name);
  const Json evidence = contents_of(parts);
  const Json index = control_index(chosen, evidence);
  const Json pointers = pointers_to(evidence);
  add(parts, "control_index.json", index, "report");
  add(parts, "evidence_pointers.json", pointers, "report");

  PackDraft draft;
  draft.controls = static_cast<std::int64_t>(index.as_array().size());
  draft.statement = Json::object({{"created_at", inputs.run.created_at().rfc3339()}, {"run_id", inputs.run.run_id()}});
  gate::put(draft.statement, "case_id", inputs.case_id);
  draft.statement.set("template_id", chosen.id);
  draft.statement.set("control_index", index);
  draft.statement.set("evidence_pointers", pointers);
  if (inputs.proofs) {
    if (std::optional<Json> window = window_of(inputs)) draft.statement.set("incident_window", *std::move(window));
  }
  if (page_digest) {
    draft.rendered = 1;
    draft.statement.set(
        "rendered_artifacts",
        Json::Array{Json::object({{"format", "pdf"}, {"path", kSummaryPage}, {"sha256", *std::move(page_digest)}})});
  }
  draft.statement.set("contents", contents_of(parts));
  RETURN_IF_ERROR(check_size(parts));
  for (Part& part : parts) draft.files.push_back(std::move(part.file));
  return draft;
}

Json gait_manifest(const PackDraft& draft) {
  const UtcTime created_at = *UtcTime::parse(draft.statement.text("created_at"));
  return statement::stamped({draft.statement}, {.now = created_at, .token_id = {}}).document.root().json();
}

std::string sealed_pack(PackDraft draft, const Json& manifest) {
  draft.files.push_back({std::string(statement::kPackManifestName), manifest.canonical()});
  std::ranges::sort(draft.files, {}, &ZipFile::name);
  return zip_archive(draft.files);
}

Result<EvidencePack> EvidencePack::parse(std::string_view archive) {
  EvidencePack out;
  ASSIGN_OR_RETURN(out.files_, read_zip(archive));
  const std::string* manifest = content_named(out.files_, statement::kPackManifestName);
  if (manifest == nullptr) return invalid("there is no " + std::string(statement::kPackManifestName));
  Result<Json> json = Json::parse(*manifest, {.gait = true});
  if (!json) return invalid(std::string(statement::kPackManifestName) + ": " + json.error().detail);
  out.manifest_ = *std::move(json);
  const statement::StatementRow& row = statement::row_of(statement::StatementType::EvidencePack);
  if (out.manifest_.text("schema_id") != row.schema_id) return invalid("it is no " + std::string(row.schema_id));
  // The signature covers the members as gait names them; what is checked here must be those.
  Json* contents = out.manifest_.find("contents");
  if (contents == nullptr || !contents->is_array()) return invalid("its manifest lists no contents");
  const Json* signatures = out.manifest_.find("signatures");
  out.signatures_ = signatures != nullptr && signatures->is_array() ? signatures->as_array().size() : 0;
  out.contents_ = check_contents(out.files_, *contents, statement::kPackManifestName);
  out.pack_id_is_right_ = out.pack_id() == statement::evidence_pack_id(out.run_id(), *contents);
  return out;
}

Result<std::vector<EvidencePack::Document>> EvidencePack::documents(std::string_view stem) const {
  std::vector<Document> out;
  const auto take = [&out](const std::string& path, std::string_view text) -> Status {
    Result<Json> json = Json::parse(text, {.gait = true});
    if (!json) return invalid(path + ": " + json.error().detail);
    out.push_back({path, *std::move(json)});
    return ok();
  };
  for (std::size_t i = 0; i < kMostFiles; ++i) {
    const std::string path = numbered(stem, i);
    const std::string* text = content_named(files_, path);
    if (text == nullptr) break;
    RETURN_IF_ERROR(take(path, *text));
  }
  const std::string* lines = content_named(files_, lines_name(stem));
  for (const std::string_view line : lines_of(lines == nullptr ? std::string_view() : std::string_view(*lines))) {
    RETURN_IF_ERROR(take(lines_name(stem) + ":" + std::to_string(out.size() + 1), line));
  }
  return out;
}

}  // namespace countersign::packs
