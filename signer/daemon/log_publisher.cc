#include "signer/daemon/log_publisher.h"

#include <algorithm>
#include <utility>

#include "signer/channel/frame.h"
#include "signer/log/record_proof.h"

namespace countersign::daemon {
namespace {

using keymgmt::Role;
using statement::StatementType;
using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLook{100};
constexpr std::chrono::seconds kSyncEvery{30};
constexpr std::chrono::seconds kLongestWait{5};

Error behind(const std::string& detail) {
  return Error{ErrorCode::Unavailable, detail, "log_behind",
               "Ask again in a second: checkpoints follow the ledger by at most that. `countersign status` says what "
               "holds the log up where it takes longer."};
}

bool hopeless(const Error& error) {
  return error.code == ErrorCode::Refused || error.code == ErrorCode::Conflict;
}

Error refused_start(std::string reason, std::string detail, std::string hint) {
  return Error{ErrorCode::Refused, std::move(detail), std::move(reason), std::move(hint)};
}

}  // namespace

class LogPublisher::StoreLeaves : public log::LeafSource {
 public:
  explicit StoreLeaves(const ledger::SqliteStore& store) : store_(store) {}
  std::uint64_t size() const override { return store_.head().size; }
  Result<std::vector<std::string>> leaves(std::uint64_t first, std::size_t limit) const override {
    return store_.leaves(first, limit);
  }
  Result<std::vector<Digest>> hashes(std::uint64_t first, std::size_t limit) const override {
    return store_.leaf_hashes(first, limit);
  }
  Result<Digest> root_at(std::uint64_t size) const override { return store_.root_at(size); }
  Result<Digest> node(unsigned level, std::uint64_t index) const override { return store_.node(level, index); }

