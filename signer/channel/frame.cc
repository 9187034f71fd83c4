#include "signer/channel/frame.h"

#include <algorithm>

#include "signer/channel/packing.h"

namespace countersign::channel {
namespace {

constexpr std::size_t kHeader = sizeof(std::uint32_t) + sizeof(std::uint8_t) + sizeof(std::uint64_t);

// A detail may quote what the caller sent; no more of it than a person reads.
constexpr std::size_t kLongestDetail = 1024;

bool is_kind(std::uint8_t value) {
  switch (static_cast<FrameKind>(value)) {
    case FrameKind::Sign:
    case FrameKind::Signed:
    case FrameKind::Canary:
    case FrameKind::CanaryGood:
    case FrameKind::WriteAnchor:
    case FrameKind::AnchorWritten:
    case FrameKind::ReadAnchors:
    case FrameKind::Anchors:
    case FrameKind::Failed:
    case FrameKind::Notify:
    case FrameKind::Notified:
      return true;
  }
  return false;
}

bool is_type(std::uint8_t value) {
  const auto rows = statement::statement_rows();
  return std::any_of(rows.begin(), rows.end(), [value](const statement::StatementRow& row) {
    return static_cast<std::uint8_t>(row.type) == value;
  });
}

Error nonsense(std::string_view what) {
  return Error{ErrorCode::Invalid, "the peer sent " + std::string(what), "frame_nonsense"};
}

}  // namespace

std::size_t begin_frame(std::string& out, FrameKind kind, std::uint64_t id) {
  const std::size_t begun = begin_text(out);
  pack_number(out, static_cast<std::uint8_t>(kind));
  pack_number(out, id);
  return begun;
}

std::size_t end_frame(std::string& out, std::size_t begun) {
  const std::size_t length = out.size() - begun - kHeader;
  put_number(out, begun, static_cast<std::uint32_t>(length));
  return length;
}

void append_frame(std::string& out, FrameKind kind, std::uint64_t id, std::string_view payload) {
  const std::size_t begun = begin_frame(out, kind, id);
  out += payload;
  end_frame(out, begun);
}

void FrameReader::feed(std::string_view bytes) {
  if (start_ > 0) {
    buffer_.erase(0, start_);
    start_ = 0;
  }
  buffer_ += bytes;
}

Result<std::optional<FrameView>> FrameReader::next_view() {
  const std::string_view waiting = std::string_view(buffer_).substr(start_);
  if (waiting.size() < kHeader) return std::optional<FrameView>();
  Unpacker header(waiting.substr(0, kHeader));
  const auto length = header.number<std::uint32_t>();
  const auto kind = header.number<std::uint8_t>();
  const auto id = header.number<std::uint64_t>();
  if (length > kLongestPayload) return nonsense("a frame that is longer than any of ours");
  if (!is_kind(kind)) return nonsense("a frame of an unknown kind");
  if (waiting.size() < kHeader + length) return std::optional<FrameView>();
  start_ += kHeader + length;
  return std::optional<FrameView>(FrameView{static_cast<FrameKind>(kind), id, waiting.substr(kHeader, length)});
}

Result<std::optional<Frame>> FrameReader::next() {
  ASSIGN_OR_RETURN(const std::optional<FrameView> view, next_view());
  if (!view) return std::optional<Frame>();
  return std::optional<Frame>(Frame{view->kind, view->id, std::string(view->payload)});
}

std::string SignJob::encode() const {
  std::string out;
  out.reserve(64 + kid.size() + statement_json.size() + proof_json.size());
  pack_number(out, static_cast<std::uint8_t>(type));
  pack_text(out, kid);
  pack_number(out, sequence);
  pack_number(out, peer_uid);
  pack_text(out, statement_json);
  pack_text(out, proof_json);
  return out;
}

Result<SignJobView> SignJobView::decode(std::string_view payload) {
  Unpacker in(payload);
  const auto type = in.number<std::uint8_t>();
  SignJobView job{static_cast<statement::StatementType>(type)};
  job.kid = in.text();
  job.sequence = in.number<std::uint64_t>();
  job.peer_uid = in.number<std::uint32_t>();
  job.statement_json = in.text();
  job.proof_json = in.text();
  if (!in.whole() || !is_type(type)) return nonsense("a signing job that does not read");
  return job;
}

void append_answer(std::string& out, const SignAnswerHead& head, const JsonNode& document) {
  pack_digest(out, head.job_digest);
  pack_text(out, head.kid);
  pack_digest(out, head.signed_digest);
  pack_digest(out, head.signature_digest);
  pack_time(out, head.signed_at);
  const std::size_t begun = begin_text(out);
  document.append_compact(out);
  end_text(out, begun);
}

Result<SignAnswer> SignAnswer::decode(std::string_view payload) {
  Unpacker in(payload);
  SignAnswer answer;
  answer.job_digest = in.digest();
  answer.kid = in.text();
  answer.signed_digest = in.digest();
  answer.signature_digest = in.digest();
  answer.signed_at = in.time();
  answer.statement_json = in.text();
  if (!in.whole()) return nonsense("an answer that does not read");
  return answer;
}

Json Anchor::to_json() const {
  return Json::object({{"at", at.rfc3339()}, {"root", root.hex()}, {"size", size}});
}

Result<Anchor> Anchor::from_json(const Json& json) {
  const Json* count = json.find("size");
  if (!json.is_object() || json.as_object().size() != 3 || count == nullptr || !count->is_integer() ||
      count->as_integer() < 0) {
    return Error{ErrorCode::Invalid, "an anchor is {at, root, size} and nothing else"};
  }
  Anchor anchor;
  anchor.size = static_cast<std::uint64_t>(count->as_integer());
  ASSIGN_OR_RETURN(anchor.root, Digest::parse(json.text("root")));
  ASSIGN_OR_RETURN(anchor.at, UtcTime::parse(json.text("at")));
  return anchor;
}

std::string encode_error(const Error& error) {
  std::string detail = error.detail;
  if (detail.size() > kLongestDetail) {
    std::size_t end = kLongestDetail;
    while (end > 0 && (static_cast<unsigned char>(detail[end]) & 0xc0) == 0x80) --end;
    detail = detail.substr(0, end) + "…";
  }
  return Json::object({{"code", row_of(error.code).name},
                       {"detail", std::move(detail)},
                       {"reason", error.reason},
                       {"hint", error.hint}})
      .compact();
}

Error decode_error(std::string_view payload) {
  const Result<Json> json = Json::parse(payload);
  const std::optional<ErrorCode> code = json ? error_code_named(json->text("code")) : std::nullopt;
  if (!code) return Error{ErrorCode::Internal, "a process of the signer sent an error that does not read"};
  return Error{*code, std::string(json->text("detail")), std::string(json->text("reason")),
               std::string(json->text("hint"))};
}

}  // namespace countersign::channel
