#include "signer/log/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

namespace countersign::log {
namespace {

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail), "checkpoint_invalid"};
}

Error untrusted(std::string reason, std::string detail, std::string hint = {}) {
  return Error{ErrorCode::VerificationFailed, std::move(detail), std::move(reason), std::move(hint)};
}

// The next line without its break; nothing where none is left.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

Result<std::uint64_t> decimal(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool leading_zero = text.size() > 1 && text.front() == '0';
  if (error != std::errc() || end != text.data() + text.size() || leading_zero ||
      number > static_cast<std::uint64_t>(INT64_MAX)) {
    return invalid("a checkpoint's size is a decimal number without leading zeroes");
  }
  return number;
}

// The first log key that signed; a key that signed wrongly ends the search.
Result<const NoteKey*> log_key_of(const SignedNote& note, std::span<const NoteKey> keys) {
  const NoteKey* signer = nullptr;
  for (const NoteKey& key : keys) {
    const Status status = note.signed_by(key);
    if (status) {
      if (signer == nullptr) signer = &key;
    } else if (status.error().code != ErrorCode::NotFound) {
      return untrusted("signature_invalid", status.error().detail);
    }
  }
  if (signer == nullptr) {
    return untrusted("signature_missing", "the checkpoint is signed by none of the log's known keys",
                     "Pin the log's key: `countersign log show --key`, from a place you trust.");
  }
  return signer;
}

}  // namespace

std::string Checkpoint::text() const {
  std::string out = origin + "\n" + std::to_string(size) + "\n" + to_base64(root.bytes()) + "\n";
  for (const std::string& extension : extensions) out += extension + "\n";
  return out;
}

Result<Checkpoint> Checkpoint::parse(std::string_view text) {
  const std::optional<std::string_view> origin = take_line(text);
  const std::optional<std::string_view> size = take_line(text);
  const std::optional<std::string_view> root = take_line(text);
  if (!origin || !size || !root || origin->empty()) return invalid("a checkpoint has an origin, a size and a root");
  Checkpoint checkpoint;
  checkpoint.origin = std::string(*origin);
  ASSIGN_OR_RETURN(checkpoint.size, decimal(*size));
  const Result<Bytes> bytes = from_base64(*root);
  if (!bytes || bytes->size() != Digest::kSize) return invalid("a checkpoint's root is base64 of 32 bytes");
  checkpoint.root = *Digest::from_bytes(*bytes);
  while (!text.empty()) {
    const std::optional<std::string_view> line = take_line(text);
    if (!line || line->empty()) return invalid("an extension of a checkpoint is a line that is not empty");
    checkpoint.extensions.emplace_back(*line);
  }
  return checkpoint;
}

Result<CheckpointTrust> trust_in(const keymgmt::KeySet& keys, std::string_view note) {
  ASSIGN_OR_RETURN(const SignedNote parsed, SignedNote::parse(note));
  ASSIGN_OR_RETURN(const Checkpoint claimed, Checkpoint::parse(parsed.text()));
  CheckpointTrust trust;
  for (const keymgmt::PublishedKey& key : keys.keys()) {
    if (key.role != keymgmt::Role::Log || key.compromised_since) continue;
    Result<NoteKey> named = NoteKey::of(claimed.origin, NoteSignatureType::Ed25519, key.key);
    if (named) trust.log_keys.push_back(*std::move(named));
  }
  return trust;
}

Result<TrustedCheckpoint> TrustedCheckpoint::open(std::string_view text, const CheckpointTrust& trust) {
  ASSIGN_OR_RETURN(SignedNote note, SignedNote::parse(text));
  ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::parse(note.text()));
  ASSIGN_OR_RETURN(const NoteKey* signer, log_key_of(note, trust.log_keys));
  if (signer->name() != checkpoint.origin) {
    return untrusted("origin_mismatch",
                     "the checkpoint of " + checkpoint.origin + " is signed by the key of " + signer->name());
  }
  std::vector<std::string> cosigners;
  std::set<std::string> counted;  // kids
  for (const NoteKey& witness : trust.witnesses) {
    const Result<Cosignature> cosigned = note.cosigned_by(witness);
    if (!cosigned && cosigned.error().code != ErrorCode::NotFound) {
      return untrusted("signature_invalid", cosigned.error().detail);
    }
    if (cosigned && counted.insert(witness.key().kid()).second) cosigners.push_back(witness.name());
  }
  if (cosigners.size() < trust.required) {
    return untrusted("witness_missing", "the checkpoint of size " + std::to_string(checkpoint.size) + " bears " +
                                            std::to_string(cosigners.size()) + " of " + std::to_string(trust.required) +
                                            " required witness signatures");
  }
  return TrustedCheckpoint(std::move(checkpoint), std::move(note), *signer, std::move(cosigners));
}

}  // namespace countersign::log
