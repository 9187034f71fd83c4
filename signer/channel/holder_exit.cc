#include "signer/channel/holder_exit.h"

#include <cstdlib>

namespace countersign::channel {
namespace {

constexpr HolderExitRow kExits[] = {
    {HolderExit::Stopped, "stopped", false, ""},
    {HolderExit::Internal, "internal", true, "report this with the journal of the holder"},
    {HolderExit::Settings, "settings", false, "install countersignd and countersign-holder of one version"},
    {HolderExit::TokenNotFound, "token_not_found", true,
     "check label, serial and SOFTHSM2_CONF of the token, and that its directory is mounted and readable"},
    {HolderExit::LoginTransient, "login_transient", true, "another program may be logging in to the same token"},
    {HolderExit::TokenFailed, "token_failed", true, "see the module's own log"},
    {HolderExit::TokenGone, "token_gone", true, "check that the token is connected and not re-initialised"},
    {HolderExit::TokenNotWritten, "token_not_written", true, "free space on the file system of the token directory"},
    {HolderExit::PinRefused, "pin_refused", false,
     "put the right PIN where the configuration says, then restart the role; it is not tried again by itself"},
    {HolderExit::TokenAmbiguous, "token_ambiguous", false, "name the token by its serial in the configuration"},
    {HolderExit::ModuleRefused, "module_refused", false,
     "the module and its folders must belong to root or the user of the holder and be writable by nobody else"},
    {HolderExit::DiskNearlyFull, "disk_nearly_full", true, "free space on the file system of the token directory"},
    {HolderExit::WeakKey, "key_too_weak", false, "replace the key in a ceremony; it never signs here"},
    {HolderExit::DuplicateId, "key_ambiguous", false, "remove the key that does not belong, in a ceremony"},
    {HolderExit::NoKey, "no_key", false, "make the key: countersignd init on SoftHSM, a ceremony elsewhere"},
    {HolderExit::CanaryFailed, "key_mismatch", false, "the public half on the token is not that of the private key"},
    {HolderExit::ConfinementMissing, "confinement_missing", false,
     "run on a kernel with seccomp, or set confinement_mandatory: false and accept what `status` reports"},
    {HolderExit::PeerNonsense, "peer_nonsense", true, "report this with the journal of the front"},
    {HolderExit::Memory, "memory", true, "the holder grew past limits.holder_memory"},
    {HolderExit::ProfileMissing, "profile_missing", false,
     "measure the module: countersignd probe --config FILE TOKEN"},
    {HolderExit::ProfileOld, "profile_old", false, "measure the module again: countersignd probe --config FILE TOKEN"},
    {HolderExit::ProfileWeak, "profile_weak", false,
     "use another module, or accept it with tokens.NAME.trust: claimed"},
    {HolderExit::CeremonyNeeded, "ceremony_needed", false, "plan it: countersign ceremony plan"},
};

}  // namespace

std::span<const HolderExitRow> holder_exits() {
  return kExits;
}

const HolderExitRow& row_of(HolderExit exit) {
  for (const HolderExitRow& row : kExits) {
    if (row.exit == exit) return row;
  }
  std::abort();  // a value outside the enumeration: memory is not what it was
}

const HolderExitRow* holder_exit_of(int status) {
  for (const HolderExitRow& row : kExits) {
    if (static_cast<int>(row.exit) == status) return &row;
  }
  return nullptr;
}

HolderExit holder_exit_for(const Error& error) {
  for (const HolderExitRow& row : kExits) {
    if (row.cause == error.reason) return row.exit;
  }
  return HolderExit::Internal;
}

Json exit_message(std::string_view event, HolderExit exit, const Error& error) {
  const HolderExitRow& row = row_of(exit);
  return Json::object({{"event", event},
                       {"code", row.cause},
                       {"message", error.detail},
                       {"hint", error.hint.empty() ? std::string(row.hint) : error.hint},
                       {"retryable", row.retryable}});
}

}  // namespace countersign::channel
