// log follow: the log as it grows, and what a monitor should be told of it.
#include <charconv>
#include <chrono>
#include <deque>
#include <set>
#include <thread>

#include "command/line/comma_list.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/log/commands.h"
#include "command/log/opened_log.h"
#include "common/clock.h"
#include "common/durable_file.h"
#include "signer/log/merkle_tree.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"alert", Flag::Kind::Switch, "",
     "only what is suspicious: unknown callers, unusual rates, keys outside their window"},
    {"callers", Flag::Kind::Text, "UIDS", "who is known to sign, comma-separated uids; others are alerts"},
    {"most-per-minute", Flag::Kind::Integer, "N", "more signatures in a minute are an alert"},
    {"state", Flag::Kind::Text, "FILE", "remember the last checkpoint there and go on behind it"},
    {"from", Flag::Kind::Integer, "N", "begin at record N (without --state: at the end)"},
    {"once", Flag::Kind::Switch, "", "end when caught up; exit 2 if there was an alert"},
    {"every", Flag::Kind::Text, "SPAN", "between two looks, \"1s\""},
    kLogFlag,
    kArchiveFlag,
    kLogKeyFlag,
    kWitnessFlag,
    kWitnessesRequiredFlag,
    kTrustFlag,
    kSignerFlag,
};

// What is suspicious in the records, one after another.
class Monitor {
 public:
  struct Alert {
    std::string_view what;
    std::string detail;
  };

  Monitor(std::set<std::int64_t> callers, std::optional<std::int64_t> most_per_minute, const keymgmt::KeySet& keys)
      : callers_(std::move(callers)), most_per_minute_(most_per_minute), keys_(keys) {}

  std::vector<Alert> judge(const Json& leaf) {
    std::vector<Alert> alerts;
    if (leaf.text("kind") != "signed") return alerts;
    const Json* uid = leaf.find("peer_uid");
    if (!callers_.empty() && (uid == nullptr || !uid->is_integer() || !callers_.contains(uid->as_integer()))) {
      alerts.push_back({"unknown_caller", "signed for uid " + (uid == nullptr ? "?" : uid->compact())});
    }
    const Result<UtcTime> at = UtcTime::parse(leaf.text("at"));
    if (!at) {
      alerts.push_back({"record_unreadable", "the record has no time"});
      return alerts;
    }
    judge_key(leaf, *at, alerts);
    judge_rate(*at, alerts);
    return alerts;
  }

 private:
  void judge_key(const Json& leaf, UtcTime at, std::vector<Alert>& alerts) const {
    const std::string kid(leaf.text("kid"));
    const keymgmt::PublishedKey* key = keys_.find(kid);
    if (key == nullptr) {
      alerts.push_back({"key_unknown", "signed by key " + kid + ", which is not published"});
    } else if (keymgmt::name_of(key->role) != leaf.text("role")) {
      alerts.push_back({"key_of_another_role", "key " + kid + " is of role " + std::string(name_of(key->role))});
    } else if (!key->counts_at(at)) {
      alerts.push_back({"key_outside_window", "key " + kid + " does not count at " + at.rfc3339()});
    }
  }

  void judge_rate(UtcTime at, std::vector<Alert>& alerts) {
    if (!most_per_minute_) return;
    recent_.push_back(at);
    while (recent_.front() < at - std::chrono::minutes(1)) recent_.pop_front();
    const auto count = static_cast<std::int64_t>(recent_.size());
    if (count <= *most_per_minute_) {
      told_of_rate_ = false;
    } else if (!told_of_rate_) {
      told_of_rate_ = true;  // once for each time it rises above the bound
      alerts.push_back({"unusual_rate", std::to_string(count) + " signatures within a minute"});
    }
  }

  std::set<std::int64_t> callers_;
  std::optional<std::int64_t> most_per_minute_;
  const keymgmt::KeySet& keys_;
  std::deque<UtcTime> recent_;
  bool told_of_rate_ = false;
};

Result<std::set<std::int64_t>> uids_in(std::string_view text) {
  std::set<std::int64_t> uids;
  for (const std::string& word : comma_list(text)) {
    std::int64_t uid = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), uid);
    if (error != std::errc() || end != word.data() + word.size() || uid < 0) {
      return Error{ErrorCode::Invalid, "--callers takes uids, not \"" + word + "\""};
    }
    uids.insert(uid);
  }
  return uids;
}

class Follower {
 public:
  Follower(Call& call, const Arguments& arguments, const log::TileSource& source, Monitor& monitor)
      : call_(call), arguments_(arguments), source_(source), monitor_(monitor) {}

  // Where to begin.
  Status begin() {
    const std::string path(arguments_.text("state"));
    if (const Result<std::string> note =
            path.empty() ? Result<std::string>(Error{ErrorCode::NotFound, ""}) : read_file(path)) {
      ASSIGN_OR_RETURN(const log::CheckpointTrust trust, checkpoint_trust(arguments_, *note));
      ASSIGN_OR_RETURN(const log::TrustedCheckpoint older, log::TrustedCheckpoint::open(*note, trust));
      seen_ = older.checkpoint();
      next_ = seen_->size;
      return ok();
    }
    if (arguments_.given("from")) {
      next_ = static_cast<std::uint64_t>(arguments_.integer("from").value_or(0));
      return ok();
    }
    if (!path.empty()) return ok();  // from the first record on
    ASSIGN_OR_RETURN(const log::TrustedCheckpoint now, trusted_checkpoint(arguments_, source_));
    seen_ = now.checkpoint();
    next_ = seen_->size;
    return ok();
  }

