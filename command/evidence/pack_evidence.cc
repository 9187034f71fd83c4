#include "command/evidence/pack_evidence.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "command/evidence/packed_trust.h"
#include "command/evidence/run_evidence.h"
#include "command/line/comma_list.h"
#include "command/line/input_file.h"
#include "command/log/log_prover.h"
#include "command/log/opened_log.h"
#include "common/text.h"
#include "gate/policy/policy.h"
#include "signer/statement/statement.h"

namespace countersign::command {
namespace {

namespace fs = std::filesystem;
using statement::StatementType;

constexpr std::chrono::seconds kLogPatience{5};

// Evidence by the names under which the gate writes it, and by the flag that names it.
struct EvidenceFiles {
  StatementType type;
  std::string_view flag;
  std::string_view what;
  std::string_view prefix;
};
constexpr EvidenceFiles kEvidenceFiles[] = {
    {StatementType::Trace, "trace", "trace record", "trace"},
    {StatementType::ApprovalAudit, "approval-audit", "approval audit", "approval_audit_"},
    {StatementType::DelegationAudit, "", "delegation audit", "delegation_audit_"},
    {StatementType::CredentialEvidence, "credential-evidence", "credential evidence", "credential_evidence_"},
};

// Paths as they sort; one file under two spellings counts once.
using PathSet = std::set<std::string>;

PathSet named(const Arguments& arguments, std::string_view flag) {
  PathSet out;
  if (flag.empty()) return out;
  for (const std::string& path : comma_list(arguments.text(flag))) out.insert(fs::path(path).lexically_normal());
  return out;
}

void add_in_folder(PathSet& paths, const std::string& folder, std::string_view prefix) {
  std::error_code failure;
  fs::directory_iterator entries(folder.empty() ? "." : folder, failure);
  for (; !failure && entries != fs::directory_iterator(); entries.increment(failure)) {
    const std::string name = entries->path().filename();
    if (name.starts_with(prefix) && name.ends_with(".json")) paths.insert((fs::path(folder) / name).lexically_normal());
  }
}

Result<std::vector<Json>> read_all(std::string_view what, const PathSet& paths) {
  std::vector<Json> documents;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(Json document, read_document(what, path));
    documents.push_back(std::move(document));
  }
  return documents;
}

// gait's audits and credential records carry no signature; a trace does, by whatever key.
Status check_unchanged(const std::string& path, const Json& trace) {
  const auto forged = [&path](const std::string& detail, const std::string& code) {
    return Error{ErrorCode::VerificationFailed, path + " is no evidence: " + detail, code,
                 "leave it out, or find out who changed it"};
  };
  const Result<Digest> digest = statement::gait_signed_digest(StatementType::Trace, trace);
  if (!digest) return forged(digest.error().detail, digest.error().wire_code());
  const Json* signature = trace.find("signature");
  if (signature != nullptr && signature->text("signed_digest") == digest->hex()) return ok();
  return forged("it was changed after it was signed, or never signed", "signed_digest_mismatch");
}

Status check_runpack(const RunpackFile& run) {
  if (run.runpack.verified()) return ok();
  return Error{ErrorCode::VerificationFailed, "the runpack " + run.path + " is not what its manifest says",
               "runpack_changed", "`countersign verify` tells which file"};
}

Status read_more(const Arguments& arguments, PackEvidence& evidence) {
  ASSIGN_OR_RETURN(evidence.inventories, read_all("inventory", named(arguments, "inventory")));
  ASSIGN_OR_RETURN(evidence.regress_results, read_all("regress result", named(arguments, "regress")));
  return ok();
}

// What --run names.
struct NamedRun {
  std::string run_id;
  std::optional<RunpackFile> runpack;
  std::string folder;  // where evidence of it may lie
};

// The run that the traces of a folder are of.
Result<std::string> run_of_folder(const std::string& folder) {
  PathSet paths;
  add_in_folder(paths, folder, "trace");
  std::set<std::string> runs;
  for (const std::string& path : paths) {
    const Result<Json> trace = read_document("trace record", path);
    if (trace && !trace->text("run_id").empty()) runs.emplace(trace->text("run_id"));
  }
  if (runs.size() == 1) return *runs.begin();
  return Error{ErrorCode::Invalid,
               folder + (runs.empty() ? " holds no trace of a run" : " holds traces of several runs"),
               runs.empty() ? "run_unknown" : "several_runs", "Name the run itself: --run ID"};
}

Result<NamedRun> named_run(const std::string& run) {
  NamedRun out;
  std::error_code failure;
  if (fs::is_directory(run, failure)) {
    ASSIGN_OR_RETURN(out.run_id, run_of_folder(run));
    out.folder = run;
    return out;
  }
  Result<RunpackFile> found = read_runpack(run);
  if (found) {
    RETURN_IF_ERROR(check_runpack(*found));
    out.run_id = found->runpack.run_id();
    out.folder = fs::path(found->path).parent_path();
    out.runpack = *std::move(found);
    return out;
  }
  if (found.error().reason != "runpack_not_found" || run.find('/') != std::string::npos || run.ends_with(".zip")) {
    return found.error();
  }
  out.run_id = run;
  out.folder = kPackFolder;
  return out;
}

// Documents of the run in files: a named one must be readable, one that lies about need not be ours.
Status read_files(const Arguments& arguments, const std::string& folder, RunEvidence& evidence) {
  for (const EvidenceFiles& kind : kEvidenceFiles) {
    const PathSet by_flag = named(arguments, kind.flag);
    PathSet paths = by_flag;
    add_in_folder(paths, folder, kind.prefix);
    for (const std::string& path : paths) {
      const auto naming = by_flag.contains(path) ? RunEvidence::Naming::Named : RunEvidence::Naming::Found;
      Result<Json> document = read_document(kind.what, path);
      if (!document) {
        if (naming == RunEvidence::Naming::Named) return document.error();
        continue;
      }
      RETURN_IF_ERROR(evidence.add_file(kind.type, path, *std::move(document), naming));
    }
  }
  return ok();
}

Status refuse_unverified(const std::vector<RunEvidence::Unverified>& unverified) {
  std::string detail;
  for (const RunEvidence::Unverified& each : unverified) {
    if (!detail.empty()) detail += "; ";
    detail += each.source + " is no evidence: " + each.error.detail;
  }
  return Error{ErrorCode::VerificationFailed, std::move(detail), unverified.front().error.wire_code(),
               "Find out who changed it. --allow-unverified packs it, marked as unverified."};
}

Json marked(const RunEvidence::Unverified& each) {
  return Json::object({{"source", each.source},
                       {"type", statement::row_of(each.type).name},
                       {"code", each.error.wire_code()},
                       {"message", each.error.detail},
                       {"document", each.document}});
}

Result<std::vector<packs::PolicyFile>> policies_of(const Arguments& arguments, const std::vector<Json>& traces) {
  std::vector<packs::PolicyFile> out;
  for (const std::string& path : named(arguments, "policy")) {
    // The text that is packed is the one that was parsed.
    ASSIGN_OR_RETURN(std::string text, read_input("policy", path));
    ASSIGN_OR_RETURN(const gate::Policy policy, gate::Policy::parse(text));
    const Digest digest = policy.policy_digest();
    const bool decided =
        std::ranges::any_of(traces, [&](const Json& trace) { return trace.text("policy_digest") == digest.hex(); });
    if (!decided) {
      return Error{ErrorCode::Invalid, path + " decided nothing of this run", "other_policy",
                   "Its digest is " + digest.hex() + "; the pack's traces name others."};
    }
    if (std::ranges::find(out, digest, &packs::PolicyFile::digest) == out.end()) {
      out.push_back({digest, std::move(text)});
    }
  }
  return out;
}

// A proof for each record, against one checkpoint; none where the signer keeps no log.
Result<std::vector<Json>> log_proofs(const Arguments& arguments, const std::vector<std::uint64_t>& records,
                                     const keymgmt::KeySet& keys) {
  std::vector<Json> out;
  if (records.empty()) return out;
  const std::unique_ptr<log::TileSource> source = log_source(arguments);
  const Result<std::string> note = covering_checkpoint(*source, records.back() + 1, kLogPatience);
  if (!note && note.error().reason == "log_not_configured") return out;
  if (!note) return note.error();
  ASSIGN_OR_RETURN(const log::CheckpointTrust trust, log::trust_in(keys, *note));
  ASSIGN_OR_RETURN(LogProver prover, LogProver::open(*source, *note, trust));
  for (const std::uint64_t index : records) {
    ASSIGN_OR_RETURN(const log::RecordProof proof, prover.prove(index));
    out.push_back(proof.to_json());
  }
  return out;
}

// The runpack that is there, or one made from the run's traces.
Result<RunpackFile> runpack_of(NamedRun run, const std::vector<Json>& traces, bool keep_runpack) {
  if (run.runpack) return *std::move(run.runpack);
  std::vector<Json> of_run;
  std::ranges::copy_if(traces, std::back_inserter(of_run),
                       [&run](const Json& trace) { return trace.text("run_id") == run.run_id; });
  if (of_run.empty() || !packs::zip_name_is_safe(run.run_id, 128) || run.run_id.find('/') != std::string::npos) {
    return read_runpack(run.run_id);  // which says that there is none
  }
  const std::string path = std::string(kPackFolder) + "/runpack_" + run.run_id + ".zip";
  const std::string bytes = packs::runpack_of_traces(run.run_id, std::move(of_run));
  if (keep_runpack) {
    RETURN_IF_ERROR(prepare_output("runpack", path));
    RETURN_IF_ERROR(write_output(path, bytes));
  }
  ASSIGN_OR_RETURN(packs::Runpack runpack, packs::Runpack::parse(bytes));
  return RunpackFile{path, std::move(runpack)};
}

}  // namespace

