#include "signer/statement/approval_proof.h"

#include <gtest/gtest.h>

#include "common/durable_file.h"
#include "signer/statement/ssh_wire.h"
#include "tests/signer/statement/examples.h"
#include "tests/support/child_process.h"
#include "tests/support/software_key.h"
#include "tests/support/temporary_folder.h"

namespace countersign::statement {
namespace {

using keymgmt::Algorithm;

const UtcTime kExpiry = kNow + std::chrono::minutes(5);

std::string message() {
  const auto statement = Statement::parse(StatementType::ApprovalToken, token_fields());
  return approval_message(*statement->approval_token(), "nonce-1", kExpiry);
}

TEST(ApprovalMessage, IsTheCanonicalJsonOfWhatIsApproved) {
  EXPECT_EQ(message(),
            R"({"approver_identity":"alice@approvers.example","expires_at":"2027-01-15T08:05:00.1234567Z",)"
            R"("intent_digest":"ba6e55d6b72308b34c24571bce1b2434ef7802df7def15a31826384bf3582e9c","max_targets":2,)"
            R"("nonce":"nonce-1","policy_digest":"850f03880f107538e6ea675fe85706d4700249cd12596c483c3b1a93207e62e7",)"
            R"("reason_code":"change_ticket_604","scope":["phase:apply","tool:db.drop_table"],"ttl_seconds":3600})");
}

TEST(ApprovalProof, IsReadStrictly) {
  const Json ssh = *Json::parse(R"({"kind":"ssh","signature":"s","nonce":"n","expires_at":"2027-01-15T08:05:00Z"})");
  const auto proof = ApprovalProof::parse(ssh);
  ASSERT_TRUE(proof);
  EXPECT_EQ(proof->kind, ApprovalProof::Kind::Ssh);
  EXPECT_EQ(proof->nonce, "n");
  const auto user = ApprovalProof::parse(*Json::parse(R"({"kind":"unix_user"})"));
  ASSERT_TRUE(user);
  EXPECT_EQ(user->kind, ApprovalProof::Kind::UnixUser);
  for (const char* bad :
       {R"({})", R"({"kind":"pam"})", R"({"kind":"unix_user","nonce":"n"})",
        R"({"kind":"ssh","nonce":"n","expires_at":"2027-01-15T08:05:00Z"})",
        R"({"kind":"ssh","signature":"s","expires_at":"2027-01-15T08:05:00Z"})",
        R"({"kind":"ssh","signature":"s","nonce":"n"})",
        R"({"kind":"ssh","signature":"s","nonce":"n","expires_at":"soon"})",
        R"({"kind":"ssh","signature":"s","nonce":"n","expires_at":"2027-01-15T08:05:00Z","x":1})",
        R"({"kind":"ssh","signature":null,"nonce":"n","expires_at":"2027-01-15T08:05:00Z"})", R"(["ssh"])"}) {
    EXPECT_FALSE(ApprovalProof::parse(*Json::parse(bad))) << bad;
  }
}

struct SshKeyRow {
  const char* name;
  std::vector<std::string> options;
};
const SshKeyRow kSshKeys[] = {
    {"ed25519", {"-t", "ed25519"}}, {"ecdsa", {"-t", "ecdsa", "-b", "256"}}, {"rsa", {"-t", "rsa", "-b", "2048"}}};

class SshSignature : public testing::Test {
 protected:
  void make_key(const std::string& name, const std::vector<std::string>& options) {
    std::vector<std::string> argv = {"ssh-keygen", "-q", "-N", "", "-C", "test only", "-f", folder_ / name};
    argv.insert(argv.end(), options.begin(), options.end());
    const test::Outcome made = test::run({argv});
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }
  std::string line(const std::string& name) { return *read_file(folder_ / (name + ".pub")); }
  std::string sign(const std::string& name, const std::string& text, const std::string& name_space,
                   const std::vector<std::string>& options = {}) {
    std::vector<std::string> argv = {"ssh-keygen", "-Y", "sign", "-n", name_space, "-f", folder_ / name};
    argv.insert(argv.end(), options.begin(), options.end());
    const test::Outcome outcome = test::run({argv, {}, text});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.out;
  }

