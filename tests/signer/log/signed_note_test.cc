#include "signer/log/signed_note.h"

#include <gtest/gtest.h>

#include "signer/log/checkpoint.h"
#include "tests/support/software_key.h"

namespace countersign::log {
namespace {

using countersign::test::SoftwareKey;

NoteKey key_named(const std::string& name, const SoftwareKey& key,
                  NoteSignatureType type = NoteSignatureType::Ed25519) {
  return *NoteKey::of(name, type, key.public_key());
}

NoteSignature signature_of(const std::string& text, const NoteKey& name, const SoftwareKey& key) {
  return {name.name(), name.id(), key.sign(view_of(text))};
}

NoteSignature cosignature_of(const std::string& text, std::uint64_t time, const NoteKey& name, const SoftwareKey& key) {
  NoteSignature signature{name.name(), name.id(), {}};
  for (int shift = 56; shift >= 0; shift -= 8) signature.bytes.push_back(static_cast<std::uint8_t>(time >> shift));
  const Bytes signed_bytes = key.sign(view_of(cosigned_message(time, text)));
  signature.bytes.insert(signature.bytes.end(), signed_bytes.begin(), signed_bytes.end());
  return signature;
}

template <typename T>
std::string reason_of(const Result<T>& result) {
  return result ? "taken" : result.error().reason;
}

class SignedNoteTest : public testing::Test {
 protected:
  const SoftwareKey log_{std::uint8_t{1}}, witness_{std::uint8_t{2}}, other_{std::uint8_t{3}};
  const NoteKey log_key_ = key_named("log.example/one", log_);
  const NoteKey witness_key_ = key_named("witness.example/w1", witness_, NoteSignatureType::Cosignature);
  const Checkpoint checkpoint_{"log.example/one", 42, sha256("root")};

