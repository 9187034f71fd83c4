#include "signer/holder/frame_loop.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "signer/holder/anchors.h"

namespace countersign::holder {
namespace {

using channel::FrameKind;
using channel::HolderExit;

constexpr std::size_t kReadAtOnce = std::size_t{256} << 10;
// The front works on these while we sign the next ones.
constexpr std::size_t kAnswersPerWrite = 16;
// Jobs that take each step together: enough to share what a step costs at first, few enough for the caches.
constexpr std::size_t kJobsAtOnce = 8;
constexpr int kReadsPerLookAround = 64;

std::size_t most_memory_so_far() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) << 10;
}

Error too_long() {
  return Error{ErrorCode::TooLarge, "the signed document would be longer than a frame"};
}

bool token_is_gone(const Error& error) {
  return channel::holder_exit_for(error) == HolderExit::TokenGone;
}

}  // namespace

// A signing job between its steps.
struct FrameLoop::Job {
  std::uint64_t id;
  std::string_view payload;  // in the reader's buffer, which is not fed before the job is answered
  channel::SignJobView job;
  std::optional<Result<SignDesk::Draft>> draft;
  std::optional<Result<Bytes>> signature;
};

FrameLoop::FrameLoop(int control, int frames, const config::HolderSettings& settings, const StartedHolder& started,
                     const Clock& clock)
    : control_(control),
      frames_(frames),
      settings_(settings),
      started_(started),
      desk_(settings, started.keys, clock),
      buffer_(kReadAtOnce, '\0') {
  jobs_.reserve(kJobsAtOnce);
}

FrameLoop::~FrameLoop() = default;

void FrameLoop::end(HolderExit exit, Error error) {
  if (ended_) return;
  ended_ = true;
  end_ = {exit, std::move(error)};
}

