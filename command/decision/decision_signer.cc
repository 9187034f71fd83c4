#include "command/decision/decision_signer.h"

#include <unistd.h>

#include "command/decision/attestation.h"
#include "command/decision/gate_decision.h"
#include "command/line/key_files.h"
#include "command/line/signer_address.h"
#include "command/line/trace_answer.h"
#include "command/line/verifying_keys.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/trace/gait_record.h"
#include "packs/evidence_pack.h"
#include "packs/run_pack.h"
#include "signer/statement/say_token_fields.h"

namespace countersign::command {
namespace {

using statement::StatementType;

constexpr std::string_view kPackTemplate = "incident_response";

// Of intent, policy and verdict.
std::string id_of(const gate::TraceInputs& trace) {
  return statement::trace_id(trace.policy_digest, trace.intent_digest, trace.decision.verdict);
}

class SignerDecisions : public DecisionSigner {
 public:
  SignerDecisions(client::SignerClient& signer, const Spending* spending) : signer_(signer), spending_(spending) {}
  // `trusted`: the keys to believe in place of those that the signer publishes.
  SignerDecisions(std::unique_ptr<client::SignerClient> signer, std::optional<keymgmt::KeySet> trusted)
      : own_(std::move(signer)), signer_(*own_), keys_(std::move(trusted)), pinned_(keys_.has_value()) {}

  Result<keymgmt::KeySet> keys(TokenKind) override {
    if (!keys_) {
      ASSIGN_OR_RETURN(keys_, signer_.keys());
    }
    return *keys_;
  }

  Status require_keys(TokenKind) const override { return ok(); }

  Result<std::variant<Json, client::Refusal>> trace(const DecisionToSign& decision) override {
    client::SignRequest request;
    request.type = StatementType::Trace;
    request.fields = gate::trace_statement(gate::trace_fields(decision.trace));
    request.redeem = decision.redeem;
    request.intent = Json::object(
        {{"digest_form", decision.trace.judged.intent.digest_form()}, {"document", decision.intent_document}});
    request.idempotency_key = decision.idempotency_key;
    if (spending_ != nullptr && !decision.simulated && decision.real.verdict == statement::Verdict::Allow) {
      request.execute = true;
      request.meanwhile = [this, id = id_of(decision.trace)] { spending_->meanwhile(id); };
    }
    ASSIGN_OR_RETURN(auto answer, sign(request));
    const Json* signed_trace = std::get_if<Json>(&answer);
    // What follows runs something: the permit must be the one that was asked for.
    if (signed_trace != nullptr && request.execute && signed_trace->text("trace_id") != id_of(decision.trace)) {
      return Error{ErrorCode::Unavailable, "the signer's answer is the trace of another decision", "bad_answer"};
    }
    if (signed_trace != nullptr && pinned_) RETURN_IF_ERROR(check_trusted(*signed_trace, *keys_));
    return answer;
  }

  Result<Json> record(StatementType type, Json fields) override {
    client::SignRequest request;
    request.type = type;
    request.fields = std::move(fields);
    ASSIGN_OR_RETURN(auto answer, sign(request));
    if (const auto* refusal = std::get_if<client::Refusal>(&answer)) return refusal->error;
    return std::get<Json>(std::move(answer));
  }

  Result<Json> say_token(const statement::SayTokenFields& fields) override {
    Json asked{Json::Object{}};
    statement::put_spoken(fields, asked);
    asked.set("ttl_seconds", std::chrono::duration_cast<std::chrono::seconds>(fields.ttl).count());
    return record(StatementType::SayToken, std::move(asked));
  }

  Result<SealedPack> pack(const CallEvidence& evidence) override {
    ASSIGN_OR_RETURN(const packs::Runpack run, packs::Runpack::parse(evidence.runpack));
    packs::PackInputs inputs{run,
                             "",
                             std::string(kPackTemplate),
                             {evidence.trace},
                             evidence.approval_audits,
                             evidence.credential_evidence,
                             {},
                             {},
                             packs::Proofs()};
    inputs.proofs->delegation_audits = evidence.delegation_audits;
    ASSIGN_OR_RETURN(inputs.proofs->keys, keys(TokenKind::Approval));
    ASSIGN_OR_RETURN(packs::PackDraft draft, packs::draft_pack(inputs));
    ASSIGN_OR_RETURN(const Json manifest, record(StatementType::EvidencePack, draft.statement));
    return SealedPack{packs::sealed_pack(std::move(draft), manifest), std::string(manifest.text("pack_id"))};
  }

  Status attest(Json& state, UtcTime now) override { return command::attest(signer_, state, now); }

  bool has_ledger() const override { return true; }
  std::vector<std::string> warnings() const override { return {}; }
  std::string notice() const override { return {}; }

 private:
  Result<std::variant<Json, client::Refusal>> sign(const client::SignRequest& request) {
    ASSIGN_OR_RETURN(auto answer, signer_.sign(request));
    using Answer = std::variant<Json, client::Refusal>;
    if (auto* refusal = std::get_if<client::Refusal>(&answer)) return Answer(std::move(*refusal));
    return Answer(std::get<client::Signed>(std::move(answer)).statement);
  }

