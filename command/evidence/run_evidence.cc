#include "command/evidence/run_evidence.h"

#include <algorithm>
#include <array>

#include "packs/evidence_check.h"

namespace countersign::command {
namespace {

using statement::StatementType;
using statement::VerifiedDocument;

// So many traces are asked about at once: their ids and digests fit in one request (1 MiB).
constexpr std::size_t kTracesAtOnce = 2000;

std::string_view signed_digest_in(const Json& document) {
  const Json* signature = document.find("signature");
  return signature == nullptr ? std::string_view() : signature->text("signed_digest");
}

bool is_evidence(StatementType type) {
  return std::ranges::any_of(packs::evidence_kinds(), [type](const auto& kind) { return kind.type == type; });
}

Error not_recorded() {
  return Error{ErrorCode::VerificationFailed,
               "its signature is good, and the signer's ledger has no record of it: somebody else has the key, or the "
               "ledger was put back to before it",
               "not_recorded"};
}

// The values by which everything about some traces is found.
class Match {
 public:
  void add(const Json& trace) {
    add("trace_id", trace.text("trace_id"));
    add("intent_digest", trace.text("intent_digest"));
    add("trace", signed_digest_in(trace));
    add("token_id", trace.text("approval_token_ref"));
    if (const Json* delegation = trace.find("delegation_ref")) {
      add("token_id", delegation->text("delegation_token_ref"));
    }
  }
  Json json() const {
    Json out{Json::Object{}};
    for (const auto& [member, values] : values_) {
      out.set(member, Json::array(std::vector<std::string>(values.begin(), values.end())));
    }
    return out;
  }
  bool empty() const { return values_.empty(); }

 private:
  void add(std::string_view member, std::string_view value) {
    if (!value.empty()) values_[std::string(member)].emplace(value);
  }
  std::map<std::string, std::set<std::string>> values_;
};

}  // namespace

bool RunEvidence::is_of_run(const Json& trace) const {
  return trace.text("run_id") == run_id_ || named_.contains(signed_digest_in(trace));
}

Status RunEvidence::add_file(StatementType type, const std::string& path, Json document, Naming naming) {
  FromFile file{type, path, std::move(document), naming, std::nullopt, std::nullopt};
  const auto verified = VerifiedDocument::verify(type, file.document, keys_);
  if (verified) {
    file.signed_digest = verified->signed_digest();
    file.document = verified->document();
  } else {
    file.failure = verified.error();
  }
  if (type == StatementType::Trace && naming == Naming::Named) {
    const std::string_view run = file.document.text("run_id");
    if (!run.empty() && run != run_id_) {
      return Error{ErrorCode::Invalid, path + " is a trace of run " + std::string(run) + ", not of " + run_id_,
                   "other_run", "Pack it with its own run."};
    }
    if (verified) named_.insert(verified->signed_digest().hex());
  }
  files_.push_back(std::move(file));
  return ok();
}

Status RunEvidence::take(const Json& row) {
  const Json* index = row.find("index");
  const Json* document = row.find("document");
  if (index == nullptr || !index->is_integer() || document == nullptr || !document->is_object()) {
    return Error{ErrorCode::Unavailable, "the signer's answer cannot be used: a record lacks a member", "bad_answer"};
  }
  const auto place = static_cast<std::uint64_t>(index->as_integer());
  if (!seen_.insert(place).second) return ok();
  if (row.text("kind") == "executed") {
    executions_.push_back(Json::object({{"at", row.text("at")},
                                        {"index", *index},
                                        {"peer_uid", *row.find("peer_uid")},
                                        {"trace", document->text("trace")}}));
    return ok();
  }
  const auto type = statement::statement_type_named(row.text("type"));
  if (!type || !is_evidence(*type)) return ok();
  const auto verified = VerifiedDocument::verify(*type, *document, keys_);
  if (verified) {
    records_.emplace(place, FromLedger{*type, verified->document(), verified->signed_digest()});
  } else {
    unverified_.push_back({"record " + std::to_string(place) + " of the ledger", *type, verified.error(), *document});
  }
  if (*type == StatementType::Trace) trace_ids_.emplace(document->text("trace_id"));
  return ok();
}

Status RunEvidence::find_traces(client::SignerClient& signer) {
  std::set<std::string> intents;
  for (const FromFile& file : files_) {
    if (file.type == StatementType::Trace && is_of_run(file.document)) {
      intents.emplace(file.document.text("intent_digest"));
      trace_ids_.emplace(file.document.text("trace_id"));
    }
  }
  Json match = Json::object({{"run_id", Json::array({run_id_})}});
  if (!intents.empty()) {
    match.set("intent_digest", Json::array(std::vector<std::string>(intents.begin(), intents.end())));
  }
  ASSIGN_OR_RETURN(const Json::Array rows, signer.evidence(match));
  for (const Json& row : rows) {
    const Json* document = row.find("document");
    if (row.text("type") != statement::row_of(StatementType::Trace).name || row.text("kind") != "signed") continue;
    if (document != nullptr && is_of_run(*document)) RETURN_IF_ERROR(take(row));
  }
  return ok();
}

Status RunEvidence::find_records(client::SignerClient& signer) {
  std::vector<Match> matches;
  std::size_t in_last = kTracesAtOnce;
  const auto add = [&](const Json& trace) {
    if (in_last++ == kTracesAtOnce) {
      matches.emplace_back();
      in_last = 1;
    }
    matches.back().add(trace);
  };
  for (const auto& [index, record] : records_) add(record.document);
  for (const Unverified& each : unverified_) add(each.document);
  for (const Match& match : matches) {
    if (match.empty()) continue;
    ASSIGN_OR_RETURN(const Json::Array rows, signer.evidence(match.json()));
    for (const Json& row : rows) {
      // Traces were found before: here another run may have the same intent.
      if (row.text("type") == statement::row_of(StatementType::Trace).name && row.text("kind") == "signed") continue;
      RETURN_IF_ERROR(take(row));
    }
  }
  return ok();
}

bool RunEvidence::belongs(const FromFile& file) const {
  if (file.type == StatementType::Trace) return is_of_run(file.document) || file.naming == Naming::Named;
  return trace_ids_.contains(file.document.text("trace_id"));
}

Status RunEvidence::compare_with_ledger(client::SignerClient& signer) {
  RETURN_IF_ERROR(find_traces(signer));
  RETURN_IF_ERROR(find_records(signer));
  std::set<Digest> recorded;
  for (const auto& [index, record] : records_) recorded.insert(record.signed_digest);
  for (FromFile& file : files_) {
    if (file.signed_digest && recorded.contains(*file.signed_digest)) continue;
    if (!file.failure && belongs(file)) file.failure = not_recorded();
    if (!belongs(file)) {
      if (file.naming == Naming::Found) continue;
      if (!file.failure) {
        return Error{ErrorCode::Invalid, file.path + " is about no decision of run " + run_id_, "other_run",
                     "Pack it with its own run."};
      }
    }
    unverified_.push_back({file.path, file.type, *file.failure, file.document});
  }
  return ok();
}

std::vector<Json> RunEvidence::documents(StatementType type) const {
  std::vector<Json> out;
  for (const auto& [index, record] : records_) {
    if (record.type == type) out.push_back(record.document);
  }
  return out;
}

std::vector<std::uint64_t> RunEvidence::record_indexes() const {
  std::vector<std::uint64_t> out;
  for (const auto& [index, record] : records_) out.push_back(index);
  for (const Json& execution : executions_) {
    out.push_back(static_cast<std::uint64_t>(execution.find("index")->as_integer()));
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace countersign::command
