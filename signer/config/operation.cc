#include "signer/config/operation.h"

#include <algorithm>
#include <cstdlib>

namespace countersign::config {
namespace {

constexpr Socket kSign[] = {Socket::Sign};
constexpr Socket kAdmin[] = {Socket::Admin};
constexpr Socket kEverywhere[] = {Socket::Sign, Socket::Admin, Socket::Public};
constexpr Socket kPrivate[] = {Socket::Sign, Socket::Admin};

constexpr OperationRow kOperations[] = {
    {Operation::SignApproval, "sign:approval", "POST /v1/sign, /v1/sign-batch, /v1/approvals/revoke", false, kSign},
    {Operation::SignTrace, "sign:trace", "POST /v1/sign, /v1/sign-batch", false, kSign},
    {Operation::SignRelease, "sign:release", "POST /v1/sign, /v1/sign-batch", false, kSign},
    {Operation::SignPack, "sign:pack", "POST /v1/sign, /v1/sign-batch", false, kSign},
    {Operation::Verify, "verify", "POST /v1/verify", false, kSign},
    {Operation::Nonce, "nonce", "GET /v1/nonce", false, kSign},
    {Operation::Decisions, "decisions", "GET /v1/decisions", false, kSign},
    {Operation::Requests, "requests", "GET /v1/requests, /v1/requests/{intent_digest}", false, kSign},
    {Operation::Executed, "executed", "POST /v1/executed, /v1/sign with execute", false, kSign},
    {Operation::Evidence, "evidence", "POST /v1/evidence", false, kPrivate},
    {Operation::Keys, "keys", "GET /v1/keys, /v1/keys/{name}, /.well-known/jwks.json", true, kEverywhere},
    {Operation::Log, "log", "GET /v1/log/checkpoint, /v1/log/tile/…, /v1/log/proof", true, kEverywhere},
    {Operation::Metrics, "metrics", "GET /metrics", false, kPrivate},
    {Operation::Health, "health", "GET /healthz, /readyz", true, kEverywhere},
    {Operation::AdminHalt, "admin:halt", "POST /v1/halt", false, kAdmin},
    {Operation::AdminPublish, "admin:publish", "POST /v1/publish", false, kAdmin},
    {Operation::AdminCeremonies, "admin:ceremonies",
     "GET and POST /v1/ceremonies…, POST /v1/keys/propose, /v1/keys/stage, /v1/keys/activate", false, kAdmin},
    {Operation::AdminAcks, "admin:acks", "POST /v1/acks", false, kAdmin},
    {Operation::AdminStatus, "admin:status", "GET /v1/status", false, kAdmin},
    {Operation::AdminLedger, "admin:ledger", "POST /v1/ledger/check", false, kAdmin},
    {Operation::AdminTime, "admin:time", "POST /v1/time/reset", false, kAdmin},
};

}  // namespace

std::span<const OperationRow> operations() {
  return kOperations;
}

const OperationRow& row_of(Operation operation) {
  for (const OperationRow& row : kOperations) {
    if (row.operation == operation) return row;
  }
  std::abort();
}

std::optional<Operation> operation_named(std::string_view may) {
  for (const OperationRow& row : kOperations) {
    if (row.may == may) return row.operation;
  }
  return std::nullopt;
}

bool served_on(Operation operation, Socket socket) {
  const std::span<const Socket> sockets = row_of(operation).sockets;
  return std::find(sockets.begin(), sockets.end(), socket) != sockets.end();
}

std::optional<Operation> sign_operation(keymgmt::Role role) {
  switch (role) {
    case keymgmt::Role::Approval:
      return Operation::SignApproval;
    case keymgmt::Role::Trace:
      return Operation::SignTrace;
    case keymgmt::Role::Release:
      return Operation::SignRelease;
    case keymgmt::Role::Log:
    case keymgmt::Role::Publication:
      return std::nullopt;
  }
  std::abort();
}

}  // namespace countersign::config
