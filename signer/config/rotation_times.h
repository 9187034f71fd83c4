// What the configuration says about the time that keys take to change.
#pragma once

#include "keymgmt/rotation.h"
#include "signer/config/config.h"

namespace countersign::config {

inline keymgmt::RotationTimes rotation_times(const Config& config) {
  return {config.publication_lifetime, config.publication_skew, config.approvals.max_ttl};
}

}  // namespace countersign::config