  // Everything that is new. A log that does not continue what was seen is the worst alert there is, and an error.
  Status look() {
    ASSIGN_OR_RETURN(const log::TrustedCheckpoint trusted, trusted_checkpoint(arguments_, source_));
    const log::Checkpoint& now = trusted.checkpoint();
    if (seen_) RETURN_IF_ERROR(check_consistency(source_, *seen_, now));
    while (next_ < now.size) {
      const log::TileId id = log::tile_holding(log::TileId::Kind::Entries, 0, next_, now.size);
      ASSIGN_OR_RETURN(const std::vector<std::string> entries, log::read_bundle(source_, id));
      const log::TileId tile = log::tile_holding(log::TileId::Kind::Hashes, 0, next_, now.size);
      ASSIGN_OR_RETURN(const std::vector<Digest> hashes, log::read_tile(source_, tile));
      RETURN_IF_ERROR(prove(tile, hashes, now));
      for (std::size_t i = next_ % log::kTileWidth; i < entries.size(); ++i, ++next_) {
        if (log::leaf_hash(view_of(entries[i])) != hashes[i]) {
          return Error{ErrorCode::VerificationFailed, id.path() + " holds another entry than its tile says",
                       "log_damaged"};
        }
        tell(entries[i]);
      }
    }
    seen_ = now;
    const std::string path(arguments_.text("state"));
    return path.empty() ? ok() : write_durable(path, trusted.note().note(), 0600);
  }

  bool alerted() const { return alerted_; }

 private:
  // That these hashes are the tree's: the path of the last one leads through all others.
  Status prove(const log::TileId& id, const std::vector<Digest>& hashes, const log::Checkpoint& now) const {
    log::TileNodes nodes(source_, now.size);
    nodes.keep(id, hashes);
    const std::uint64_t last = id.index * log::kTileWidth + hashes.size() - 1;
    ASSIGN_OR_RETURN(const std::vector<Digest> proof, log::inclusion_proof(last, now.size, nodes));
    return log::verify_inclusion(hashes.back(), last, now.size, proof, now.root);
  }

  void tell(const std::string& entry) {
    const Result<Json> leaf = Json::parse(entry);
    if (!leaf || !leaf->is_object()) {
      alerted_ = true;
      call_.console.answer(Json::object({{"alert", "record_unreadable"}, {"index", next_}}).compact() + "\n");
      return;
    }
    if (!arguments_.is_on("alert")) call_.console.answer(entry + "\n");
    for (const Monitor::Alert& alert : monitor_.judge(*leaf)) {
      alerted_ = true;
      call_.console.answer(
          Json::object({{"alert", alert.what}, {"index", next_}, {"detail", alert.detail}, {"record", *leaf}})
              .compact() +
          "\n");
    }
  }

  Call& call_;
  const Arguments& arguments_;
  const log::TileSource& source_;
  Monitor& monitor_;
  std::optional<log::Checkpoint> seen_;
  std::uint64_t next_ = 0;
  bool alerted_ = false;
};

Result<int> follow(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "log follow takes flags only"};
  ASSIGN_OR_RETURN(std::set<std::int64_t> callers, uids_in(arguments.text("callers")));
  ASSIGN_OR_RETURN(const std::chrono::nanoseconds every, parse_duration(arguments.text("every", "1s")));
  ASSIGN_OR_RETURN(keymgmt::KeySet keys, verifying_keys(arguments, keymgmt::Role::Log));
  const std::unique_ptr<log::TileSource> source = log_source(arguments);
  Monitor monitor(std::move(callers), arguments.integer("most-per-minute"), keys);
  Follower follower(call, arguments, *source, monitor);
  RETURN_IF_ERROR(follower.begin());
  while (true) {
    RETURN_IF_ERROR(follower.look());
    if (arguments.is_on("once")) return follower.alerted() ? row_of(ErrorCode::VerificationFailed).exit_code : 0;
    std::this_thread::sleep_for(every);
    ASSIGN_OR_RETURN(keys, verifying_keys(arguments, keymgmt::Role::Log));
  }
}

}  // namespace

Command log_follow_command() {
  return {
      "log follow",
      "[--alert] [--callers UIDS] [--most-per-minute N] [--state FILE] [--once]",
      "Prints the log's records as they come, and alerts, one JSON object a line",
      "Each checkpoint must continue the one before, each record must stand in it. With --alert only signatures for\n"
      "unknown callers, unusual rates and keys that are unpublished, of another role or outside their window.",
      "countersign log follow --alert --callers 60001,60002 --state /var/lib/monitor/checkpoint",
      kFlags,
      Positionals::Anywhere,
      Shape::Ours,
      follow};
}

}  // namespace countersign::command
