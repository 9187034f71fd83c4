// The signed documents of one run, from files and from the signer's ledger: each verified, each found once, in the
// order of the ledger. What does not verify, or was signed behind the ledger's back, is told apart and not lost.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "signer/client/signer_client.h"
#include "signer/statement/statement.h"

namespace countersign::command {

class RunEvidence {
 public:
  // Whether the caller named the file, or it lay about: then it counts where it says that it is of the run.
  enum class Naming { Named, Found };

  struct Unverified {
    std::string source;
    statement::StatementType type;
    Error error;
    Json document;
  };

  // `keys` outlives this.
  RunEvidence(std::string run_id, const keymgmt::KeySet& keys) : run_id_(std::move(run_id)), keys_(keys) {}

  // Fails with Invalid on a named trace of another run.
  Status add_file(statement::StatementType type, const std::string& path, Json document, Naming naming);
  // Asks for what the ledger has of the run and of the named traces, and compares. Fails as SignerClient::evidence, and
  // with Invalid, reason "other_run", where a named record is about no decision of the run.
  Status compare_with_ledger(client::SignerClient& signer);

  // After compare_with_ledger().
  std::vector<Json> documents(statement::StatementType type) const;
  // {"at","index","peer_uid","trace"}
  const std::vector<Json>& executions() const { return executions_; }
  const std::vector<Unverified>& unverified() const { return unverified_; }
  // Of all documents and executions, ascending.
  std::vector<std::uint64_t> record_indexes() const;

 private:
  struct FromFile {
    statement::StatementType type;
    std::string path;
    Json document;
    Naming naming;
    std::optional<Digest> signed_digest;  // verified
    std::optional<Error> failure;
  };
  struct FromLedger {
    statement::StatementType type;
    Json document;
    Digest signed_digest;
  };

  Status find_traces(client::SignerClient& signer);
  Status find_records(client::SignerClient& signer);
  Status take(const Json& row);
  bool is_of_run(const Json& trace) const;
  bool belongs(const FromFile& file) const;

  std::string run_id_;
  const keymgmt::KeySet& keys_;
  std::vector<FromFile> files_;
  std::map<std::uint64_t, FromLedger> records_;
  std::set<std::uint64_t> seen_;
  std::vector<Json> executions_;
  std::vector<Unverified> unverified_;
  std::set<std::string, std::less<>> named_;      // signed digests of the traces that the caller named
  std::set<std::string, std::less<>> trace_ids_;  // of the run
};

}  // namespace countersign::command