  test::TemporaryFolder folder_;
};

TEST_F(SshSignature, OfSshKeygenVerifies) {
  for (const SshKeyRow& row : kSshKeys) {
    make_key(row.name, row.options);
    make_key(std::string(row.name) + "_other", row.options);
    const std::string armoured = sign(row.name, message(), "countersign-approval");
    const Status good = verify_ssh_signature(armoured, message(), kApprovalNamespace, line(row.name));
    EXPECT_TRUE(good) << row.name << ": " << good.error().detail;
    const std::string other = line(std::string(row.name) + "_other");
    EXPECT_EQ(verify_ssh_signature(armoured, message(), kApprovalNamespace, other).error().code,
              ErrorCode::VerificationFailed);
    EXPECT_EQ(verify_ssh_signature(armoured, message() + " ", kApprovalNamespace, line(row.name)).error().code,
              ErrorCode::VerificationFailed);
    const std::string file = sign(row.name, message(), "file");
    EXPECT_EQ(verify_ssh_signature(file, message(), kApprovalNamespace, line(row.name)).error().code,
              ErrorCode::VerificationFailed)
        << row.name;
    const test::Outcome print = test::run({{"ssh-keygen", "-l", "-f", folder_ / (std::string(row.name) + ".pub")}});
    EXPECT_NE(print.out.find(" " + *ssh_fingerprint(line(row.name)) + " "), std::string::npos) << print.out;
  }
  const std::string shorter = sign("ed25519", message(), "countersign-approval", {"-O", "hashalg=sha256"});
  EXPECT_TRUE(verify_ssh_signature(shorter, message(), kApprovalNamespace, line("ed25519")));
}

TEST_F(SshSignature, IsRefusedWhenDamaged) {
  make_key("ed25519", {"-t", "ed25519"});
  const std::string armoured = sign("ed25519", message(), "countersign-approval");
  std::string body;
  for (const char c : std::string_view(armoured).substr(30, armoured.size() - 30 - 28)) {
    if (c != '\n') body += c;
  }
  const Bytes blob = *from_base64(body);
  const auto armour = [](const Bytes& bytes) {
    return "-----BEGIN SSH SIGNATURE-----\n" + to_base64(bytes) + "\n-----END SSH SIGNATURE-----\n";
  };
  const std::string key = line("ed25519");
  ASSERT_TRUE(verify_ssh_signature(armour(blob), message(), kApprovalNamespace, key));
  for (std::size_t size = 0; size < blob.size(); ++size) {
    EXPECT_FALSE(verify_ssh_signature(armour(Bytes(blob.begin(), blob.begin() + static_cast<std::ptrdiff_t>(size))),
                                      message(), kApprovalNamespace, key))
        << size;
  }
  for (std::size_t at = 0; at < blob.size(); ++at) {
    Bytes flipped = blob;
    flipped[at] ^= 0x01;
    EXPECT_FALSE(verify_ssh_signature(armour(flipped), message(), kApprovalNamespace, key)) << at;
  }
  Bytes tail = blob;
  tail.push_back(0);
  EXPECT_FALSE(verify_ssh_signature(armour(tail), message(), kApprovalNamespace, key));
  for (const std::string& bad : {std::string(), armoured + armoured, armoured.substr(1), body, armoured + "x"}) {
    EXPECT_FALSE(verify_ssh_signature(bad, message(), kApprovalNamespace, key));
  }
}

TEST_F(SshSignature, IsRefusedUnderAWeakOrMalformedKey) {
  make_key("ed25519", {"-t", "ed25519"});
  make_key("weak", {"-t", "rsa", "-b", "1024"});
  make_key("wide", {"-t", "ecdsa", "-b", "384"});
  EXPECT_FALSE(ssh_fingerprint(line("weak")));
  EXPECT_FALSE(ssh_fingerprint(line("wide")));
  EXPECT_EQ(
      verify_ssh_signature(sign("weak", message(), "countersign-approval"), message(), kApprovalNamespace, line("weak"))
          .error()
          .code,
      ErrorCode::Invalid);
  const std::string good = line("ed25519");
  EXPECT_TRUE(ssh_fingerprint(good));
  EXPECT_FALSE(ssh_fingerprint(""));
  EXPECT_FALSE(ssh_fingerprint("ssh-ed25519"));
  EXPECT_FALSE(ssh_fingerprint("ssh-ed25519 !!!!"));
  EXPECT_FALSE(ssh_fingerprint("ssh-rsa" + good.substr(good.find(' '))));
  EXPECT_FALSE(ssh_fingerprint("restrict " + good));
  EXPECT_FALSE(ssh_fingerprint(good + good));
}

// A security key in software: what a FIDO token would sign, signed by a key in memory (PROTOCOL.u2f).
struct SecurityKey {
  std::string type;
  test::SoftwareKey key;
  std::string application = "ssh:";

