#include "command/pack_evidence.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <system_error>

#include "command/input_file.h"
#include "common/text.h"
#include "signer/statement/statement.h"

namespace countersign::command {
namespace {

using statement::StatementType;

// Paths as they sort; one file under two spellings counts once.
class PathSet {
 public:
  void add_list(std::string_view list) {
    while (!list.empty()) {
      const std::size_t comma = std::min(list.find(','), list.size());
      if (const std::string_view path = trimmed(list.substr(0, comma)); !path.empty()) add(std::string(path));
      list.remove_prefix(std::min(comma + 1, list.size()));
    }
  }

  void add_beside(const std::string& file, std::string_view prefix) {
    const std::filesystem::path parent = std::filesystem::path(file).parent_path();
    std::error_code failure;
    std::filesystem::directory_iterator entries(parent.empty() ? "." : parent, failure);
    for (; !failure && entries != std::filesystem::directory_iterator(); entries.increment(failure)) {
      const std::string name = entries->path().filename();
      if (name.starts_with(prefix) && name.ends_with(".json")) add((parent / name).string());
    }
  }

  const std::set<std::string>& paths() const { return paths_; }

 private:
  void add(const std::string& path) { paths_.insert(std::filesystem::path(path).lexically_normal().string()); }
  std::set<std::string> paths_;
};

Error forged(const std::string& path, const Error& error) {
  return Error{ErrorCode::VerificationFailed, path + " is no evidence: " + error.detail, error.wire_code(),
               "leave it out, or find out who changed it"};
}

Status check(StatementType type, const std::string& path, const Json& document,
             const std::optional<keymgmt::KeySet>& keys) {
  if (keys) {
    const auto verified = statement::VerifiedDocument::verify(type, document, *keys);
    if (!verified) return forged(path, verified.error());
    return ok();
  }
  if (type != StatementType::Trace) return ok();  // gait's audits carry no signature
  const Result<Digest> digest = statement::gait_signed_digest(type, document);
  const Json* signature = document.find("signature");
  if (!digest) return forged(path, digest.error());
  if (signature == nullptr || signature->text("signed_digest") != digest->hex()) {
    return forged(path, Error{ErrorCode::VerificationFailed, "it was changed after it was signed, or never signed",
                              "signed_digest_mismatch"});
  }
  return ok();
}

Result<std::vector<Json>> read_all(std::string_view what, const PathSet& set) {
  std::vector<Json> documents;
  for (const std::string& path : set.paths()) {
    ASSIGN_OR_RETURN(Json document, read_document(what, path));
    documents.push_back(std::move(document));
  }
  return documents;
}

Result<std::vector<Json>> read_statements(StatementType type, std::string_view what, const PathSet& set,
                                          const std::optional<keymgmt::KeySet>& keys) {
  ASSIGN_OR_RETURN(std::vector<Json> documents, read_all(what, set));
  auto document = documents.begin();
  for (const std::string& path : set.paths()) RETURN_IF_ERROR(check(type, path, *document++, keys));
  return documents;
}

// The traces of a run that lie about: what is no trace of it, or does not verify, is somebody else's business.
std::vector<Json> traces_of_run(const std::string& run_id, const keymgmt::KeySet& keys) {
  PathSet about;
  for (const std::string folder : {".", kPackFolder}) about.add_beside(folder + "/x", "trace");
  std::vector<Json> traces;
  for (const std::string& path : about.paths()) {
    Result<Json> trace = read_document("trace record", path);
    if (!trace || trace->text("run_id") != run_id) continue;
    if (statement::VerifiedDocument::verify(StatementType::Trace, *trace, keys)) traces.push_back(*std::move(trace));
  }
  return traces;
}

// The runpack of `run`, made from `traces` where there is none and they are of that run.
Result<RunpackFile> runpack_for(const std::string& run, const std::vector<Json>& traces) {
  Result<RunpackFile> found = read_runpack(run);
  if (found || found.error().reason != "runpack_not_found") return found;
  std::vector<Json> of_run;
  std::ranges::copy_if(traces, std::back_inserter(of_run),
                       [&run](const Json& trace) { return trace.text("run_id") == run; });
  if (of_run.empty() || !packs::zip_name_is_safe(run, 128) || run.find('/') != std::string::npos) return found;
  const std::string path = std::string(kPackFolder) + "/runpack_" + run + ".zip";
  RETURN_IF_ERROR(prepare_output("runpack", path));
  RETURN_IF_ERROR(write_output(path, packs::runpack_of_traces(run, std::move(of_run))));
  return read_runpack(path);
}

PathSet named(const Arguments& arguments, std::string_view flag) {
  PathSet set;
  set.add_list(arguments.text(flag));
  return set;
}

}  // namespace

Result<PackEvidence> gather_evidence(const Arguments& arguments, const std::optional<keymgmt::KeySet>& keys) {
  const std::string run_id(trimmed(arguments.text("run")));
  ASSIGN_OR_RETURN(std::vector<Json> traces,
                   read_statements(StatementType::Trace, "trace record", named(arguments, "trace"), keys));
  if (traces.empty() && keys) traces = traces_of_run(run_id, *keys);
  ASSIGN_OR_RETURN(RunpackFile run, runpack_for(run_id, keys ? traces : std::vector<Json>()));
  if (!run.runpack.verified()) {
    return Error{ErrorCode::VerificationFailed, "the runpack " + run.path + " is not what its manifest says",
                 "runpack_changed", "`countersign verify` tells which file"};
  }
  PathSet audits = named(arguments, "approval-audit");
  audits.add_beside(run.path, "approval_audit_");
  PathSet credentials = named(arguments, "credential-evidence");
  credentials.add_beside(run.path, "credential_evidence_");

  PackEvidence evidence{std::move(run), std::move(traces), {}, {}, {}, {}};
  ASSIGN_OR_RETURN(evidence.approval_audits,
                   read_statements(StatementType::ApprovalAudit, "approval audit", audits, keys));
  ASSIGN_OR_RETURN(evidence.credential_evidence, read_all("credential evidence", credentials));
  ASSIGN_OR_RETURN(evidence.inventories, read_all("inventory", named(arguments, "inventory")));
  ASSIGN_OR_RETURN(evidence.regress_results, read_all("regress result", named(arguments, "regress")));
  return evidence;
}

}  // namespace countersign::command
