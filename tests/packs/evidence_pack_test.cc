// Runpacks and evidence packs against recorded ones.
#include "packs/evidence_pack.h"

#include <gtest/gtest.h>

#include "common/durable_file.h"
#include "keymgmt/key_set.h"
#include "packs/controls.h"
#include "places.h"
#include "signer/statement/statement.h"

namespace countersign::packs {
namespace {

std::string vector(const std::string& name) {
  return *read_file(COUNTERSIGN_VECTORS "/packs/" + name, std::size_t{1} << 24);
}

Json document(const std::string& name) {
  return *Json::parse(vector(name), {.gait = true});
}

keymgmt::KeySet release_key() {
  std::string text = vector("release_public.key");
  text.resize(text.find_last_not_of("\n") + 1);
  return keymgmt::KeySet(1, UtcTime(),
                         {keymgmt::PublishedKey{*keymgmt::PublicKey::from_gait(text),
                                                keymgmt::Role::Trace,
                                                keymgmt::KeyState::Active,
                                                "",
                                                "",
                                                {},
                                                {},
                                                std::nullopt,
                                                std::nullopt}});
}

PackInputs recorded_inputs(const Runpack& run) {
  PackInputs inputs{run, "INC-7", "incident_response", {}, {}, {}, {}, {}, std::nullopt};
  inputs.traces = {document("trace_pre_approval.json"), document("trace_post_approval.json")};
  inputs.approval_audits = {document("approval_audit_pre.json"), document("approval_audit_x.json")};
  inputs.credential_evidence = {document("credential_evidence_x.json")};
  return inputs;
}

TEST(Runpack, OfTheDemoIsGaits) {
  const auto recorded = read_zip(vector("runpack_run_demo.zip"));
  const auto ours = read_zip(demo_runpack());
  ASSERT_TRUE(recorded && ours);
  ASSERT_EQ(ours->size(), recorded->size());
  for (std::size_t i = 0; i < ours->size(); ++i) {
    EXPECT_EQ((*ours)[i].name, (*recorded)[i].name);
    EXPECT_EQ((*ours)[i].content, (*recorded)[i].content) << (*ours)[i].name;
  }
  const auto run = Runpack::parse(demo_runpack());
  ASSERT_TRUE(run) << run.error().detail;
  EXPECT_TRUE(run->verified());
  EXPECT_EQ(run->manifest_digest(), "436474ad70446539c909ae85bcc156d30197ba68efb8debdaed4f5d2eef2922e");
  EXPECT_EQ(run->intents(), 3);
  EXPECT_EQ(run->results(), 3);
}

struct RunChange {
  const char* name;
  bool readable;
  void (*make)(std::vector<ZipFile>& files);
};
std::string& content(std::vector<ZipFile>& files, std::string_view name) {
  return std::find_if(files.begin(), files.end(), [&](const ZipFile& f) { return f.name == name; })->content;
}
void replace(std::string& text, const std::string& from, const std::string& to) {
  ASSERT_NE(text.find(from), std::string::npos) << from;
  text.replace(text.find(from), from.size(), to);
}
const RunChange kRunChanges[] = {
    {"a file more", true,
     [](std::vector<ZipFile>& f) {
       f.push_back({"z.json", "{}"});
     }},
    {"an intent changed", true,
     [](std::vector<ZipFile>& f) { replace(content(f, "intents.jsonl"), "tool.search", "tool.delete"); }},
    {"the manifest changed", true,
     [](std::vector<ZipFile>& f) { replace(content(f, "manifest.json"), "reference", "raw_bytes"); }},
    {"no manifest", false, [](std::vector<ZipFile>& f) { f.erase(f.begin() + 1); }},
    {"no intents", false, [](std::vector<ZipFile>& f) { f.erase(f.begin()); }},
    {"an intent that is no JSON", false, [](std::vector<ZipFile>& f) { content(f, "intents.jsonl") += "x\n"; }},
    {"a manifest with two run ids", false,
     [](std::vector<ZipFile>& f) { replace(content(f, "manifest.json"), "{", R"({"Run_ID":"other",)"); }},
};

TEST(Runpack, ThatWasChangedDoesNotVerify) {
  for (const RunChange& change : kRunChanges) {
    std::vector<ZipFile> files = *read_zip(demo_runpack());
    change.make(files);
    const auto run = Runpack::parse(zip_archive(files));
    EXPECT_EQ(run.has_value(), change.readable) << change.name;
    EXPECT_FALSE(run.has_value() && run->verified()) << change.name;
  }
}

TEST(EvidencePack, HasTheFilesAndTheIdThatGaitGivesIt) {
  const auto run = Runpack::parse(vector("runpack_run_demo.zip"));
  ASSERT_TRUE(run);
  const auto draft = draft_pack(recorded_inputs(*run));
  ASSERT_TRUE(draft) << draft.error().detail;
  const auto recorded = EvidencePack::parse(vector("evidence_pack.zip"));
  ASSERT_TRUE(recorded) << recorded.error().detail;
  ASSERT_EQ(draft->files.size() + 1, recorded->files().size());
  for (const ZipFile& file : draft->files) {
    const std::string* theirs = content_named(recorded->files(), file.name);
    ASSERT_NE(theirs, nullptr) << file.name;
    EXPECT_EQ(file.content, *theirs) << file.name;
  }
  // With the run's own time the manifest is gait's, apart from who produced it.
  const auto statement = statement::Statement::parse(statement::StatementType::EvidencePack, draft->statement);
  ASSERT_TRUE(statement) << statement.error().detail;
  Json ours = statement->rebuild({.now = run->created_at()})->document().root().json();
  Json theirs = recorded->manifest();
  theirs.erase("signatures");
  ours.set("producer_version", theirs.text("producer_version"));
  EXPECT_EQ(ours.canonical(), theirs.canonical());
  Json key_files = gait_manifest(*draft);
  key_files.set("producer_version", theirs.text("producer_version"));
  EXPECT_EQ(key_files.canonical(), theirs.canonical());
}

// Every object stands where the table of places says, and the page is listed as any file is.
TEST(EvidencePack, RendersAPageThatItLists) {
  const auto run = Runpack::parse(vector("runpack_run_demo.zip"));
  PackInputs inputs = recorded_inputs(*run);
  inputs.rendered = true;
  inputs.case_id = "case (7) \\ Größe";
  for (int i = 0; i < 40; ++i) inputs.traces.push_back(inputs.traces.front());  // more than one page holds
  const auto draft = draft_pack(inputs);
  ASSERT_TRUE(draft) << draft.error().detail;
  EXPECT_EQ(draft->rendered, 1);
  const std::string& page = *content_named(draft->files, "summary.pdf");
  EXPECT_TRUE(page.starts_with("%PDF-1.4\n") && page.ends_with("%%EOF\n"));
  EXPECT_NE(page.find("(case          case \\(7\\) \\\\ Gr??e)"), std::string::npos) << page;
  EXPECT_NE(page.find("/Count 2"), std::string::npos);
  const std::size_t table = std::stoul(page.substr(page.find("startxref\n") + 10));
  ASSERT_EQ(page.substr(table, 5), "xref\n");
  std::size_t row = page.find("65535 f \n", table) + 9;
  for (int number = 1; page[row] != 't'; ++number, row += 20) {
    const std::string head = std::to_string(number) + " 0 obj\n";
    EXPECT_EQ(page.substr(std::stoul(page.substr(row, 10)), head.size()), head);
  }
  const Json& artifact = draft->statement.find("rendered_artifacts")->as_array().front();
  EXPECT_EQ(artifact.text("path"), "summary.pdf");
  EXPECT_EQ(artifact.text("sha256"), sha256(page).hex());
  EXPECT_TRUE(statement::Statement::parse(statement::StatementType::EvidencePack, draft->statement));
}

struct TemplateCase {
  const char* name;
  const char* recorded;
};

TEST(EvidencePack, OfEachTemplateHasGaitsControls) {
  const auto run = Runpack::parse(vector("runpack_run_demo.zip"));
  for (const TemplateCase& each : {TemplateCase{"soc2", "soc2.zip"}, TemplateCase{"pci", "pci.zip"}}) {
    PackInputs inputs = recorded_inputs(*run);
    inputs.template_name = each.name;
    inputs.case_id.clear();
    inputs.traces.clear();
    const auto draft = draft_pack(inputs);
    const auto recorded = EvidencePack::parse(vector(each.recorded));
    ASSERT_TRUE(draft && recorded) << each.name;
    EXPECT_EQ(*content_named(draft->files, "control_index.json"),
              *content_named(recorded->files(), "control_index.json"))
        << each.name;
    EXPECT_EQ(draft->statement.text("template_id"), each.name);
  }
  EXPECT_EQ(template_named("whatever").id, "incident_response");
}

TEST(EvidencePack, OfGaitVerifies) {
  const auto pack = EvidencePack::parse(vector("evidence_pack.zip"));
  ASSERT_TRUE(pack) << pack.error().detail;
  EXPECT_TRUE(pack->contents().passed());
  EXPECT_TRUE(pack->pack_id_is_right());
  EXPECT_EQ(pack->contents().listed, 8);
  const auto verified =
      statement::VerifiedDocument::verify(statement::StatementType::EvidencePack, pack->manifest(), release_key());
  EXPECT_TRUE(verified) << verified.error().detail;
}

TEST(EvidencePack, ThatWasChangedIsNoticed) {
  const auto extra = EvidencePack::parse(vector("pack_extra.zip"));
  EXPECT_EQ(extra->contents().unlisted, std::vector<std::string>{"approval_audit_99.json"});
  EXPECT_FALSE(extra->contents().passed());
  const auto missing = EvidencePack::parse(vector("pack_missing.zip"));
  EXPECT_EQ(missing->contents().missing, std::vector<std::string>{"trace_summary.json"});
  const auto tampered = EvidencePack::parse(vector("pack_tampered.zip"));
  ASSERT_EQ(tampered->contents().mismatches.size(), 1u);
  EXPECT_EQ(tampered->contents().mismatches[0].path, "runpack_summary.json");
  const auto edited = EvidencePack::parse(vector("pack_manifest_edited.zip"));
  EXPECT_EQ(
      statement::VerifiedDocument::verify(statement::StatementType::EvidencePack, edited->manifest(), release_key())
          .error()
          .reason,
      "signed_digest_mismatch");
}

TEST(EvidencePack, WithAnotherIdIsNoticed) {
  std::vector<ZipFile> files = *read_zip(vector("evidence_pack.zip"));
  replace(content(files, "pack_manifest.json"), "pack_5c89545f09eb42ba", "pack_0000000000000000");
  const auto pack = EvidencePack::parse(zip_archive(files));
  ASSERT_TRUE(pack);
  EXPECT_FALSE(pack->pack_id_is_right());
}

TEST(EvidencePack, TakesNoDocumentOfAnotherKind) {
  const auto run = Runpack::parse(demo_runpack());
  PackInputs inputs = recorded_inputs(*run);
  inputs.approval_audits = {document("trace_pre_approval.json")};
  EXPECT_FALSE(draft_pack(inputs));
  PackInputs others = recorded_inputs(*run);
  others.credential_evidence = {document("approval_audit_pre.json")};
  EXPECT_FALSE(draft_pack(others));
}

TEST(EvidencePack, CarriesWholeTracesAndAReportWhereAsked) {
  const auto run = Runpack::parse(demo_runpack());
  PackInputs inputs = recorded_inputs(*run);
  inputs.proofs = Proofs();
  const auto draft = draft_pack(inputs);
  ASSERT_TRUE(draft);
  EXPECT_EQ(*content_named(draft->files, "trace_02.json"), document("trace_post_approval.json").canonical());
  EXPECT_NE(content_named(draft->files, "report.txt")->find("credential"), std::string::npos);
  EXPECT_NE(draft->statement.find("incident_window"), nullptr);
  inputs.proofs.reset();
  const auto gaits = draft_pack(inputs);
  ASSERT_TRUE(gaits);
  EXPECT_EQ(content_named(gaits->files, "trace_02.json"), nullptr);
  EXPECT_EQ(content_named(gaits->files, "report.txt"), nullptr);
}

TEST(EvidencePack, HoldsMoreThan99DocumentsOfAKindAsLines) {
  const auto run = Runpack::parse(demo_runpack());
  PackInputs inputs = recorded_inputs(*run);
  inputs.proofs = Proofs();
  for (const std::size_t count : {std::size_t{99}, std::size_t{100}}) {
    inputs.traces.assign(count, document("trace_pre_approval.json"));
    const auto draft = draft_pack(inputs);
    ASSERT_TRUE(draft);
    EXPECT_EQ(content_named(draft->files, "trace_99.json") != nullptr, count == 99);
    EXPECT_EQ(content_named(draft->files, "trace.jsonl") != nullptr, count == 100);
    const auto pack = EvidencePack::parse(sealed_pack(*draft, gait_manifest(*draft)));
    ASSERT_TRUE(pack) << pack.error().detail;
    const auto traces = pack->documents("trace");
    ASSERT_TRUE(traces);
    ASSERT_EQ(traces->size(), count);
    EXPECT_EQ(traces->back().json.text("trace_id"), inputs.traces.back().text("trace_id"));
  }
}

TEST(EvidencePack, ThatNobodyCouldReadIsNotMade) {
  const auto run = Runpack::parse(demo_runpack());
  PackInputs inputs = recorded_inputs(*run);
  inputs.proofs = Proofs();
  inputs.proofs->policies.push_back({Digest(), std::string((std::size_t{64} << 20) + 1, 'x')});
  const auto draft = draft_pack(inputs);
  ASSERT_FALSE(draft);
  EXPECT_EQ(draft.error().reason, "pack_too_large");
}

TEST(EvidencePack, ReportObeysNoHostileText) {
  const auto run = Runpack::parse(demo_runpack());
  PackInputs inputs = recorded_inputs(*run);
  inputs.case_id = "<script>alert(1)</script>\x1b[2J\u202egnp.exe";
  inputs.proofs = Proofs();
  const auto draft = draft_pack(inputs);
  ASSERT_TRUE(draft);
  const std::string& page = *content_named(draft->files, "report.html");
  const std::string& text = *content_named(draft->files, "report.txt");
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;"), std::string::npos);
  for (const std::string& each : {page, text}) {
    EXPECT_EQ(each.find('\x1b'), std::string::npos);
    EXPECT_EQ(each.find("\u202e"), std::string::npos);
  }
  EXPECT_NE(text.find("<U+001B>[2J<U+202E>gnp.exe"), std::string::npos);
}

}  // namespace
}  // namespace countersign::packs
