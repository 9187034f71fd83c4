// Known vulnerabilities, looked up in a local copy of the OSV database; nothing is asked of the network.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "gate/vetting/finding.h"
#include "gate/vetting/package.h"

namespace countersign::vetting {

struct AdvisoryAnswer {
  std::vector<Finding> findings;     // Category::Vulnerability; Malware for OSV's MAL- records
  std::size_t checked = 0;           // packages that were looked up
  std::vector<std::string> missing;  // ecosystems of the tree that the database does not have
  std::size_t unreadable = 0;        // records of the database that could not be read, of packages of the tree
  std::string newest;                // the latest `modified` of the records read, RFC 3339; the age of the database
};

// Looks up every package in `folder`, laid out as osv-scanner keeps it: [osv-scanner/]ECOSYSTEM/all.zip, one OSV record
// a file; ECOSYSTEM of an operating system is Debian:12 or Debian. Withdrawn records are left out. Fails with NotFound,
// reason "advisories_missing", where there is no such folder, and with Invalid where an archive of it cannot be read.
Result<AdvisoryAnswer> look_up(const std::string& folder, const std::vector<Package>& packages);

// Whether a record (OSV schema 1.x) affects the package: one of its `versions`, or inside one of its ranges. Nothing
// where a range cannot be judged.
std::optional<bool> affects(const Json& record, const Package& package);

// Severity of a record: of its CVSS 3 vectors, else of `database_specific.severity`, else High.
Severity severity_of(const Json& record);

// Base score of a CVSS 3.0 or 3.1 vector (FIRST, CVSS v3.1 §7.1); nothing for another or a malformed one.
std::optional<double> cvss_base_score(std::string_view vector);

}  // namespace countersign::vetting
