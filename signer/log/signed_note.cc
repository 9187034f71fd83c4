#include "signer/log/signed_note.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "common/digest.h"
#include "common/text.h"

namespace countersign::log {
namespace {

constexpr std::string_view kDash = "\xe2\x80\x94 ";  // em dash and space
constexpr std::size_t kIdBytes = 4;
constexpr std::size_t kTimeBytes = 8;
constexpr std::size_t kEd25519Bytes = 64;
constexpr std::size_t kLongestName = 255;

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail), "note_invalid"};
}

bool has_control(std::string_view text, bool line_breaks_allowed) {
  return std::any_of(text.begin(), text.end(), [line_breaks_allowed](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && !(line_breaks_allowed && c == '\n')) || byte == 0x7f;
  });
}

// Unicode's White_Space beyond ASCII, in UTF-8.
constexpr std::string_view kWideSpaces[] = {
    "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82", "\xe2\x80\x83",
    "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a",
    "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};

Status check_name(std::string_view name) {
  const bool spaced = name.find(' ') != std::string_view::npos ||
                      std::any_of(std::begin(kWideSpaces), std::end(kWideSpaces), [name](std::string_view space) {
                        return name.find(space) != std::string_view::npos;
                      });
  if (name.empty() || name.size() > kLongestName || !is_utf8(name) || spaced || has_control(name, false) ||
      name.find('+') != std::string_view::npos) {
    return invalid("the name of a note's key must be 1 to 255 bytes without white space, control characters and \"+\"");
  }
  return ok();
}

std::uint32_t big_endian(ByteView bytes) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < kIdBytes; ++i) number = (number << 8) | bytes[i];
  return number;
}

Bytes with_id(std::uint32_t id, ByteView rest) {
  Bytes out;
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(id >> shift));
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

std::string id_digits(std::uint32_t id) {
  return to_hex(with_id(id, {}));
}

Error does_not_verify(const NoteKey& key) {
  return Error{ErrorCode::VerificationFailed, "the note's signature by " + key.name() + " does not verify",
               "signature_invalid"};
}

Error not_signed(const NoteKey& key) {
  return Error{ErrorCode::NotFound, "the note bears no signature by " + key.name() + " (" + id_digits(key.id()) + ")",
               "signature_missing"};
}

}  // namespace

Result<NoteKey> NoteKey::of(std::string name, NoteSignatureType type, keymgmt::PublicKey key) {
  RETURN_IF_ERROR(check_name(name));
  if (key.algorithm() != keymgmt::Algorithm::Ed25519) return invalid("a note is signed by Ed25519 keys only");
  constexpr std::uint8_t kLineBreak = '\n';
  const auto type_byte = static_cast<std::uint8_t>(type);
  const Digest digest = sha256({view_of(name), ByteView(&kLineBreak, 1), ByteView(&type_byte, 1), key.raw()});
  const std::uint32_t id = big_endian(digest.bytes());
  return NoteKey(std::move(name), type, std::move(key), id);
}

Result<NoteKey> NoteKey::parse(std::string_view verifier_key) {
  const std::size_t first = verifier_key.find('+');
  const std::size_t second = first == std::string_view::npos ? first : verifier_key.find('+', first + 1);
  if (second == std::string_view::npos) return invalid("a verifier key is NAME+ID+KEY");
  const std::string_view id_text = verifier_key.substr(first + 1, second - first - 1);
  ASSIGN_OR_RETURN(const Bytes material, from_base64(verifier_key.substr(second + 1)));
  if (material.empty()) return invalid("a verifier key has a type and a key");
  const auto type = static_cast<NoteSignatureType>(material.front());
  if (type != NoteSignatureType::Ed25519 && type != NoteSignatureType::Cosignature) {
    return invalid("a verifier key's type must be 1 (Ed25519) or 4 (cosignature), not " +
                   std::to_string(material.front()));
  }
  ASSIGN_OR_RETURN(keymgmt::PublicKey key,
                   keymgmt::PublicKey::from_raw(keymgmt::Algorithm::Ed25519, ByteView(material).subspan(1)));
  ASSIGN_OR_RETURN(NoteKey made, of(std::string(verifier_key.substr(0, first)), type, std::move(key)));
  if (id_text != id_digits(made.id())) return invalid("the id in a verifier key must be " + id_digits(made.id()));
  return made;
}

