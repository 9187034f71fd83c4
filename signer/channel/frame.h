// What front, holders, notifier and supervisor say to one another over socketpairs: length-prefixed frames that carry
// ids. All are our own processes, but each reader treats the other as if it were not: bounded, checked, no answer to
// nonsense.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/json_tree.h"
#include "common/result.h"
#include "keymgmt/role.h"
#include "signer/statement/statement.h"

namespace countersign::channel {

enum class FrameKind : std::uint8_t {
  // front → holder                holder → front
  Sign = 1,
  Signed = 2,  // SignJob → SignAnswer
  Canary = 3,
  CanaryGood = 4,  // sign and verify a fixed statement-less canary with every key of the holder
  WriteAnchor = 5,
  AnchorWritten = 6,  // Anchor → nothing; only the trace holder
  ReadAnchors = 7,
  Anchors = 8,  // nothing → JSON array, each {at, root, size} or {"finding"}
  Failed = 9,   // holder → front: Error of the request with that id
  // front → notifier               notifier → front
  Notify = 20,
  Notified = 21,  // JSON event; answer: JSON {"ok":bool,"detail"}
};

struct Frame {
  FrameKind kind;
  std::uint64_t id = 0;
  std::string payload;
};

// A frame where its bytes arrived.
struct FrameView {
  FrameKind kind;
  std::uint64_t id = 0;
  std::string_view payload;
};

inline constexpr std::size_t kLongestPayload = (std::size_t{1} << 20) + (std::size_t{1} << 16);

// Appends a frame to `out`: u32 little-endian payload length, u8 kind, u64 id, payload.
void append_frame(std::string& out, FrameKind kind, std::uint64_t id, std::string_view payload);
// The same where the payload is made in place: what is appended to `out` in between. begin_frame gives what end_frame
// needs; end_frame gives the payload's length.
std::size_t begin_frame(std::string& out, FrameKind kind, std::uint64_t id);
std::size_t end_frame(std::string& out, std::size_t begun);

// Collects bytes as they arrive and gives whole frames.
class FrameReader {
 public:
  void feed(std::string_view bytes);
  // The next whole frame, nothing yet, or Invalid when the peer talks nonsense (drop the connection: it cannot resume).
  // What a view shows is there until the next feed().
  Result<std::optional<FrameView>> next_view();
  Result<std::optional<Frame>> next();

 private:
  std::string buffer_;
  std::size_t start_ = 0;
};

// One statement to be signed. `statement_json` and `proof_json` are the caller's members, compact; the holder parses
// them again.
struct SignJob {
  statement::StatementType type;
  std::string kid;  // the active key the front chose; the holder refuses a kid it does not hold
  std::uint64_t sequence = 0;
  std::uint32_t peer_uid = 0;
  std::string statement_json;
  std::string proof_json;  // empty unless an approval token
  std::string encode() const;
};

// A SignJob where its bytes arrived.
struct SignJobView {
  statement::StatementType type;
  std::string_view kid;
  std::uint64_t sequence = 0;
  std::uint32_t peer_uid = 0;
  std::string_view statement_json;
  std::string_view proof_json;
  // Fails with Invalid, reason "frame_nonsense".
  static Result<SignJobView> decode(std::string_view payload);
};

struct SignAnswerHead {
  Digest job_digest;  // SHA-256 of the encoded SignJob: the front compares it with what it sent
  std::string kid;
  Digest signed_digest;
  Digest signature_digest;  // SHA-256 of the bytes in the document's `sig` (P-256: DER)
  UtcTime signed_at;
};

struct SignAnswer : SignAnswerHead {
  std::string statement_json;  // the signed document, compact, file order
  // Fails with Invalid, reason "frame_nonsense".
  static Result<SignAnswer> decode(std::string_view payload);
};

// Appends an encoded SignAnswer whose statement_json is the compact form of `document`.
void append_answer(std::string& out, const SignAnswerHead& head, const JsonNode& document);

// The ledger's state, kept outside it as well.
struct Anchor {
  std::uint64_t size = 0;
  Digest root;
  UtcTime at;
  Json to_json() const;
  static Result<Anchor> from_json(const Json& json);
};

std::string encode_error(const Error& error);
Error decode_error(std::string_view payload);  // nonsense becomes Internal

}  // namespace countersign::channel
