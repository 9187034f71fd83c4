#include "packs/evidence_pack.h"

#include <algorithm>
#include <map>
#include <optional>

#include "gate/gait_fields.h"
#include "gate/optional_members.h"
#include "packs/controls.h"
#include "packs/pack_documents.h"
#include "packs/summary_page.h"
#include "signer/statement/evidence_pack_fields.h"
#include "signer/statement/statement.h"

namespace countersign::packs {
namespace {

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, "evidence pack: " + std::move(detail), "bad_pack"};
}

// A file of the pack and what it counts as.
struct Part {
  ZipFile file;
  std::string_view type;
};

void add(std::vector<Part>& parts, std::string name, const Json& content, std::string_view type) {
  parts.push_back({{std::move(name), content.canonical()}, type});
}

// "approval_audit_", 0 → "approval_audit_01.json"
std::string numbered(std::string_view stem, std::size_t index) {
  const std::string number = std::to_string(index + 1);
  return std::string(stem) + (number.size() < 2 ? "0" : "") + number + ".json";
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

Result<std::vector<Part>> evidence_of(const PackInputs& inputs) {
  std::vector<Part> parts;
  add(parts, "runpack_summary.json", runpack_summary(inputs.run), "runpack");
  add(parts, "referenced_runpacks.json", referenced_runpacks(inputs.run), "evidence");
  for (std::size_t i = 0; i < inputs.inventories.size(); ++i) {
    add(parts, numbered("inventory_snapshot_", i), inputs.inventories[i], "evidence");
  }
  if (!inputs.traces.empty()) add(parts, "trace_summary.json", trace_summary(inputs.traces), "trace");
  for (std::size_t i = 0; inputs.whole_traces && i < inputs.traces.size(); ++i) {
    add(parts, numbered("trace_", i), inputs.traces[i], "trace");
  }
  if (!inputs.regress_results.empty()) {
    add(parts, "regress_summary.json", regress_summary(inputs.regress_results), "report");
  }
  for (std::size_t i = 0; i < inputs.approval_audits.size(); ++i) {
    ASSIGN_OR_RETURN(const Json audit, approval_audit_record(inputs.approval_audits[i]));
    add(parts, numbered("approval_audit_", i), audit, "evidence");
  }
  for (std::size_t i = 0; i < inputs.credential_evidence.size(); ++i) {
    ASSIGN_OR_RETURN(const Json record, credential_evidence_record(inputs.credential_evidence[i]));
    add(parts, numbered("credential_evidence_", i), record, "evidence");
  }
  return parts;
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
  if (page_digest) {
    draft.rendered = 1;
    draft.statement.set(
        "rendered_artifacts",
        Json::Array{Json::object({{"format", "pdf"}, {"path", kSummaryPage}, {"sha256", *std::move(page_digest)}})});
  }
  draft.statement.set("contents", contents_of(parts));
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

}  // namespace countersign::packs
