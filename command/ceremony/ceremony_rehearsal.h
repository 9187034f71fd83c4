// A scratch appliance on SoftHSM in a folder of its own, on which a plan is run before it is run in earnest: the same
// programs, the same front, holders and ledger, with the roles of the real configuration. What a scratch appliance
// cannot have (the real keys, the custodians' signatures) stands in: each kid of the plan for a key of the same role.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "command/ceremony/ceremony_run.h"
#include "command/line/console.h"
#include "keymgmt/ceremony/intent.h"
#include "signer/config/config.h"

namespace countersign::command {

class ScratchAppliance {
 public:
  // Makes and starts it. Fails with Unavailable, naming what did not come up; the folder is removed either way.
  static Result<std::unique_ptr<ScratchAppliance>> start(const config::Config& like, const ceremony::Intent& intent);
  ScratchAppliance(const ScratchAppliance&) = delete;
  ScratchAppliance& operator=(const ScratchAppliance&) = delete;
  ~ScratchAppliance();  // ends it and removes its folder

  // What to run for `intent`, with stand-ins made and scratch custodians in office.
  Result<RunSettings> settings_for(const ceremony::Intent& intent);

 private:
  explicit ScratchAppliance(std::string folder) : folder_(std::move(folder)) {}
  Status make_tokens(const config::Config& scratch) const;  // without keys: those of a first ceremony
  Status bring_up();
  Status make_custodians();
  Result<std::vector<ceremony::Approval>> signed_by_custodians(const std::string& text) const;
  Status enrol(const ceremony::Intent& intent);
  Result<std::string> stand_in(const ceremony::Step& step);

  std::string folder_;
  pid_t pid_ = -1;
  ceremony::Quorum quorum_;  // of the scratch appliance
  ceremony::Quorum wider_;   // the same and one more: what a change of custodians changes to
  std::map<std::string, std::string> stand_ins_;
};

}  // namespace countersign::command
