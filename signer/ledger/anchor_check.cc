#include "signer/ledger/anchor_check.h"

#include <algorithm>

#include "common/durable_file.h"
#include "common/json.h"
#include "signer/ledger/findings.h"

namespace countersign::ledger {
namespace {

constexpr mode_t kWorldReadable = 0644;
constexpr std::size_t kLongestAnchor = 4096;

std::string file_in(const std::string& directory) {
  return directory + "/anchor.json";
}

bool loss_accepted(std::span<const Restore> restores, const Anchor& anchor) {
  return std::any_of(restores.begin(), restores.end(), [&anchor](const Restore& restore) {
    return restore.accepts_loss && anchor.at <= restore.at && anchor.size > restore.index;
  });
}

}  // namespace

Result<AnchorReport> check_anchors(const Store& store, std::span<const AnchorReading> readings) {
  return check_anchors(
      AnchoredLedger{store.head(), [&store](std::uint64_t size) { return store.root_at(size); }, store.restores()},
      readings);
}

Result<AnchorReport> check_anchors(const AnchoredLedger& ledger, std::span<const AnchorReading> readings) {
  const TreeHead& head = ledger.head;
  AnchorReport report;
  for (const AnchorReading& reading : readings) {
    if (!reading.anchor) {
      report.findings.push_back("the anchor in the " + reading.where +
                                " cannot be read: " + reading.anchor.error().detail);
      continue;
    }
    const Anchor& anchor = *reading.anchor;
    if (loss_accepted(ledger.restores, anchor)) {
      report.findings.push_back("the anchor in the " + reading.where + " of " + anchor.at.rfc3339() + " has " +
                                std::to_string(anchor.size) +
                                " records, which the restored backup did not have; their loss was accepted");
      continue;
    }
    if (head.size < anchor.size) {
      return rolled_back("the ledger has " + std::to_string(head.size) + " records, the anchor in the " +
                         reading.where + " of " + anchor.at.rfc3339() + " has " + std::to_string(anchor.size));
    }
    ASSIGN_OR_RETURN(const Digest root, ledger.root_at(anchor.size));
    if (root != anchor.root) {
      return forked("the first " + std::to_string(anchor.size) + " records are not the ones the anchor in the " +
                    reading.where + " of " + anchor.at.rfc3339() + " stands for");
    }
    if (!report.newest || report.newest->anchor->size < anchor.size) report.newest = reading;
  }
  return report;
}

Status write_anchor_file(const std::string& directory, const Anchor& anchor) {
  const Json json =
      Json::object({{"at", anchor.at.rfc3339()}, {"root", anchor.root.hex()}, {"size", Json(anchor.size)}});
  return write_durable(file_in(directory), json.compact() + "\n", kWorldReadable);
}

Result<Anchor> read_anchor_file(const std::string& directory) {
  const Error no_anchor{ErrorCode::Invalid, file_in(directory) + " is not an anchor: {\"at\",\"root\",\"size\"}"};
  ASSIGN_OR_RETURN(const std::string text, read_file(file_in(directory), kLongestAnchor));
  const Result<Json> json = Json::parse(text);
  if (!json || !json->is_object() || json->as_object().size() != 3) return no_anchor;
  const Json* size = json->find("size");
  const Result<Digest> root = Digest::parse(json->text("root"));
  const Result<UtcTime> at = UtcTime::parse(json->text("at"));
  if (size == nullptr || !size->is_integer() || size->as_integer() < 0 || !root || !at) return no_anchor;
  return Anchor{static_cast<std::uint64_t>(size->as_integer()), *root, *at};
}

}  // namespace countersign::ledger