std::string NoteKey::verifier_key() const {
  Bytes material{static_cast<std::uint8_t>(type_)};
  material.insert(material.end(), key_.raw().begin(), key_.raw().end());
  return name_ + "+" + id_digits(id_) + "+" + to_base64(material);
}

std::string NoteSignature::line() const {
  return std::string(kDash) + name + " " + to_base64(with_id(id, bytes)) + "\n";
}

Result<NoteSignature> NoteSignature::parse(std::string_view line) {
  if (!line.starts_with(kDash)) return invalid("a signature line of a note begins with an em dash and a space");
  line.remove_prefix(kDash.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return invalid("a signature line of a note is a dash, a name and base64");
  NoteSignature signature;
  signature.name = std::string(line.substr(0, space));
  RETURN_IF_ERROR(check_name(signature.name));
  const Result<Bytes> all = from_base64(line.substr(space + 1));
  if (!all || all->size() <= kIdBytes) return invalid("a signature line of a note holds an id and a signature");
  signature.id = big_endian(*all);
  signature.bytes.assign(all->begin() + kIdBytes, all->end());
  return signature;
}

std::string cosigned_message(std::uint64_t time, std::string_view text) {
  return "cosignature/v1\ntime " + std::to_string(time) + "\n" + std::string(text);
}

Result<SignedNote> SignedNote::parse(std::string_view note) {
  if (note.size() > kLongest) return Error{ErrorCode::TooLarge, "a note is at most 64 KiB", "note_invalid"};
  if (!is_utf8(note) || has_control(note, true)) {
    return invalid("a note is UTF-8 without control characters but line breaks");
  }
  const std::size_t gap = note.rfind("\n\n");
  if (gap == std::string_view::npos || gap == 0) return invalid("a note is a text, an empty line and signatures");
  if (!note.ends_with('\n') || gap + 2 == note.size()) return invalid("a note ends with a line of a signature");
  ASSIGN_OR_RETURN(std::vector<NoteSignature> signatures, parse_signature_lines(note.substr(gap + 2)));
  return SignedNote(std::string(note.substr(0, gap + 1)), std::move(signatures));
}

std::string SignedNote::note() const {
  std::string out = text_ + "\n";
  for (const NoteSignature& signature : signatures_) out += signature.line();
  return out;
}

Status SignedNote::signed_by(const NoteKey& key) const {
  if (key.type() == NoteSignatureType::Cosignature) {
    const Result<Cosignature> cosigned = cosigned_by(key);
    return cosigned ? ok() : Status(cosigned.error());
  }
  bool found = false;
  for (const NoteSignature& signature : signatures_) {
    if (signature.name != key.name() || signature.id != key.id()) continue;
    if (!key.key().verify(view_of(text_), signature.bytes)) return does_not_verify(key);
    found = true;
  }
  if (!found) return not_signed(key);
  return ok();
}

Result<Cosignature> SignedNote::cosigned_by(const NoteKey& key) const {
  std::optional<Cosignature> newest;
  for (const NoteSignature& signature : signatures_) {
    if (signature.name != key.name() || signature.id != key.id()) continue;
    if (signature.bytes.size() != kTimeBytes + kEd25519Bytes) return does_not_verify(key);
    std::uint64_t time = 0;
    for (std::size_t i = 0; i < kTimeBytes; ++i) time = (time << 8) | signature.bytes[i];
    if (time > static_cast<std::uint64_t>(INT64_MAX)) return does_not_verify(key);
    const std::string message = cosigned_message(time, text_);
    if (!key.key().verify(view_of(message), ByteView(signature.bytes).subspan(kTimeBytes))) return does_not_verify(key);
    if (!newest || newest->time < time) newest = Cosignature{time};
  }
  if (!newest) return not_signed(key);
  return *newest;
}

Result<std::vector<NoteSignature>> parse_signature_lines(std::string_view lines) {
  std::vector<NoteSignature> signatures;
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    if (end == std::string_view::npos) return invalid("a signature line ends with a line break");
    ASSIGN_OR_RETURN(NoteSignature signature, NoteSignature::parse(lines.substr(0, end)));
    if (signatures.size() == SignedNote::kMostSignatures) return invalid("a note has at most 64 signatures");
    signatures.push_back(std::move(signature));
    lines.remove_prefix(end + 1);
  }
  if (signatures.empty()) return invalid("there is no signature line");
  return signatures;
}

}  // namespace countersign::log
