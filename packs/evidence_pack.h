// An evidence pack (gait-formats §16.2): what one run did, in one archive, each file with its digest, the manifest
// signed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "packs/content_check.h"
#include "packs/runpack.h"
#include "packs/zip_archive.h"

namespace countersign::packs {

// A policy by which the run was decided.
struct PolicyFile {
  Digest digest;
  std::string text;
};

// What our own packs hold beside what gait's do: enough to check everything offline.
struct Proofs {
  std::vector<Json> delegation_audits;
  std::vector<Json> approval_tokens;
  std::vector<Json> delegation_tokens;
  std::vector<Json> executions;  // {"at","index","peer_uid","trace"}: when a permit was used
  std::vector<Json> log_proofs;  // log/record_proof.h
  std::vector<Json> unverified;  // {"source","type","code","message","document"}: no evidence, kept as such
  std::vector<PolicyFile> policies;
  std::vector<ZipFile> published;       // trust/…: what a TUF client needs from a pinned root to the key set
  std::optional<keymgmt::KeySet> keys;  // by which all was verified
};

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
  // Given: the traces themselves, proofs, keys and a report go in. gait keeps a line of each trace only, which nobody
  // can verify.
  std::optional<Proofs> proofs;
  // Whether a page for people goes in: summary.pdf.
  bool rendered = false;
};

inline constexpr std::string_view kKeySetName = "keyset.json";
// Where `published` lies in the pack.
inline constexpr std::string_view kTrustFolder = "trust/";

// Everything but the signature.
struct PackDraft {
  std::vector<ZipFile> files;  // sorted, without the manifest
  Json statement;              // the manifest as POST /v1/sign takes it (docs/statements.md, evidence_pack)
  std::int64_t controls = 0;
  std::int64_t rendered = 0;  // pages for people
};

// Documents of one kind are files of their own up to 99, STEM_01.json to STEM_99.json; more are the lines of
// STEM.jsonl. Fails with Invalid where a document is not of its kind, and with TooLarge where nobody could read the
// pack.
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
  // The documents of one kind, in order, with the file that holds each. Fails with Invalid on what is no JSON.
  struct Document {
    std::string path;
    Json json;
  };
  Result<std::vector<Document>> documents(std::string_view stem) const;

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
