// A PKCS#11 module that passes every call on to a real one, except where a rule says otherwise. Test-only.
//
// It is steered by the environment, which C_Initialize reads (call numbers start there too):
//   FAULT_PKCS11_MODULE   path of the real module; without it C_GetFunctionList fails
//   FAULT_PKCS11_RULES    rules
//   FAULT_PKCS11_CONTROL  path of a file of rules, read again at each call: a test can switch faults on while a program
//                         runs; a missing file has no rules
//   FAULT_PKCS11_LOG      path of a file that gets one line per call, the function's name
//
//   FAULT_PKCS11_LIKE     opencryptoki or tpm2-pkcs11: answers about attributes as that module does (measured
//                         on Debian 12), whatever the real module says:
//                           opencryptoki  knows neither COPYABLE, DESTROYABLE nor ALLOWED_MECHANISMS (a template with
//                                         one is refused, reading one is too) nor KEY_GEN_MECHANISM; a key from outside
//                                         claims that it was never extractable and always sensitive
//                           tpm2-pkcs11   a private template with DECRYPT=false is CKR_GENERAL_ERROR, a key pair of the
//                                         session alone CKR_ATTRIBUTE_VALUE_INVALID; every attribute can be set
//                                         afterwards and then reads so; there is no C_CopyObject
//
// Rules stand one a line or are separated by semicolons; `#` starts a comment line. The first that applies counts,
// those of the control file before those of the environment:
//   FUNCTION[@CALL[+]]=EFFECT
//     FUNCTION  a Cryptoki name (C_Sign) or * for every function but C_GetFunctionList
//     CALL      the number of the call to that function since C_Initialize, from 1; with `+` that call and all later
//     ones;
//               without it every call
//     EFFECT    0x30       gives that CK_RV without calling the real module
//               after:0x30 calls the real module and then gives that CK_RV
//               delay:200  calls the real module that many milliseconds later
//               hang       never returns
// Examples:  C_Sign=0x32   C_Login@1=0x05   C_Sign@100+=hang   C_GetTokenInfo@2=delay:500
#pragma once

#include <map>
#include <string>

#include "places.h"

namespace countersign::test {

// The module of this build, and what to set for a program that loads it.
inline std::string fault_module() {
  return FAULT_PKCS11;
}
inline std::map<std::string, std::string> fault_environment(const std::string& real_module, const std::string& rules,
                                                            const std::string& control_file = "",
                                                            const std::string& log_file = "") {
  return {{"FAULT_PKCS11_MODULE", real_module},
          {"FAULT_PKCS11_RULES", rules},
          {"FAULT_PKCS11_CONTROL", control_file},
          {"FAULT_PKCS11_LOG", log_file}};
}

}  // namespace countersign::test
