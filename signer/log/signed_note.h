// Signed notes (C2SP signed-note): a text and the signatures below it, each named by a key's name and a 32-bit id.
// What checkpoints of the log are written as, and what witnesses add their signatures to.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "common/result.h"
#include "keymgmt/public_key.h"

namespace countersign::log {

// How the key signs, as the type byte of its id says.
enum class NoteSignatureType : std::uint8_t {
  Ed25519 = 0x01,      // over the text
  Cosignature = 0x04,  // C2SP tlog-cosignature: time and Ed25519 over "cosignature/v1\ntime T\n" and the text
};

// A key under its name in notes.
class NoteKey {
 public:
  // Fails with Invalid on a name that is empty or has white space, "+", a control character or bad UTF-8, and on a key
  // that is not Ed25519.
  static Result<NoteKey> of(std::string name, NoteSignatureType type, keymgmt::PublicKey key);
  // "NAME+IIIIIIII+BASE64(type || key)", the verifier key of C2SP signed-note. Fails with Invalid, also where the id is
  // not the key's.
  static Result<NoteKey> parse(std::string_view verifier_key);

  const std::string& name() const { return name_; }
  NoteSignatureType type() const { return type_; }
  const keymgmt::PublicKey& key() const { return key_; }
  std::uint32_t id() const { return id_; }
  std::string verifier_key() const;

 private:
  NoteKey(std::string name, NoteSignatureType type, keymgmt::PublicKey key, std::uint32_t id)
      : name_(std::move(name)), type_(type), key_(std::move(key)), id_(id) {}
  std::string name_;
  NoteSignatureType type_;
  keymgmt::PublicKey key_;
  std::uint32_t id_;
};

struct NoteSignature {
  std::string name;
  std::uint32_t id = 0;
  Bytes bytes;  // behind the id

  // "— NAME BASE64\n".
  std::string line() const;
  static Result<NoteSignature> parse(std::string_view line);  // without the line break
};

// What a cosignature says beside its text.
struct Cosignature {
  std::uint64_t time = 0;  // POSIX seconds
};
// The bytes that a cosignature of `text` at `time` signs.
std::string cosigned_message(std::uint64_t time, std::string_view text);

class SignedNote {
 public:
  // Bounds of what is read: notes are a few hundred bytes.
  static constexpr std::size_t kLongest = std::size_t{64} << 10;
  static constexpr std::size_t kMostSignatures = 64;

  // Fails with Invalid on anything that the format does not allow: control characters, bad UTF-8, no signature, …
  static Result<SignedNote> parse(std::string_view note);
  // `text` ends with a line break. Precondition: it is a valid note text.
  SignedNote(std::string text, std::vector<NoteSignature> signatures)
      : text_(std::move(text)), signatures_(std::move(signatures)) {}

  const std::string& text() const { return text_; }
  const std::vector<NoteSignature>& signatures() const { return signatures_; }
  std::string note() const;  // text, empty line, signature lines
  void add(NoteSignature signature) { signatures_.push_back(std::move(signature)); }

  // Whether `key` signed the text. Fails with NotFound where no signature bears its name and id, with
  // VerificationFailed where one does and does not verify: such a note is refused whole.
  Status signed_by(const NoteKey& key) const;
  // The same of a cosigner: when it signed. Of several signatures of one cosigner the newest counts, all must verify.
  Result<Cosignature> cosigned_by(const NoteKey& key) const;

 private:
  std::string text_;
  std::vector<NoteSignature> signatures_;
};

// Lines of signatures as a witness answers them. Fails with Invalid on anything else.
Result<std::vector<NoteSignature>> parse_signature_lines(std::string_view lines);

}  // namespace countersign::log