  std::string note(const Checkpoint& checkpoint, std::vector<NoteSignature> signatures) const {
    return SignedNote(checkpoint.text(), std::move(signatures)).note();
  }
  static std::string outcome(const Result<TrustedCheckpoint>& opened) {
    return opened ? "trusted" : opened.error().wire_code();
  }
};

// The example of C2SP signed-note: an id and signature made by somebody else's program.
TEST_F(SignedNoteTest, ReadsTheSpecificationsExample) {
  const std::string text =
      "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned \xc3\xa8 subito sera.\n";
  const std::string note = text +
                           "\n\xe2\x80\x94 quasimodo.example/salvatore "
                           "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj9"
                           "9ihAQwaqP3ZekRwNtIc=\n";
  const auto read = SignedNote::parse(note);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->text(), text) << "the text ends at the last empty line";
  ASSERT_EQ(read->signatures().size(), 1u);
  EXPECT_EQ(read->signatures()[0].name, "quasimodo.example/salvatore");
  EXPECT_EQ(read->signatures()[0].id, 0x367ba04bu);
  EXPECT_EQ(read->note(), note);
}

// The id and verifier key of the Go package's documentation.
TEST_F(SignedNoteTest, ReadsAVerifierKeyMadeElsewhere) {
  const std::string text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
  const auto key = NoteKey::parse(text);
  ASSERT_TRUE(key) << key.error().detail;
  EXPECT_EQ(key->name(), "PeterNeumann");
  EXPECT_EQ(key->id(), 0xc74f20a3u);
  EXPECT_EQ(key->verifier_key(), text);
}

TEST_F(SignedNoteTest, RefusesVerifierKeysThatAreNotTheirId) {
  const struct {
    const char* name;
    std::string key;
  } cases[] = {
      {"another id", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"},
      {"another name", "PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"},
      {"unknown type", "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"},
      {"short key", "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy1w=="},
      {"no key", "PeterNeumann+c74f20a3"},
      {"empty name", "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"},
  };
  for (const auto& each : cases) EXPECT_FALSE(NoteKey::parse(each.key)) << each.name;
}

TEST_F(SignedNoteTest, RefusesWhatIsNoNote) {
  const std::string good = note(checkpoint_, {signature_of(checkpoint_.text(), log_key_, log_)});
  ASSERT_TRUE(SignedNote::parse(good));
  const struct {
    const char* name;
    std::string note;
    std::string reason = "note_invalid";
  } cases[] = {
      {"no empty line", "text\n\xe2\x80\x94 a AAAAAAA=\n"},
      {"no signature", "text\n\n"},
      {"no last line break", good.substr(0, good.size() - 1)},
      {"a carriage return", "te\rxt\n" + good.substr(good.find("\n\n"))},
      {"a hyphen for the dash", "text\n\n- a AAAAAAA=\n"},
      {"bad base64", "text\n\n\xe2\x80\x94 a AAAA!AA=\n"},
      {"an id alone", "text\n\n\xe2\x80\x94 a AAAAAA==\n"},
      {"a plus in the name", "text\n\n\xe2\x80\x94 a+b AAAAAAA=\n"},
      {"a no-break space in the name",
       "text\n\n\xe2\x80\x94 a\xc2\xa0"
       "b AAAAAAA=\n"},
      {"bad UTF-8", "te\xff\n" + good.substr(good.find("\n\n"))},
      {"too large", std::string(SignedNote::kLongest, 'a') + good},
  };
  for (const auto& each : cases) EXPECT_EQ(reason_of(SignedNote::parse(each.note)), each.reason) << each.name;
  std::string many = checkpoint_.text() + "\n";
  for (std::size_t i = 0; i <= SignedNote::kMostSignatures; ++i) many += "\xe2\x80\x94 a AAAAAAA=\n";
  EXPECT_EQ(reason_of(SignedNote::parse(many)), "note_invalid");
}

TEST_F(SignedNoteTest, ACheckpointIsTrustedByTheLogsKeyAlone) {
  const std::string text = checkpoint_.text();
  CheckpointTrust trust;
  trust.log_keys = {log_key_};
  EXPECT_EQ(outcome(TrustedCheckpoint::open(note(checkpoint_, {signature_of(text, log_key_, log_)}), trust)),
            "trusted");
  EXPECT_EQ(outcome(TrustedCheckpoint::open(note(checkpoint_, {signature_of(text, log_key_, other_)}), trust)),
            "signature_invalid");
  const NoteKey stranger = key_named("log.example/one", other_);
  EXPECT_EQ(outcome(TrustedCheckpoint::open(note(checkpoint_, {signature_of(text, stranger, other_)}), trust)),
            "signature_missing")
      << "the same name, another id";
  Checkpoint elsewhere = checkpoint_;
  elsewhere.origin = "log.example/two";
  EXPECT_EQ(outcome(TrustedCheckpoint::open(note(elsewhere, {signature_of(elsewhere.text(), log_key_, log_)}), trust)),
            "origin_mismatch");
  EXPECT_EQ(outcome(TrustedCheckpoint::open(note(checkpoint_, {signature_of(text, log_key_, log_)}), {})),
            "signature_missing");
}

TEST_F(SignedNoteTest, RequiredWitnessesAreCountedByKey) {
  const std::string text = checkpoint_.text();
  const NoteSignature own = signature_of(text, log_key_, log_);
  const NoteSignature by_witness = cosignature_of(text, 1'700'000'000, witness_key_, witness_);
  CheckpointTrust trust;
  trust.log_keys = {log_key_};
  trust.witnesses = {witness_key_};
  trust.required = 1;
  EXPECT_EQ(outcome(TrustedCheckpoint::open(note(checkpoint_, {own}), trust)), "witness_missing");
  const auto opened = TrustedCheckpoint::open(note(checkpoint_, {own, by_witness}), trust);
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(opened->cosigners(), std::vector<std::string>{"witness.example/w1"});
  EXPECT_EQ(opened->note().cosigned_by(witness_key_)->time, 1'700'000'000u);

  NoteSignature later = by_witness;
  later.bytes[7] ^= 1;  // another time than the signed one
  EXPECT_EQ(outcome(TrustedCheckpoint::open(note(checkpoint_, {own, later}), trust)), "signature_invalid");
  // A plain signature by the witness's key says nothing of consistency.
  EXPECT_EQ(
      outcome(TrustedCheckpoint::open(
          note(checkpoint_, {own, {witness_key_.name(), witness_key_.id(), witness_.sign(view_of(text))}}), trust)),
      "signature_invalid");
  trust.witnesses = {witness_key_, key_named("witness.example/again", witness_, NoteSignatureType::Cosignature)};
  trust.required = 2;
  EXPECT_EQ(outcome(TrustedCheckpoint::open(
                note(checkpoint_, {own, by_witness, cosignature_of(text, 1'700'000'000, trust.witnesses[1], witness_)}),
                trust)),
            "witness_missing")
      << "two names of one key are one witness";
}

TEST_F(SignedNoteTest, ACheckpointReadsBackAndNothingElseDoes) {
  Checkpoint extended = checkpoint_;
  extended.extensions = {"an extension"};
  EXPECT_EQ(*Checkpoint::parse(checkpoint_.text()), checkpoint_);
  EXPECT_EQ(*Checkpoint::parse(extended.text()), extended);
  const std::string root = to_base64(sha256("root").bytes());
  const struct {
    const char* name;
    std::string text;
  } cases[] = {
      {"no root", "a\n1\n"},
      {"leading zero", "a\n01\n" + root + "\n"},
      {"negative", "a\n-1\n" + root + "\n"},
      {"beyond 63 bits", "a\n9223372036854775808\n" + root + "\n"},
      {"short root", "a\n1\nAAAA\n"},
      {"empty origin", "\n1\n" + root + "\n"},
      {"empty extension", "a\n1\n" + root + "\n\n"},
      {"no line break at the end", "a\n1\n" + root},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(reason_of(Checkpoint::parse(each.text)), "checkpoint_invalid") << each.name;
  }
}

}  // namespace
}  // namespace countersign::log
