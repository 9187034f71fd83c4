// How the publication stands: until when verifiers may believe it, and what of it runs out. What `status`, the metrics
// and the security owner are told.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "signer/config/config.h"
#include "signer/daemon/publisher.h"

namespace countersign::daemon {

struct Deadline {
  std::string_view what;  // "root", "targets", "online"
  UtcTime at;
};
// Nothing where there is no repository.
std::vector<Deadline> publication_deadlines(const Publisher& publisher);

// {"signed", "trial"?, "root_version"?, "targets_version"?, "deadlines":[{"what","at","days_left"}], "trouble"?}
Json publication_json(const Publisher& publisher, UtcTime now);

struct PublicationFinding {
  std::string what;
  std::string fix;
  bool urgent = false;  // the security owner is told
};
// That nothing is signed although the role publication is configured, that the last attempt failed, that less than half
// of the online metadata's life is left, that root or targets end within 45 days.
std::vector<PublicationFinding> publication_findings(const config::Config& config, const Publisher& publisher,
                                                     UtcTime now);

}  // namespace countersign::daemon
