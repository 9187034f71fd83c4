#include "signer/daemon/publisher.h"

#include <unistd.h>

#include <utility>

namespace countersign::daemon {

using publication::OnlineFiles;
using publication::Repository;
using statement::StatementType;

namespace {

constexpr std::chrono::seconds kLongestWait{10};  // for a holder that starts, as after each change of its own keys
constexpr std::chrono::milliseconds kTryAgain{100};

// Confined, the front reaches the folder that was there at its start, and no other that took its name.
constexpr const char* kOutOfReach =
    "It is tried again every few seconds. Where the directory was removed or replaced, start countersignd again: a "
    "running one writes only into the directory that was there when it started.";

bool is_passing(const Error& error) {
  return error.reason == "role_unavailable" || error.reason == "holder_lost";
}

}  // namespace

// One publication, from what is true when it begins.
struct Publisher::Round {
  std::vector<Done> done;
  keymgmt::KeySet keys;
  OnlineFiles online;
  std::vector<std::string> tampered;
  std::uint64_t generation = 0;  // of the repository
  std::chrono::steady_clock::time_point give_up = std::chrono::steady_clock::now() + kLongestWait;
};

Status Publisher::open() {
  if (config_.role(keymgmt::Role::Publication) == nullptr) return ok();
  Result<Repository> loaded = Repository::load(config_.state);
  if (loaded) {
    repository_ = *std::move(loaded);
    return ok();
  }
  return loaded.error().code == ErrorCode::NotFound ? ok() : Status(loaded.error());
}

void Publisher::start(Recorder& recorder, Tampered tampered) {
  recorder_ = &recorder;
  tampered_ = std::move(tampered);
}

Status Publisher::accept(const publication::CustodianFiles& files) {
  if (writing_) {
    return Error{ErrorCode::Conflict, "the key set is being published", "keys_changing", "Ask again."};
  }
  Result<Repository> next = repository_ ? repository_->with(files) : Repository::begun(files);
  if (!next) return next.error();
  RETURN_IF_ERROR(next->save(config_.state));
  repository_ = *std::move(next);
  ++generation_;  // what is under way begins again
  return ok();
}

Status Publisher::may_publish() const {
  if (!repository_) return ok();
  for (const keymgmt::PublishedKey& key : ring_.set().keys()) {
    if (repository_->keys().find(key.key.kid()) != nullptr) continue;
    return Error{ErrorCode::Refused,
                 "the custodians have not signed the key " + key.key.kid() + ", which the ledger says is published",
                 "unsigned_key", "Have the custodians sign the key set; until then what is published grows old."};
  }
  return ok();
}

void Publisher::publish(Done done) {
  waiting_.push_back(std::move(done));
  if (!busy_) next_round();
}

void Publisher::next_round() {
  busy_ = true;
  const auto round = std::make_shared<Round>();
  round->done = std::exchange(waiting_, {});
  round->keys = ring_.set();
  round->generation = generation_;
  if (config_.publication.empty()) return finish(round, ok());
  if (const Status may = may_publish(); !may) return finish(round, may);
  if (!repository_) return write(round);
  if (const Status free = publication::check_directory(config_.publication, round->keys, &*repository_); !free) {
    return finish(round, free);
  }
  round->online.revocations = publication::Revocations(round->keys.keys()).document().gait_file();
  const auto life = config_.publication_lifetime;
  sign(round, StatementType::TufRevoked, repository_->revoked_fields(round->online.revocations, life),
       &OnlineFiles::revoked, [this, round, life] {
         sign(round, StatementType::TufSnapshot, repository_->snapshot_fields(round->online.revoked, life),
              &OnlineFiles::snapshot, [this, round, life] {
                sign(round, StatementType::TufTimestamp, repository_->timestamp_fields(round->online.snapshot, life),
                     &OnlineFiles::timestamp, [this, round] { write(round); });
              });
       });
}

void Publisher::sign(const std::shared_ptr<Round>& round, StatementType type, const Json& fields,
                     std::string OnlineFiles::*file, std::function<void()> then) {
  if (round->generation != generation_) return begin_again(round);
  const std::string* kid = ring_.signing_kid(type);
  if (kid == nullptr) return finish(round, ring_.no_signing_key(type));
  if (!repository_->may_publish(ring_.set().find(*kid)->key)) {
    return finish(round, Error{ErrorCode::Refused, "root.json does not let the key " + *kid + " publish",
                               "publication_keys", "Have the custodians sign a root that names it."});
  }
  const channel::SignJob job{type, *kid, 0, ::geteuid(), fields.compact(), ""};
  std::string payload = job.encode();
  const Digest digest = sha256(payload);
  holders_.ask(keymgmt::Role::Publication, channel::FrameKind::Sign, std::move(payload),
               [this, round, type, fields, kid = *kid, digest, file,
                then = std::move(then)](const Result<std::string_view>& answered) {
                 if (!answered) {
                   if (!is_passing(answered.error()) || std::chrono::steady_clock::now() > round->give_up) {
                     return finish(round, answered.error());
                   }
                   return loop_.after(
                       kTryAgain, [this, round, type, fields, file, then] { sign(round, type, fields, file, then); });
                 }
                 const Result<channel::SignAnswer> answer = channel::SignAnswer::decode(*answered);
                 if (!answer) return finish(round, answer.error());
                 if (answer->job_digest != digest || answer->kid != kid) {
                   return finish(round, Error{ErrorCode::Internal, "the holder's answer is not for this request",
                                              "holder_mismatch"});
                 }
                 if (!ring_.signs(kid)) {
                   return finish(round, Error{ErrorCode::Unavailable, "key " + kid + " stopped signing meanwhile",
                                              "key_changed"});
                 }
                 const statement::StatementRow& row = statement::row_of(type);
                 ledger::Item item;
                 item.record.kind = "signed";
                 item.record.at = answer->signed_at;
                 item.record.type = std::string(row.name);
                 item.record.role = std::string(keymgmt::name_of(row.role));
                 item.record.kid = kid;
                 item.record.body_digest = answer->signed_digest;
                 item.record.signature_digest = answer->signature_digest;
                 item.record.peer_uid = ::geteuid();
                 item.record.body = std::string(answer->statement_json);
                 recorder_->record(std::move(item), [this, round, file, text = std::string(answer->statement_json),
                                                     then](const Result<ledger::Committed>& recorded) {
                   if (!recorded) return finish(round, recorded.error());
                   round->online.*file = text;
                   then();
                 });
               });
}

void Publisher::begin_again(const std::shared_ptr<Round>& round) {
  waiting_.insert(waiting_.begin(), round->done.begin(), round->done.end());
  next_round();
}

void Publisher::write(const std::shared_ptr<Round>& round) {
  if (round->generation != generation_) return begin_again(round);
  if (repository_) {
    if (const Status taken = repository_->take(round->online); !taken) return finish(round, taken);
  }
  // On the ledger's thread: it may sync while this one listens.
  auto files = std::make_shared<publication::Files>();
  const Repository* repository = repository_ ? &*repository_ : nullptr;
  *files = publication::directory_files(round->keys, repository);
  const auto copy = std::make_shared<std::optional<Repository>>(repository_);
  const auto before = published_;
  writing_ = true;
  const Status accepted = recorder_->perform([this, round, files, copy, before](ledger::Store&) {
    // The versions are kept before anybody sees them, so that none is ever given to two contents.
    Status written = copy->has_value() ? (*copy)->save(config_.state) : ok();
    if (written && !copy->has_value()) {
      written = publication::check_directory(config_.publication, round->keys, nullptr);
    }
    if (written) {
      Result<std::vector<std::string>> changed =
          publication::write_directory(config_.publication, *files, publication::dropped_key_files(round->keys),
                                       before ? *before : publication::Files());
      if (changed) {
        round->tampered = *std::move(changed);
      } else {
        written = changed.error().hint.empty() ? Error(changed.error()).with_hint(kOutOfReach) : changed.error();
      }
    }
    loop_.post([this, round, files, written] {
      writing_ = false;
      if (written) published_ = files;
      if (!round->tampered.empty() && tampered_) tampered_(round->tampered);
      finish(round, written);
    });
  });
  if (accepted) return;
  writing_ = false;
  finish(round, accepted);
}

void Publisher::finish(const std::shared_ptr<Round>& round, const Status& status) {
  trouble_ = status ? std::nullopt : std::optional(status.error());
  busy_ = false;
  const std::vector<Done> done = std::move(round->done);
  for (const Done& each : done) each(status);
  if (!busy_ && !waiting_.empty()) next_round();
}

}  // namespace countersign::daemon
