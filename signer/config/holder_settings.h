// What the supervisor tells a holder before anything else: its part of the configuration, as one JSON object over the
// control channel. The holder reads no configuration file.
#pragma once

#include "common/json.h"
#include "common/result.h"
#include "signer/config/config.h"

namespace countersign::config {

struct HolderSettings {
  keymgmt::Role role{};
  int index = 0;
  std::vector<keymgmt::Algorithm> algorithms;
  TokenConfig token;                        // without `pin`, which comes by descriptor
  std::vector<ApproverConfig> approvers;    // the approval role only
  ApprovalsConfig approvals;                // the approval role only
  std::chrono::nanoseconds set_lifetime{};  // the publication role only: how long what it signs may be believed
  std::string locks;                        // folder of the start locks of tokens that are not SoftHSM's
  bool anchors = false;                     // the first holder of the trace role keeps the ledger's anchors
  bool confinement_mandatory = true;
  std::string
      profile;  // the text of the token's module profile; empty where there is none, and the holder will not start
  std::size_t memory = std::size_t{256} << 20;  // bytes; a holder that grows past it ends

  Json to_json() const;
  static Result<HolderSettings> from_json(const Json& json);  // strict; fails with Invalid
};

// Precondition: the role and `token`, one of its two, are configured (config::load checked it).
HolderSettings holder_settings(const Config& config, keymgmt::Role role, int index, std::string_view token);

}  // namespace countersign::config