  Bytes blob() const {
    Bytes out;
    append_ssh_string(out, view_of(type));
    if (key.public_key().algorithm() == Algorithm::P256) append_ssh_string(out, view_of("nistp256"));
    append_ssh_string(out, key.public_key().raw());
    append_ssh_string(out, view_of(application));
    return out;
  }
  std::string line() const { return type + " " + to_base64(blob()) + " test only"; }

  std::string sign(const std::string& text, std::uint8_t flags, std::uint8_t claimed_flags) const {
    const Digest hash = sha256(text);
    Bytes preamble = {'S', 'S', 'H', 'S', 'I', 'G'};
    append_ssh_string(preamble, view_of(kApprovalNamespace));
    append_ssh_string(preamble, {});
    append_ssh_string(preamble, view_of("sha256"));
    append_ssh_string(preamble, hash.bytes());
    const Digest over = sha256(ByteView(preamble));
    const Digest application_hash = sha256(application);
    Bytes signed_bytes(application_hash.bytes().begin(), application_hash.bytes().end());
    signed_bytes.push_back(flags);
    append_ssh_number(signed_bytes, 7);
    signed_bytes.insert(signed_bytes.end(), over.bytes().begin(), over.bytes().end());

    Bytes inner = key.sign(signed_bytes);
    if (key.public_key().algorithm() == Algorithm::P256) {
      Bytes numbers;
      for (const std::size_t at : {std::size_t{0}, std::size_t{32}}) {
        Bytes number(inner.begin() + static_cast<std::ptrdiff_t>(at),
                     inner.begin() + static_cast<std::ptrdiff_t>(at + 32));
        while (number.size() > 1 && number[0] == 0) number.erase(number.begin());
        if ((number[0] & 0x80) != 0) number.insert(number.begin(), 0);
        append_ssh_string(numbers, number);
      }
      inner = numbers;
    }
    Bytes signature;
    append_ssh_string(signature, view_of(type));
    append_ssh_string(signature, inner);
    signature.push_back(claimed_flags);
    append_ssh_number(signature, 7);

    Bytes out = {'S', 'S', 'H', 'S', 'I', 'G'};
    append_ssh_number(out, 1);
    append_ssh_string(out, blob());
    append_ssh_string(out, view_of(kApprovalNamespace));
    append_ssh_string(out, {});
    append_ssh_string(out, view_of("sha256"));
    append_ssh_string(out, signature);
    return "-----BEGIN SSH SIGNATURE-----\n" + to_base64(out) + "\n-----END SSH SIGNATURE-----\n";
  }
};

TEST_F(SshSignature, OfASecurityKeyVerifiesOnlyWithATouch) {
  const SecurityKey keys[] = {
      {"sk-ssh-ed25519@openssh.com", test::SoftwareKey(Algorithm::Ed25519)},
      {"sk-ecdsa-sha2-nistp256@openssh.com", test::SoftwareKey(Algorithm::P256)},
  };
  for (const SecurityKey& key : keys) {
    const std::string touched = key.sign(message(), 0x01, 0x01);
    const Status good = verify_ssh_signature(touched, message(), kApprovalNamespace, key.line());
    EXPECT_TRUE(good) << key.type << ": " << good.error().detail;
    EXPECT_TRUE(verify_ssh_signature(key.sign(message(), 0x05, 0x05), message(), kApprovalNamespace, key.line()));
    EXPECT_FALSE(verify_ssh_signature(key.sign(message(), 0x00, 0x00), message(), kApprovalNamespace, key.line()));
    EXPECT_FALSE(verify_ssh_signature(key.sign(message(), 0x00, 0x01), message(), kApprovalNamespace, key.line()));
    EXPECT_FALSE(verify_ssh_signature(touched, "other", kApprovalNamespace, key.line()));
    // ssh-keygen agrees about the very same signature.
    ASSERT_TRUE(write_durable(folder_ / "allowed", "alice " + key.line() + "\n", 0600));
    ASSERT_TRUE(write_durable(folder_ / "signature", touched, 0600));
    const test::Outcome ssh = test::run({{"ssh-keygen", "-Y", "verify", "-n", "countersign-approval", "-I", "alice",
                                          "-f", folder_ / "allowed", "-s", folder_ / "signature"},
                                         {},
                                         message()});
    EXPECT_EQ(ssh.exit_code, 0) << key.type << ssh.out << ssh.err;
  }
}

}  // namespace
}  // namespace countersign::statement