 private:
  const ledger::SqliteStore& store_;
};

LogPublisher::LogPublisher(transport::EventLoop& loop, const config::Config& config, const ledger::SqliteStore& store,
                           const KeyRing& keys, HolderPool& holders)
    : loop_(loop),
      config_(config),
      store_(store),
      keys_(keys),
      holders_(holders),
      leaves_(std::make_unique<StoreLeaves>(store)) {}

LogPublisher::~LogPublisher() = default;

std::vector<log::NoteKey> LogPublisher::note_keys() const {
  std::vector<log::NoteKey> keys;
  for (const keymgmt::PublishedKey& key : keys_.set().keys()) {
    if (key.role != Role::Log) continue;
    // Other algorithms do not sign notes.
    Result<log::NoteKey> named = log::NoteKey::of(config_.log.origin, log::NoteSignatureType::Ed25519, key.key);
    if (named) keys.push_back(*std::move(named));
  }
  return keys;
}

Status LogPublisher::open() {
  ASSIGN_OR_RETURN(witnesses_, LogWitnesses::of(config_.log));
  ASSIGN_OR_RETURN(log::LogFolder folder, log::LogFolder::open(config_.log.directory));
  folder_.emplace(std::move(folder));
  integration_ = std::make_unique<log::Integration>(*folder_, *leaves_);
  ASSIGN_OR_RETURN(last_note_, folder_->checkpoint());
  if (last_note_) {
    const std::string where = folder_->path() + "/checkpoint";
    const Result<log::SignedNote> note = log::SignedNote::parse(*last_note_);
    const Result<log::Checkpoint> claimed = note ? log::Checkpoint::parse(note->text()) : note.error();
    if (claimed && claimed->origin != config_.log.origin) {
      return refused_start("log_origin_changed",
                           where + " is of the log " + claimed->origin + ", log.origin says " + config_.log.origin,
                           "A log keeps its origin. For a new log move the folder away first.");
    }
    const Result<log::TrustedCheckpoint> opened = log::TrustedCheckpoint::open(*last_note_, {note_keys(), {}, 0});
    if (!opened) {
      return refused_start("log_checkpoint_swapped", where + " is not this log's: " + opened.error().detail,
                           "Keep it for the investigation; the newest line of history/ says what was published last.");
    }
    const log::Checkpoint& checkpoint = opened->checkpoint();
    if (checkpoint.size > store_.head().size) {
      return refused_start("log_ahead",
                           "the published checkpoint covers " + std::to_string(checkpoint.size) +
                               " records, the ledger has " + std::to_string(store_.head().size),
                           "An older ledger is in place: put the newest one back. A ledger restored on purpose goes on "
                           "under a new log.origin, with the old log's folder kept as it is.");
    }
    ASSIGN_OR_RETURN(const Digest root, store_.root_at(checkpoint.size));
    if (root != checkpoint.root) {
      return refused_start(
          "log_forked",
          "the published checkpoint of " + std::to_string(checkpoint.size) + " records is not the ledger's",
          "Keep both as they are for the investigation: one of them was rewritten.");
    }
    note_ = *last_note_;
    size_ = checkpoint.size;
  }
  ASSIGN_OR_RETURN(const log::Integration::Recovery recovery, integration_->recover(size_, folder_->synced()));
  mended_ = recovery.mended;
  return ok();
}

void LogPublisher::start() {
  thread_ = std::make_unique<BackgroundThread>();
  synced_ = SteadyClock::now();
  loop_.every(kLook, [this] { look(); });
}

void LogPublisher::look() {
  serve_waiters();
  if (busy_ || halted_ || stopping_ || store_.head().size == size_) return;
  if (SteadyClock::now() - began_ >= config_.log.publish_every) begin();
}

void LogPublisher::begin() {
  busy_ = true;
  began_ = SteadyClock::now();
  const std::uint64_t size = store_.head().size;
  thread_->run([this, size] {
    const Status extended = integration_->extend(size);
    loop_.post([this, extended, size, root = integration_->root()] { integrated(extended, size, root); });
  });
}

void LogPublisher::integrated(const Status& status, std::uint64_t size, const Digest& root) {
  if (!status) return failed(status.error());
  const std::string* kid = keys_.signing_kid(StatementType::LogCheckpoint);
  if (kid == nullptr) return failed(keys_.no_signing_key(StatementType::LogCheckpoint));
  const log::Checkpoint checkpoint{config_.log.origin, size, root};
  const Json fields =
      Json::object({{"origin", checkpoint.origin}, {"size", static_cast<std::int64_t>(size)}, {"root", root.hex()}});
  const channel::SignJob job{StatementType::LogCheckpoint, *kid, 0, 0, fields.compact(), ""};
  holders_.ask(Role::Log, channel::FrameKind::Sign, job.encode(),
               [this, checkpoint, kid = *kid](const Result<std::string_view>& payload) {
                 signed_by_holder(checkpoint, kid, payload);
               });
}

void LogPublisher::signed_by_holder(const log::Checkpoint& checkpoint, const std::string& kid,
                                    const Result<std::string_view>& payload) {
  if (!payload) return failed(payload.error());
  const Result<channel::SignAnswer> answer = channel::SignAnswer::decode(*payload);
  const Result<Json> document = answer ? Json::parse(answer->statement_json) : answer.error();
  if (!document) return failed(document.error());
  std::string note(document->text("note"));
  // What verifiers would refuse is not published.
  const Result<log::TrustedCheckpoint> opened = log::TrustedCheckpoint::open(note, {note_keys(), {}, 0});
  if (!opened || answer->kid != kid || opened->checkpoint() != checkpoint) {
    return failed(Error{ErrorCode::Internal, "the log's holder signed another checkpoint than it was asked to",
                        "holder_mismatch"});
  }
  const UtcTime at = answer->signed_at;
  const Json line = Json::object({{"at", at.rfc3339()},
                                  {"size", static_cast<std::int64_t>(checkpoint.size)},
                                  {"root", checkpoint.root.hex()},
                                  {"kid", kid},
                                  {"signature_digest", answer->signature_digest.hex()}});
  const bool sync = SteadyClock::now() - synced_ >= kSyncEvery;
  if (sync) synced_ = SteadyClock::now();
  thread_->run([this, expected = last_note_, own = note, at, line, sync, checkpoint] {
    const std::uint64_t size = checkpoint.size;
    const Result<std::string> cosigned = witnesses_->cosigned(own, checkpoint, store_);
    if (!cosigned) {
      return loop_.post([this, error = cosigned.error(), size] { published(error, size, ""); });
    }
    const std::string& note = *cosigned;
    Status status = folder_->publish(expected, note);
    if (status) status = folder_->remember(at.rfc3339().substr(0, 10), line);
    loop_.post([this, status, size, note] { published(status, size, note); });
    // A failure shows at the next start, which then compares more.
    if (sync) [[maybe_unused]]
      const Status synced = folder_->sync(size);
  });
}

void LogPublisher::published(const Status& status, std::uint64_t size, const std::string& note) {
  if (!status) {
    // The checkpoint may stand there although its line of history does not.
    const Result<std::optional<std::string>> there = folder_->checkpoint();
    if (there && *there == note) last_note_ = note;
    return failed(status.error());
  }
  last_note_ = note;
  note_ = note;
  size_ = size;
  finding_.clear();
  end_cycle();
}

void LogPublisher::failed(const Error& error) {
  halted_ = halted_ || hopeless(error);
  const std::string finding = "the log stands at " + std::to_string(size_) + " records: " + error.detail;
  if (finding_ != finding && on_trouble) on_trouble(error);
  finding_ = finding;
  end_cycle();
}

void LogPublisher::end_cycle() {
  busy_ = false;
  serve_waiters();
  if (!stopped_) return;
  thread_->run([this, size = size_, done = std::exchange(stopped_, nullptr)] {
    [[maybe_unused]] const Status synced = folder_->sync(size);
    loop_.post(done);
  });
}

void LogPublisher::stop(std::function<void()> done) {
  stopping_ = true;
  if (!thread_) return done();
  stopped_ = std::move(done);
  if (busy_) return;  // end_cycle goes on
  if (halted_ || store_.head().size == size_) return end_cycle();
  begin();
}

void LogPublisher::when_covered(std::uint64_t index, std::function<void(const Status&)> done) {
  if (index < size_) return done(ok());
  if (halted_) return done(behind(finding_));
  waiters_.push_back({index, SteadyClock::now() + kLongestWait, std::move(done)});
}

void LogPublisher::serve_waiters() {
  const auto now = SteadyClock::now();
  std::vector<Waiter> ready;
  std::erase_if(waiters_, [&](Waiter& each) {
    const bool over = each.index < size_ || each.until <= now || halted_;
    if (over) ready.push_back(std::move(each));
    return over;
  });
  for (const Waiter& each : ready) {
    each.done(each.index < size_ ? ok()
                                 : Status(behind("no checkpoint covers record " + std::to_string(each.index) + " yet" +
                                                 (finding_.empty() ? "" : ": " + finding_))));
  }
}

Result<Json> LogPublisher::proof(std::uint64_t index) const {
  if (index >= size_) {
    if (index < store_.head().size) return behind("no checkpoint covers record " + std::to_string(index) + " yet");
    return Error{ErrorCode::NotFound, "there is no record " + std::to_string(index), "record_unknown"};
  }
  ASSIGN_OR_RETURN(const std::vector<Digest> proof, store_.inclusion_proof(index, size_));
  ASSIGN_OR_RETURN(const std::vector<std::string> leaves, store_.leaves(index, 1));
  if (leaves.empty())
    return Error{ErrorCode::NotFound, "there is no record " + std::to_string(index), "record_unknown"};
  return log::RecordProof{index, size_, leaves.front(), proof, note_}.to_json();
}

Result<std::string> LogPublisher::tile(std::string_view path) const {
  ASSIGN_OR_RETURN(const log::TileId id, log::TileId::parse(path));
  return log::FolderSource(config_.log.directory).read(id.path());
}

}  // namespace countersign::daemon
