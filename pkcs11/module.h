// A PKCS#11 module in this process. libp11 loads it and owns C_Initialize and C_Finalize; everything else is direct
// Cryptoki on the same loaded library (docs/decisions/0005). A process never initialises a module twice:
// recovery is a new process.
#pragma once

#include <p11-kit/pkcs11.h>

#include <memory>
#include <string>

#include "common/result.h"

namespace countersign::pkcs11 {

class Module {
 public:
  // Loads and initialises the module at `path` (absolute). SoftHSM reads SOFTHSM2_CONF here.
  // Fails with Refused (module_refused) when the file or a folder above it is owned by a uid that is neither root nor
  // ours, or can be written by group or others (a sticky folder is fine); with NotFound when it is missing; with
  // Unavailable when it does not load or initialise.
  static Result<std::shared_ptr<const Module>> load(const std::string& path);

  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  ~Module();  // C_Finalize, then unload. Sessions hold a reference, so they are closed before.

  // The module's own function list: module->functions().C_Sign(…).
  const CK_FUNCTION_LIST& functions() const { return *functions_; }
  const std::string& path() const { return path_; }
  // "SoftHSM 2.6", from C_GetInfo's manufacturer and version; for status and transcripts.
  const std::string& description() const { return description_; }

 private:
  struct Parts;
  explicit Module(std::string path);
  std::string path_;
  std::string description_;
  std::unique_ptr<Parts> parts_;
  CK_FUNCTION_LIST* functions_ = nullptr;
};

// The check of `load` alone: doctor and `config check` use it.
Status check_module_file(const std::string& path);

}  // namespace countersign::pkcs11
