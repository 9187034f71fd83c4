// Anchors: the ledger's size and root, kept where somebody who restores an old ledger does not reach at the same time
// (the publication directory, data objects on the trace token). A ledger behind any of them is refused at start.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/digest.h"
#include "common/result.h"
#include "signer/ledger/store.h"

namespace countersign::ledger {

struct Anchor {
  std::uint64_t size = 0;
  Digest root;
  UtcTime at;
};

// What one place gave: an anchor, or why there is none to read (absent, torn, empty).
struct AnchorReading {
  std::string where;  // for people: "publication directory", "trace token, object 2"
  Result<Anchor> anchor;
};

struct AnchorReport {
  std::optional<AnchorReading> newest;  // the readable one of greatest size
  std::vector<std::string> findings;    // one sentence for each that is absent or unreadable
};

// A ledger as anchors are compared with it.
struct AnchoredLedger {
  TreeHead head;
  std::function<Result<Digest>(std::uint64_t size)> root_at;
  std::span<const Restore> restores;
};

// Every readable anchor is compared; an unreadable one is a finding, because a crash while writing leaves one.
// Fails with Refused, reason "ledger_rolled_back" where the ledger has fewer records than an anchor, "ledger_forked"
// where its records up to the anchor are other ones. An anchor that was written before a restore which accepted the
// loss, and has more records than the backup had, is a finding instead: the operator said so, and the record stays.
Result<AnchorReport> check_anchors(const AnchoredLedger& ledger, std::span<const AnchorReading> readings);
Result<AnchorReport> check_anchors(const Store& store, std::span<const AnchorReading> readings);

// `anchor.json` in the publication directory, mode 0644: {"at","root","size"}.
Status write_anchor_file(const std::string& directory, const Anchor& anchor);
// Fails with NotFound, or with Invalid on anything but exactly those members.
Result<Anchor> read_anchor_file(const std::string& directory);

}  // namespace countersign::ledger
