// What `countersign-holder custody` reads on stdin: one thing that a ceremony does on a token. The answer on stdout is
// {"ok":true,"info":{…},"module":{…},"mechanisms":[…],"profile","trust","attestation","held":[{"id","label"}]} and, by
// act, "key" (HeldKey), "made", "half_made", "attributes", "departures", "destroyed". Descriptor 5 is the PIN.
#pragma once

#include <string>

#include "common/json.h"
#include "common/result.h"
#include "keymgmt/role.h"

namespace countersign::channel {

struct CustodyRequest {
  enum class Act {
    Inspect,   // changes nothing
    Generate,  // a pair with that id and label, or the one that is there if `resumed`; halves of one are destroyed
    Destroy,   // every object with that id
  };
  std::string module, label, serial, profile, trust;  // as SetupRequest has them
  Act act = Act::Inspect;
  keymgmt::Role role{};
  keymgmt::Algorithm algorithm{};
  std::string id;  // hex CKA_ID
  std::string key_label;
  bool resumed = false;

  Json to_json() const;
  static Result<CustodyRequest> from_json(const Json& json);  // strict; fails with Invalid
};

}  // namespace countersign::channel
