#include "keymgmt/publication/repository.h"

#include <algorithm>
#include <set>

#include "common/durable_file.h"
#include "common/json_fields.h"
#include "keymgmt/publication/contents.h"

namespace countersign::publication {
namespace {

using keymgmt::KeySet;
using keymgmt::PublishedKey;
using keymgmt::Role;

constexpr std::size_t kLargestState = std::size_t{64} << 20;
constexpr std::size_t kLargestFile = std::size_t{1} << 20;
constexpr std::string_view kFile = "/publication.json";
constexpr std::string_view kSchemaId = "countersign.publication";

Error refused(std::string_view reason, std::string detail, std::string hint = {}) {
  return Error{ErrorCode::Refused, std::move(detail), std::string(reason), std::move(hint)};
}

std::int64_t seconds(std::chrono::nanoseconds span) {
  return std::chrono::duration_cast<std::chrono::seconds>(span).count();
}

std::vector<std::string> publication_ids(const KeySet& keys) {
  std::vector<std::string> ids;
  for (const PublishedKey& key : keys.keys()) {
    const bool usable =
        key.role == Role::Publication && !key.compromised_since && key.state < keymgmt::KeyState::Retiring;
    if (usable) ids.push_back(tuf::key_id(key.key));
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

struct OnlineRead {
  tuf::Targets revoked;
  tuf::Snapshot snapshot;
  tuf::Timestamp timestamp;
};

Result<OnlineRead> read_online(const tuf::Root& root, const tuf::Targets& targets, const OnlineFiles& files) {
  ASSIGN_OR_RETURN(const tuf::SignedDocument revoked, tuf::SignedDocument::parse(files.revoked));
  ASSIGN_OR_RETURN(const tuf::SignedDocument snapshot, tuf::SignedDocument::parse(files.snapshot));
  ASSIGN_OR_RETURN(const tuf::SignedDocument timestamp, tuf::SignedDocument::parse(files.timestamp));
  RETURN_IF_ERROR(revoked.verify(targets.delegation->keys, targets.delegation->signers, "revoked.json"));
  RETURN_IF_ERROR(snapshot.verify(root.keys, root.snapshot, "snapshot.json"));
  RETURN_IF_ERROR(timestamp.verify(root.keys, root.timestamp, "timestamp.json"));
  OnlineRead out;
  ASSIGN_OR_RETURN(out.revoked, tuf::Targets::parse(revoked.signed_part()));
  ASSIGN_OR_RETURN(out.snapshot, tuf::Snapshot::parse(snapshot.signed_part()));
  ASSIGN_OR_RETURN(out.timestamp, tuf::Timestamp::parse(timestamp.signed_part()));
  const auto target = out.revoked.files.find(tuf::kRevokedTarget);
  if (target == out.revoked.files.end()) {
    return Error{ErrorCode::VerificationFailed, "revoked.json names no target", "arbitrary_software"};
  }
  RETURN_IF_ERROR(tuf::matches(target->second, files.revocations, "revoked.json"));
  RETURN_IF_ERROR(tuf::matches(*out.timestamp.snapshot, files.snapshot, "snapshot.json"));
  return out;
}

std::uint64_t version_in(const std::string& text) {
  const Result<tuf::SignedDocument> file = tuf::SignedDocument::parse(text);
  const Json* version = file ? file->signed_part().find("version") : nullptr;
  return version != nullptr && version->is_integer() ? static_cast<std::uint64_t>(version->as_integer()) : 0;
}

}  // namespace

Json CustodianFiles::to_json() const {
  return Json::object({{"roots", Json::array(roots)}, {"targets", targets}, {"keyset", keyset}});
}

Result<CustodianFiles> CustodianFiles::from_json(const Json& json) {
  JsonFields fields(json, "publication");
  CustodianFiles files;
  ASSIGN_OR_RETURN(files.roots, fields.texts("roots"));
  ASSIGN_OR_RETURN(files.targets, fields.text("targets"));
  ASSIGN_OR_RETURN(files.keyset, fields.text("keyset"));
  RETURN_IF_ERROR(fields.finish());
  return files;
}

Result<Repository> Repository::begun(const CustodianFiles& first) {
  if (first.roots.empty() || first.targets.empty()) {
    return refused("version_skipped", "a repository begins with a root and targets");
  }
  return Repository().with(first);
}

Result<Repository> Repository::with(const CustodianFiles& next) const {
  Repository out = *this;
  const bool first = root_texts_.empty();
  for (const std::string& text : next.roots) {
    ASSIGN_OR_RETURN(const tuf::SignedDocument file, tuf::SignedDocument::parse(text));
    ASSIGN_OR_RETURN(tuf::Root root, tuf::Root::parse(file.signed_part()));
    if (root.version != out.root_texts_.size() + 1) {
      return refused("version_skipped", "root version " + std::to_string(root.version) + " does not follow version " +
                                            std::to_string(out.root_texts_.size()));
    }
    // Each root is signed by those it relieves and by its own (TUF specification §5.3.4).
    if (!out.root_texts_.empty()) RETURN_IF_ERROR(file.verify(out.root_.keys, out.root_.root, "root.json"));
    RETURN_IF_ERROR(file.verify(root.keys, root.root, "root.json"));
    RETURN_IF_ERROR(check_threshold(root.root, "root"));
    RETURN_IF_ERROR(check_threshold(root.targets, "targets"));
    out.root_ = std::move(root);
    out.root_texts_.push_back(text);
  }
  if (!next.targets.empty()) {
    out.targets_text_ = next.targets;
    out.keyset_text_ = next.keyset;
  }
  ASSIGN_OR_RETURN(const tuf::SignedDocument file, tuf::SignedDocument::parse(out.targets_text_));
  RETURN_IF_ERROR(file.verify(out.root_.keys, out.root_.targets, "targets.json"));
  ASSIGN_OR_RETURN(out.targets_, tuf::Targets::parse(file.signed_part()));
  ASSIGN_OR_RETURN(const Json keyset, Json::parse(out.keyset_text_));
  ASSIGN_OR_RETURN(out.keys_, KeySet::parse(keyset));
  if (!next.targets.empty() && !first && out.targets_.version != targets_.version + 1) {
    return refused("version_skipped", "targets version " + std::to_string(out.targets_.version) +
                                          " does not follow version " + std::to_string(targets_.version));
  }
  RETURN_IF_ERROR(check_listed(out.targets_, out.keys_, out.keyset_text_));
  RETURN_IF_ERROR(check_online(out.root_, out.targets_, out.keys_));
  if (!first) RETURN_IF_ERROR(check_cumulative(keys_, out.keys_));
  return out;
}

CustodianFiles Repository::signed_files() const {
  return {{root_texts_.back()}, targets_text_, keyset_text_};
}

Json Repository::revoked_fields(const std::string& revocations, std::chrono::nanoseconds lifetime) const {
  const tuf::FileFacts facts = tuf::facts_of(revocations);
  return Json::object({{"version", online_ ? version_in(online_->revoked) + 1 : std::uint64_t{1}},
                       {"lifetime", seconds(lifetime)},
                       {"length", facts.length},
                       {"sha256", facts.sha256}});
}

Json Repository::snapshot_fields(const std::string& revoked, std::chrono::nanoseconds lifetime) const {
  return Json::object({{"version", online_ ? version_in(online_->snapshot) + 1 : std::uint64_t{1}},
                       {"lifetime", seconds(lifetime)},
                       {"targets_version", targets_.version},
                       {"revoked_version", version_in(revoked)}});
}

Json Repository::timestamp_fields(const std::string& snapshot, std::chrono::nanoseconds lifetime) const {
  const tuf::FileFacts facts = tuf::facts_of(snapshot);
  return Json::object({{"version", online_ ? version_in(online_->timestamp) + 1 : std::uint64_t{1}},
                       {"lifetime", seconds(lifetime)},
                       {"snapshot_version", version_in(snapshot)},
                       {"snapshot_length", facts.length},
                       {"snapshot_sha256", facts.sha256}});
}

Status Repository::take(OnlineFiles online) {
  ASSIGN_OR_RETURN(const OnlineRead read, read_online(root_, targets_, online));
  if (read.snapshot.versions.at("targets.json") != targets_.version ||
      read.snapshot.versions.at("revoked.json") != read.revoked.version) {
    return Error{ErrorCode::VerificationFailed, "snapshot.json is of other metadata", "mix_and_match_attack"};
  }
  online_ = std::move(online);
  return ok();
}

std::optional<UtcTime> Repository::expires() const {
  if (!online_) return std::nullopt;
  const Result<OnlineRead> read = read_online(root_, targets_, *online_);
  if (!read) return std::nullopt;
  return std::min(
      {read->timestamp.expires, read->snapshot.expires, read->revoked.expires, targets_.expires, root_.expires});
}

bool Repository::may_publish(const keymgmt::PublicKey& key) const {
  const std::string id = tuf::key_id(key);
  const auto names = [&](const tuf::Signers& signers) {
    return std::find(signers.key_ids.begin(), signers.key_ids.end(), id) != signers.key_ids.end();
  };
  return names(root_.timestamp) && names(root_.snapshot) && targets_.delegation && names(targets_.delegation->signers);
}

Result<Repository> Repository::load(const std::string& state) {
  ASSIGN_OR_RETURN(const std::string text, read_file(state + std::string(kFile), kLargestState));
  Json::Limits limits;
  limits.bytes = kLargestState;
  ASSIGN_OR_RETURN(const Json json, Json::parse(text, limits));
  JsonFields fields(json, "publication.json");
  ASSIGN_OR_RETURN(const std::string schema, fields.text("schema_id"));
  if (schema != kSchemaId) return fields.wrong("schema_id", "is not countersign.publication");
  CustodianFiles custodians;
  ASSIGN_OR_RETURN(custodians.roots, fields.texts("roots"));
  ASSIGN_OR_RETURN(custodians.targets, fields.text("targets"));
  ASSIGN_OR_RETURN(custodians.keyset, fields.text("keyset"));
  ASSIGN_OR_RETURN(Repository out, begun(custodians));
  OnlineFiles online;
  ASSIGN_OR_RETURN(online.revocations, fields.text("revocations"));
  ASSIGN_OR_RETURN(online.revoked, fields.text("revoked"));
  ASSIGN_OR_RETURN(online.snapshot, fields.text("snapshot"));
  ASSIGN_OR_RETURN(online.timestamp, fields.text("timestamp"));
  RETURN_IF_ERROR(fields.finish());
  // A newer root or targets may have come since these were signed; only their versions count then, to go on from.
  if (!online.timestamp.empty()) out.online_ = std::move(online);
  return out;
}

Status Repository::save(const std::string& state) const {
  const OnlineFiles online = online_.value_or(OnlineFiles());
  const Json json = Json::object({{"schema_id", kSchemaId},
                                  {"roots", Json::array(root_texts_)},
                                  {"targets", targets_text_},
                                  {"keyset", keyset_text_},
                                  {"revocations", online.revocations},
                                  {"revoked", online.revoked},
                                  {"snapshot", online.snapshot},
                                  {"timestamp", online.timestamp}});
  return write_durable(state + std::string(kFile), json.compact(), 0600);
}

Files Repository::files() const {
  Files out;
  for (std::size_t i = 0; i < root_texts_.size(); ++i) out[tuf::versioned(i + 1, "root.json")] = root_texts_[i];
  out[tuf::versioned(targets_.version, "targets.json")] = targets_text_;
  for (const auto& [path, content] : key_files(keys_)) out[tuf::hashed(path, targets_.files.at(path))] = content;
  out[tuf::versioned(version_in(online_->revoked), "revoked.json")] = online_->revoked;
  out[tuf::hashed(tuf::kRevokedTarget, tuf::facts_of(online_->revocations))] = online_->revocations;
  out[tuf::versioned(version_in(online_->snapshot), "snapshot.json")] = online_->snapshot;
  out["timestamp.json"] = online_->timestamp;
  return out;
}

ProposalTerms terms_of(const tuf::Root& root) {
  ProposalTerms terms;
  for (const std::string& id : root.root.key_ids) {
    const auto key = root.keys.find(id);
    if (key != root.keys.end()) terms.custodians.push_back(key->second);
  }
  terms.threshold = root.root.threshold;
  terms.trial = root.trial;
  return terms;
}

Result<Proposal> proposed(const Repository* present, const keymgmt::Keys& keys, const ProposalTerms& terms,
                          UtcTime now) {
  const std::uint64_t targets_version = present == nullptr ? 1 : present->targets().version + 1;
  const KeySet set(targets_version, now.whole_seconds(), keys);
  const std::vector<std::string> online = publication_ids(set);
  if (online.empty()) {
    return refused("publication_keys", "no key of the role publication is published: nobody could sign timestamps");
  }
  tuf::KeyTable online_keys;
  for (const PublishedKey& key : set.keys()) {
    const std::string id = tuf::key_id(key.key);
    if (std::binary_search(online.begin(), online.end(), id)) online_keys.emplace(id, key.key);
  }

  tuf::Root root{.version = present == nullptr ? 1 : present->root().version + 1,
                 .expires = now.whole_seconds() + terms.root_lifetime};
  root.trial = terms.trial;
  root.keys = online_keys;
  root.root.threshold = terms.threshold;
  for (const keymgmt::PublicKey& key : terms.custodians) {
    root.keys.emplace(tuf::key_id(key), key);
    root.root.key_ids.push_back(tuf::key_id(key));
  }
  std::sort(root.root.key_ids.begin(), root.root.key_ids.end());
  RETURN_IF_ERROR(check_threshold(root.root, "root"));
  root.targets = root.root;
  root.snapshot = {online, 1};
  root.timestamp = {online, 1};

  tuf::Targets targets{.version = targets_version, .expires = now.whole_seconds() + terms.targets_lifetime};
  const Files files = key_files(set);
  RETURN_IF_ERROR(check_key_files(files, set));
  for (const auto& [path, content] : files) targets.files.emplace(path, tuf::facts_of(content));
  targets.delegation = tuf::Targets::Delegation{
      std::string(tuf::kRevokedRole), online_keys, {online, 1}, {std::string(tuf::kRevokedTarget)}};

  ASSIGN_OR_RETURN(tuf::SignedDocument targets_file, tuf::SignedDocument::of(targets.signed_part()));
  Proposal out{std::nullopt, std::move(targets_file), files.at("keyset.json")};
  // A root is renewed where who signs changed, or where half of its life is over.
  const bool same = present != nullptr && present->root().root == root.root &&
                    present->root().targets == root.targets && present->root().timestamp == root.timestamp &&
                    present->root().snapshot == root.snapshot &&
                    present->root().expires - now > terms.root_lifetime / 2;
  if (!same) {
    ASSIGN_OR_RETURN(out.root, tuf::SignedDocument::of(root.signed_part()));
  }
  return out;
}

}  // namespace countersign::publication
