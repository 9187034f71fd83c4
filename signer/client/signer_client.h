// The signer as its users see it: typed calls over sign.sock.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "signer/statement/statement.h"

namespace countersign::client {

struct SignRequest {
  statement::StatementType type;
  Json fields;               // typed fields, see statement.h
  std::vector<Json> redeem;  // approval tokens, whole documents
  std::optional<Json> proof;
  // For a trace: {"digest_form", "document"}. The signer refuses it unless the RFC 8785 digest of `digest_form` (the
  // normalised intent as gait hashes it) is the statement's intent_digest; `document` is the intent as it was given.
  std::optional<Json> intent;
  std::string idempotency_key;  // empty for none
  // For a trace that allows: its permit is marked executed in the same commit, as executed() would, so that what it
  // permits may start at once. Of two requests with one idempotency key one may; the other is refused with Conflict,
  // "already_executed". An answer that does not come means: do not start it.
  bool execute = false;
  // Called once, when the request has left and before its answer is awaited; not where it cannot be sent.
  std::function<void()> meanwhile{};
};

struct TokenFinding {  // why the signer did not count a token of `redeem`
  std::string token_id;
  std::string code;  // gait's or ours: approval_token_expired, approval_token_consumed, …
};

struct Signed {
  Json statement;  // the signed document
  std::string kid;
  std::uint64_t log_index = 0;
  std::vector<std::string> redeemed;
};

// A refused call. `tokens` is filled where the refusal is about tokens.
struct Refusal {
  Error error;
  std::vector<TokenFinding> tokens;
};

class SignerClient {
 public:
  // Connects at the first call; one connection, kept alive, and made anew when the signer has restarted. A request that
  // may have been carried out is sent again only where that changes nothing: reading, and signing with an idempotency
  // key. Paths over 107 bytes work.
  explicit SignerClient(std::string socket_path);
  // With a time limit for each whole exchange instead of 30 s.
  SignerClient(std::string socket_path, std::chrono::nanoseconds timeout);
  SignerClient(SignerClient&&) noexcept;
  SignerClient& operator=(SignerClient&&) noexcept;
  ~SignerClient();

  // Every call fails with Unavailable (exit 7) when nothing listens or no answer comes in time.
  // The outer Result is about reaching the signer, the inner variant about its answer.
  Result<std::variant<Signed, Refusal>> sign(const SignRequest& request);
  Result<keymgmt::KeySet> keys();
  Result<Json> nonce();  // {"nonce","expires_at"}
  // GET /v1/decisions: the latest recorded decision with "approval" (scopes and times an approval may have).
  Result<std::optional<Json>> decision(const Digest& intent, const Digest& policy);
  Result<Json> request_document(const Digest& intent);  // the whole intent; NotFound
  Result<Json> requests();                              // {"requests":[decision…]}, pending approval
  // POST /v1/evidence until its end: every record {"index","at","kind","type","role","kid","peer_uid","document"} in
  // which one of the members of `match` ({"run_id": [text…]…}) has one of the values, in the order of the ledger.
  Result<Json::Array> evidence(const Json& match);
  // POST /v1/approvals/revoke: {"revoked":true,…}; NotFound "token_unknown", Conflict where it was used or revoked.
  Result<Json> revoke_approval(const std::string& token_id, const std::string& reason);
  Status executed(const Json& trace);  // Conflict "already_executed" the second time
  Result<Json> verify(statement::StatementType type, const Json& statement);
  // A change of keys on the custodians' socket; never sent twice.
  Result<Json> change(std::string_view target, const Json& body);
  // Any GET, for status, readiness and metrics: the body, also of a 503.
  Result<std::string> get(std::string_view target);

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace countersign::client
