// What `countersign-holder init` and `countersign-holder probe` read on stdin and write on stdout: one JSON object
// each. Descriptor 5 is the user PIN, descriptor 6 the SO PIN (init, and only where the token has to be made). The
// environment of the module (SOFTHSM2_CONF) is set by the caller at exec. Exit status: 0, or that of HolderExit; on
// failure stdout holds {"ok":false,"error":{"code","message","hint"}} and stderr one line.
//
// init: makes the token if it is missing (SoftHSM only; any other module is refused with reason "ceremony_needed"), and
// key pairs until each role × algorithm has as many as asked for, labelled "<role>-<yyyymmdd>-<n>". Run twice, it
// changes nothing the second time. measure: makes the token as init does, and measures its module
// (pkcs11/module_probe.h); the answer is {"ok":true,"profile":{…}}. probe: logs in, signs a canary with every key of
// the roles named and changes nothing.
#pragma once

#include <string>
#include <vector>

#include "common/bytes.h"
#include "common/json.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "keymgmt/public_key.h"
#include "keymgmt/role.h"

namespace countersign::channel {

struct SetupRole {
  keymgmt::Role role{};
  std::vector<keymgmt::Algorithm> algorithms;
  int keys = 1;  // how many of each algorithm init sees to
};

struct SetupRequest {
  std::string module;  // path
  std::string label;   // either of label and serial may be empty, not both; init needs the label
  std::string serial;
  std::vector<SetupRole> roles;
  std::string profile;  // text of the module's profile; empty for none: only `measure` goes without
  std::string trust = "binding";
  bool pin_lockout = false;  // measure: also what many wrong PINs do
  // {"module","label","serial","profile","trust","pin_lockout","roles":[{"role","algorithms","keys"}]}
  Json to_json() const;
  static Result<SetupRequest> from_json(const Json& json);  // strict; fails with Invalid
};

// A key as its holder reports it: in READY, and in the answers of init and probe.
struct HeldKey {
  keymgmt::Role role{};
  keymgmt::PublicKey key;
  std::string token_id;  // hex of CKA_ID
  std::string label;
  bool created = false;  // by this init
  Json to_json() const;  // {"role","kid","algorithm","spki" (base64),"id","label","created"}
  static Result<HeldKey> from_json(const Json& json);  // strict; the kid must be the spki's
  // The first state of its life, on the token of that name in the configuration.
  keymgmt::PublishedKey generated(const std::string& token, UtcTime now) const;
};

struct SetupAnswer {
  bool token_created = false;
  std::string token_label;
  std::string token_serial;
  std::string manufacturer;
  std::string model;
  std::vector<HeldKey> keys;
  Json to_json() const;  // {"ok":true,"token":{"label","serial","manufacturer","model","created"},"keys":[…]}
  static Result<SetupAnswer> from_json(const Json& json);  // strict; {"ok":false,…} becomes its Error
};

}  // namespace countersign::channel