Result<PackEvidence> gather_files(const Arguments& arguments) {
  const PathSet paths = named(arguments, "trace");
  ASSIGN_OR_RETURN(std::vector<Json> traces, read_all("trace record", paths));
  auto trace = traces.begin();
  for (const std::string& path : paths) RETURN_IF_ERROR(check_unchanged(path, *trace++));
  ASSIGN_OR_RETURN(RunpackFile run, read_runpack(std::string(trimmed(arguments.text("run")))));
  RETURN_IF_ERROR(check_runpack(run));
  const std::string folder = fs::path(run.path).parent_path();
  PathSet audits = named(arguments, "approval-audit");
  add_in_folder(audits, folder, "approval_audit_");
  PathSet credentials = named(arguments, "credential-evidence");
  add_in_folder(credentials, folder, "credential_evidence_");
  PackEvidence out{std::move(run), std::move(traces), {}, {}, {}, {}, std::nullopt};
  ASSIGN_OR_RETURN(out.approval_audits, read_all("approval audit", audits));
  ASSIGN_OR_RETURN(out.credential_evidence, read_all("credential evidence", credentials));
  RETURN_IF_ERROR(read_more(arguments, out));
  return out;
}

Result<PackEvidence> gather_recorded(const Arguments& arguments, const keymgmt::KeySet& keys,
                                     client::SignerClient& signer, bool keep_runpack) {
  ASSIGN_OR_RETURN(NamedRun run, named_run(std::string(trimmed(arguments.text("run")))));
  RunEvidence evidence(run.run_id, keys);
  RETURN_IF_ERROR(read_files(arguments, run.folder, evidence));
  RETURN_IF_ERROR(evidence.compare_with_ledger(signer));
  if (!evidence.unverified().empty() && !arguments.is_on("allow-unverified")) {
    return refuse_unverified(evidence.unverified()).error();
  }
  std::vector<Json> traces = evidence.documents(StatementType::Trace);
  packs::Proofs proofs;
  proofs.delegation_audits = evidence.documents(StatementType::DelegationAudit);
  proofs.approval_tokens = evidence.documents(StatementType::ApprovalToken);
  proofs.delegation_tokens = evidence.documents(StatementType::DelegationToken);
  proofs.executions = evidence.executions();
  for (const RunEvidence::Unverified& each : evidence.unverified()) proofs.unverified.push_back(marked(each));
  proofs.keys = keys;
  ASSIGN_OR_RETURN(proofs.policies, policies_of(arguments, traces));
  ASSIGN_OR_RETURN(proofs.log_proofs, log_proofs(arguments, evidence.record_indexes(), keys));
  if (const std::string from(trimmed(arguments.text("published"))); !from.empty()) {
    ASSIGN_OR_RETURN(proofs.published, published_files(from));
  }
  ASSIGN_OR_RETURN(RunpackFile runpack, runpack_of(std::move(run), traces, keep_runpack));
  PackEvidence out{std::move(runpack), std::move(traces), {}, {}, {}, {}, std::nullopt};
  out.approval_audits = evidence.documents(StatementType::ApprovalAudit);
  out.credential_evidence = evidence.documents(StatementType::CredentialEvidence);
  out.proofs = std::move(proofs);
  RETURN_IF_ERROR(read_more(arguments, out));
  return out;
}

}  // namespace countersign::command