LoopEnd FrameLoop::run() {
  for (int reads = 0; !ended_; ++reads) {
    const ssize_t ready =
        reads % kReadsPerLookAround == 0 ? -1 : recv(frames_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (ready < 0) {
      if (most_memory_so_far() > settings_.memory) {
        end(HolderExit::Memory,
            {ErrorCode::Unavailable, "the holder grew past " + std::to_string(settings_.memory) + " bytes"});
        break;
      }
      if (!read_some()) break;
    } else if (ready == 0) {
      break;
    } else {
      reader_.feed(std::string_view(buffer_).substr(0, static_cast<std::size_t>(ready)));
    }
    answer_waiting();
    if (!flush()) break;
  }
  flush();
  return end_;
}

bool FrameLoop::read_some() {
  for (;;) {
    pollfd watched[] = {{frames_, POLLIN, 0}, {control_, POLLIN, 0}};
    if (poll(watched, 2, -1) < 0) {
      if (errno == EINTR) continue;
      end(HolderExit::Internal, {ErrorCode::Internal, std::string("poll: ") + std::strerror(errno)});
      return false;
    }
    // The supervisor says nothing after the settings: whatever comes on control is its end, or no word of ours.
    if (watched[1].revents != 0) return false;
    if (watched[0].revents == 0) continue;
    const ssize_t got = recv(frames_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return false;
    reader_.feed(std::string_view(buffer_).substr(0, static_cast<std::size_t>(got)));
    return true;
  }
}

void FrameLoop::answer_waiting() {
  for (;;) {
    Result<std::optional<channel::FrameView>> frame = reader_.next_view();
    const bool is_job = frame && frame->has_value() && (*frame)->kind == FrameKind::Sign;
    if (!is_job) answer_jobs();
    if (!frame) return end(HolderExit::PeerNonsense, std::move(frame).error());
    if (!frame->has_value()) return;
    if (is_job) {
      take(**frame);
    } else {
      answer(**frame);
    }
    if (ended_ && end_.exit == HolderExit::PeerNonsense) return;
    if (waiting_answers_ >= kAnswersPerWrite && !flush()) return;
  }
}

// Once the token is gone every job that has arrived is told so, none is left without an answer.
Error FrameLoop::gone() const {
  return Error{ErrorCode::Unavailable, end_.error.detail, end_.error.reason};
}

void FrameLoop::answer(const channel::FrameView& frame) {
  FrameKind kind = FrameKind::Failed;
  Result<std::string> payload = ended_ ? Result<std::string>(gone()) : answer_to(frame, kind);
  if (ended_ && end_.exit == HolderExit::PeerNonsense) return;
  respond(frame.id, kind, std::move(payload));
}

void FrameLoop::respond(std::uint64_t id, FrameKind kind, Result<std::string> payload) {
  if (payload && payload->size() > channel::kLongestPayload) {
    payload = too_long();
  }
  if (payload) {
    channel::append_frame(out_, kind, id, *payload);
  } else {
    if (token_is_gone(payload.error())) end(HolderExit::TokenGone, payload.error());
    channel::append_frame(out_, FrameKind::Failed, id, channel::encode_error(payload.error()));
  }
  ++waiting_answers_;
}

void FrameLoop::take(const channel::FrameView& frame) {
  if (ended_) return respond(frame.id, FrameKind::Failed, gone());
  const Result<channel::SignJobView> job = channel::SignJobView::decode(frame.payload);
  if (!job) {
    answer_jobs();
    return end(HolderExit::PeerNonsense, job.error());
  }
  // A proof counts once: the next job is looked at after it was used up.
  const bool alone = statement::row_of(job->type).role == keymgmt::Role::Approval;
  if (alone) answer_jobs();
  jobs_.push_back({frame.id, frame.payload, *job, {}, {}});
  if (alone || jobs_.size() == kJobsAtOnce) answer_jobs();
}

void FrameLoop::finish(Job& job) {
  if (!*job.draft) return respond(job.id, FrameKind::Failed, std::move(*job.draft).error());
  if (!*job.signature) return respond(job.id, FrameKind::Failed, std::move(*job.signature).error());
  const Result<SignDesk::Sealed> made = desk_.finish(job.job, **std::move(job.draft), **job.signature, job.payload);
  if (!made) return respond(job.id, FrameKind::Failed, made.error());
  const std::size_t begun = channel::begin_frame(out_, FrameKind::Signed, job.id);
  channel::append_answer(out_, made->head, made->document.root());
  if (channel::end_frame(out_, begun) > channel::kLongestPayload) {
    out_.resize(begun);
    return respond(job.id, FrameKind::Failed, too_long());
  }
  ++waiting_answers_;
}

void FrameLoop::answer_jobs() {
  for (Job& each : jobs_) each.draft = desk_.draft(each.job);
  for (Job& each : jobs_) {
    if (!*each.draft) continue;
    each.signature = ended_ ? Result<Bytes>(gone()) : SignDesk::sign(**each.draft);
    if (!*each.signature && token_is_gone(each.signature->error())) end(HolderExit::TokenGone, each.signature->error());
  }
  for (Job& each : jobs_) finish(each);
  jobs_.clear();
}

Result<std::string> FrameLoop::answer_to(const channel::FrameView& frame, FrameKind& kind) {
  const auto nonsense = [this](Error error) {
    end(HolderExit::PeerNonsense, error);
    return error;
  };
  switch (frame.kind) {
    case FrameKind::Canary:
      kind = FrameKind::CanaryGood;
      RETURN_IF_ERROR(started_.keys.check_canaries());
      return std::string();
    case FrameKind::WriteAnchor: {
      const Result<Json> json = Json::parse(frame.payload);
      const Result<channel::Anchor> anchor =
          json ? channel::Anchor::from_json(*json) : Result<channel::Anchor>(json.error());
      if (!anchor) return nonsense(anchor.error());
      if (!settings_.anchors) break;
      kind = FrameKind::AnchorWritten;
      RETURN_IF_ERROR(write_anchor(started_.session, *anchor));
      return std::string();
    }
    case FrameKind::ReadAnchors: {
      if (!settings_.anchors) break;
      kind = FrameKind::Anchors;
      ASSIGN_OR_RETURN(const Json anchors, read_anchors(started_.session));
      return anchors.compact();
    }
    case FrameKind::Sign:  // taken in by take()
    case FrameKind::Signed:
    case FrameKind::CanaryGood:
    case FrameKind::AnchorWritten:
    case FrameKind::Anchors:
    case FrameKind::Failed:
    case FrameKind::Notify:
    case FrameKind::Notified:
      return nonsense({ErrorCode::Invalid, "the front sent a frame that only a holder or notifier writes or reads"});
  }
  return Error{ErrorCode::Refused, "only the first holder of the trace role keeps anchors", "no_anchors_here"};
}

bool FrameLoop::flush() {
  std::string_view rest = out_;
  while (!rest.empty()) {
    const ssize_t sent = send(frames_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      // The front is gone, or its socket is: a new pair of processes goes on.
      end(HolderExit::Stopped, {ErrorCode::Unavailable, "the front closed its end"});
      break;
    }
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  out_.clear();
  waiting_answers_ = 0;
  return rest.empty();
}

}  // namespace countersign::holder
