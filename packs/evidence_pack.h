// An evidence pack (gait-formats §16.2): what one run did, in one archive, each file with its digest, the manifest
// signed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "packs/content_check.h"
#include "packs/runpack.h"
#include "packs/zip_archive.h"

namespace countersign::packs {

struct PackInputs {
  const Runpack& run;
  std::string case_id;
  std::string template_name;
  // Whole documents, each kind in the order of its paths.
  std::vector<Json> traces;
  std::vector<Json> approval_audits;
  std::vector<Json> credential_evidence;
  std::vector<Json> inventories;
  std::vector<Json> regress_results;
  // Whether the traces themselves go in. gait keeps a line of each only, which nobody can verify.
  bool whole_traces = false;
  // Whether a page for people goes in: summary.pdf.
  bool rendered = false;
};

// Everything but the signature.
struct PackDraft {
  std::vector<ZipFile> files;  // sorted, without the manifest
  Json statement;              // the manifest as POST /v1/sign takes it (docs/statements.md, evidence_pack)
  std::int64_t controls = 0;
  std::int64_t rendered = 0;  // pages for people
};

// Fails with Invalid where a document is not of its kind.
Result<PackDraft> draft_pack(const PackInputs& inputs);

// The manifest as gait makes it, without its signatures: generated when the run was created.
Json gait_manifest(const PackDraft& draft);

// The archive of a draft and its signed manifest.
std::string sealed_pack(PackDraft draft, const Json& manifest);

class EvidencePack {
 public:
  // Reads what the archive says. Fails with Invalid on anything unreadable, and with TooLarge.
  static Result<EvidencePack> parse(std::string_view archive);

  const Json& manifest() const { return manifest_; }  // as it stands; its signatures are checked as a statement's
  std::string_view pack_id() const { return manifest_.text("pack_id"); }
  std::string_view run_id() const { return manifest_.text("run_id"); }
  std::size_t signatures() const { return signatures_; }
  const std::vector<ZipFile>& files() const { return files_; }

  const ContentCheck& contents() const { return contents_; }
  // gait does not recompute it.
  bool pack_id_is_right() const { return pack_id_is_right_; }

 private:
  EvidencePack() = default;
  std::vector<ZipFile> files_;
  Json manifest_;
  std::size_t signatures_ = 0;
  ContentCheck contents_;
  bool pack_id_is_right_ = false;
};

}  // namespace countersign::packs
