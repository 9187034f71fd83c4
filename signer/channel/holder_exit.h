// How a holder, or a run of init or probe, ends. One table: exit status, cause, and whether the supervisor may start
// another one in its place. A PIN error is never tried again (real tokens lock), nor is anything that a new process
// would find unchanged.
#pragma once

#include <span>
#include <string_view>

#include "common/json.h"
#include "common/result.h"

namespace countersign::channel {

enum class HolderExit : int {
  Stopped = 0,              // the front or the supervisor closed its end
  Internal = 70,            // a defect of ours
  Settings = 71,            // the first control message does not read
  TokenNotFound = 72,       // no such token now
  LoginTransient = 73,      // CKR_GENERAL_ERROR and the like before READY: SoftHSM's start-up race
  TokenFailed = 74,         // another failure of the module, before READY or while serving
  TokenGone = 75,           // token, keys or login lost while serving
  TokenNotWritten = 76,     // a login left token.object empty; the guard restored it
  PinRefused = 77,          // wrong, locked, expired, not set or unreadable
  TokenAmbiguous = 78,      // two tokens of that name
  ModuleRefused = 79,       // module missing, writable by others, or no PKCS#11 module
  DiskNearlyFull = 80,      // a login would risk the token
  WeakKey = 81,             // an attribute is weaker than the profile
  DuplicateId = 82,         // two keys with one id
  NoKey = 83,               // the role has no key of a configured algorithm
  CanaryFailed = 84,        // a key's signature does not verify with its public half
  ConfinementMissing = 85,  // a mandatory measure is not in force
  PeerNonsense = 86,        // a frame or control message that none of ours writes
  Memory = 87,              // grew past its bound
  ProfileMissing = 89,      // the token's module was never measured
  ProfileOld = 90,          // it was, but the library or the token is another now
  ProfileWeak = 91,         // it deserves less trust than the configuration demands
  CeremonyNeeded = 88,      // init: something has to be made on a token that is not for trying out
};

struct HolderExitRow {
  HolderExit exit;
  std::string_view cause;  // the `code` of {"event":"failed"} and {"event":"lost"}
  bool retryable;          // a new process may find it otherwise
  std::string_view hint;   // what a person does about it
};

std::span<const HolderExitRow> holder_exits();
const HolderExitRow& row_of(HolderExit exit);
// By exit status as waitpid gives it; null for a status that no holder of ours returns.
const HolderExitRow* holder_exit_of(int status);
// The exit for an error of pkcs11/ (its `reason`) or confinement/; Internal for what the table does not know.
HolderExit holder_exit_for(const Error& error);

// {"event":"failed"|"lost","code","message","hint","retryable"}.
Json exit_message(std::string_view event, HolderExit exit, const Error& error);

}  // namespace countersign::channel