  std::unique_ptr<client::SignerClient> own_;
  client::SignerClient& signer_;
  std::optional<keymgmt::KeySet> keys_;
  bool pinned_ = false;  // keys_ came from a trust directory
  const Spending* spending_ = nullptr;
};

// Whose key verifies tokens of a kind; the first that is named counts (gait-formats §9.4, §11).
struct Precedence {
  TokenKind kind;
  std::string_view prefix;
};
constexpr Precedence kPrecedence[] = {
    {TokenKind::Approval, "approval-"},       {TokenKind::Delegation, "delegation-"},
    {TokenKind::Delegation, "approval-"},     {TokenKind::ApprovedScript, "approved-script-"},
    {TokenKind::ApprovedScript, "approval-"},
};

class KeyFileDecisions : public DecisionSigner {
 public:
  KeyFileDecisions(FileSigner signer, const Arguments& arguments) : signer_(std::move(signer)), arguments_(arguments) {}

  // gait takes the trace key where none is named, so that whoever evaluates can approve; here no key is no key.
  Result<keymgmt::KeySet> keys(TokenKind kind) override {
    for (const Precedence& row : kPrecedence) {
      if (row.kind != kind) continue;
      ASSIGN_OR_RETURN(std::optional<SourcedPublicKey> key, verify_key(arguments_, row.prefix));
      if (key) return only_key(std::move(key->key), keymgmt::Role::Approval);
    }
    return keymgmt::KeySet();
  }

  Status require_keys(TokenKind kind) const override {
    if (names_key(kind)) return ok();
    const std::string word = kind == TokenKind::Delegation ? "delegation" : "approval";
    return Error{ErrorCode::Invalid, "oss-prod profile requires explicit " + word + " verify key (--" + word +
                                         "-public-key/--" + word + "-public-key-env or " + word +
                                         " private key source)"};
  }

  Result<std::variant<Json, client::Refusal>> trace(const DecisionToSign& decision) override {
    Json document = gate::gait_trace(decision.trace, clock_.now());
    if (!decision.simulated) return std::variant<Json, client::Refusal>(signer_.sealed(std::move(document)));
    Json facts = gate::mark_simulated(document, decision.real);
    Json sealed = signer_.sealed(std::move(document));
    sealed.set("countersign", std::move(facts));
    return std::variant<Json, client::Refusal>(std::move(sealed));
  }

  Result<Json> record(StatementType type, Json fields) override { return gate::gait_record(type, fields); }

  Result<Json> say_token(const statement::SayTokenFields& fields) override {
    return signer_.sealed(gate::gait_say_token(fields, clock_.now()));
  }

  Result<SealedPack> pack(const CallEvidence& evidence) override {
    const packs::PackSigner signer{signer_.public_key().gait_key_id(),
                                   [this](const Digest& digest) { return signer_.envelope(digest); },
                                   [this](std::string_view text) { return signer_.text_signature(text); }};
    ASSIGN_OR_RETURN(packs::RunPackDraft draft, packs::draft_run_pack(evidence.runpack, signer));
    Json manifest = packs::gait_manifest(draft);
    manifest.set("signatures", Json::Array{signer.envelope(manifest.digest())});
    return SealedPack{packs::sealed_pack(std::move(draft), manifest), std::string(manifest.text("pack_id"))};
  }

  Status attest(Json&, UtcTime) override { return ok(); }

  bool has_ledger() const override { return false; }
  std::vector<std::string> warnings() const override { return signer_.warnings(); }
  std::string notice() const override { return signer_.notice(); }

 private:
  bool names_key(TokenKind kind) const {
    for (const Precedence& row : kPrecedence) {
      if (row.kind != kind) continue;
      for (const std::string_view flag : {"public-key", "public-key-env", "private-key", "private-key-env"}) {
        if (!trimmed(arguments_.text(std::string(row.prefix) + std::string(flag))).empty()) return true;
      }
    }
    return false;
  }

  FileSigner signer_;
  const Arguments& arguments_;
  SystemClock clock_;
};

}  // namespace

Status check_profile_flags(const Arguments& arguments) {
  if (trimmed(arguments.text("profile")) != kOssProd) return ok();
  const auto refuse = [](std::string detail) {
    return Error{ErrorCode::Invalid, std::move(detail), "",
                 "name the signer (--signer, $COUNTERSIGN_SIGNER), or gait's keys in files"};
  };
  if (arguments.is_on("simulate")) return refuse("oss-prod profile does not allow --simulate");
  if (!in_key_file_mode(arguments)) {
    const SignerAddress signer = signer_address(arguments);
    if (signer.chosen || ::access(signer.path.c_str(), F_OK) == 0) return ok();
  }
  if (lowered(trimmed(arguments.text("key-mode"))) != "prod")
    return refuse("oss-prod profile requires --key-mode prod");
  if (trimmed(arguments.text("private-key")).empty() && trimmed(arguments.text("private-key-env")).empty()) {
    return refuse("oss-prod profile requires --private-key or --private-key-env");
  }
  return ok();
}

Result<std::unique_ptr<DecisionSigner>> decision_signer(const Arguments& arguments) {
  if (!in_key_file_mode(arguments)) {
    ASSIGN_OR_RETURN(std::optional<keymgmt::KeySet> trusted, trusted_keys(arguments));
    auto signer = std::make_unique<client::SignerClient>(signer_address(arguments).path);
    return std::unique_ptr<DecisionSigner>(std::make_unique<SignerDecisions>(std::move(signer), std::move(trusted)));
  }
  if (arguments.given("trust")) return Error{ErrorCode::Invalid, "set either --trust or a key file"};
  ASSIGN_OR_RETURN(FileSigner signer, FileSigner::load(arguments));
  return std::unique_ptr<DecisionSigner>(std::make_unique<KeyFileDecisions>(std::move(signer), arguments));
}

std::unique_ptr<DecisionSigner> decision_signer(client::SignerClient& signer, const Spending* spending) {
  return std::make_unique<SignerDecisions>(signer, spending);
}

}  // namespace countersign::command
