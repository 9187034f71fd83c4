// What can be asked of the signer, and the word under `peers[].may` that permits it. One table: the front authorises
// by it, the configuration is checked against it, docs/operations.md is printed from it.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "keymgmt/role.h"

namespace countersign::config {

enum class Operation {
  SignApproval,  // a statement type of the approval role
  SignTrace,     // … of the trace role, with its redemptions
  SignRelease,
  SignPack,  // evidence packs only, of the trace role
  Verify,
  Nonce,
  Decisions,
  Requests,
  Executed,
  Evidence,  // documents that were signed, from the ledger
  Keys,
  Log,
  Metrics,
  Health,
  AdminHalt,
  AdminPublish,
  AdminCeremonies,
  AdminAcks,
  AdminStatus,
  AdminLedger,
  AdminTime,  // believe the clock again after a step
};

enum class Socket { Sign, Admin, Public };

struct OperationRow {
  Operation operation;
  std::string_view may;             // the word in `peers[].may`
  std::string_view request;         // method and path, for people
  bool anyone;                      // needs no permission: whoever can connect may ask
  std::span<const Socket> sockets;  // where it is served
};

const OperationRow& row_of(Operation operation);
std::span<const OperationRow> operations();
std::optional<Operation> operation_named(std::string_view may);
bool served_on(Operation operation, Socket socket);

// The operation that signs for `role`; none for roles that only our own processes use (log, publication).
std::optional<Operation> sign_operation(keymgmt::Role role);

}  // namespace countersign::config
