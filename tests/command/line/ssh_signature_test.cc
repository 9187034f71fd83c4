#include "command/line/ssh_signature.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "common/durable_file.h"
#include "signer/statement/approval_proof.h"
#include "tests/support/child_process.h"
#include "tests/support/temporary_folder.h"

namespace countersign::command {
namespace {

constexpr std::string_view kMessage = "what is approved";

class SshSignature : public testing::Test {
 protected:
  SshSignature() {
    ::unsetenv("COUNTERSIGN_APPROVER_KEY");
    ::unsetenv("SSH_AUTH_SOCK");
    ::setenv("TMPDIR", folder_.path().c_str(), 1);
  }
  ~SshSignature() override {
    ::unsetenv("COUNTERSIGN_APPROVER_KEY");
    ::unsetenv("SSH_AUTH_SOCK");
    ::unsetenv("TMPDIR");
  }

  // A test-only key without a passphrase; gives the path of the private half.
  std::string make_key(const std::string& name) {
    const std::string path = folder_ / name;
    EXPECT_EQ(test::run({{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test-only", "-f", path}}).exit_code, 0);
    return path;
  }
  static Status verify(const std::string& signature, const std::string& key, std::string_view message = kMessage) {
    return statement::verify_ssh_signature(signature, message, statement::kApprovalNamespace, *read_file(key + ".pub"));
  }

  test::TemporaryFolder folder_;
};

TEST_F(SshSignature, IsMadeByTheKeyNamed) {
  const std::string key = make_key("alice");
  const auto approver = ApproverKey::find(key);
  ASSERT_TRUE(approver);
  const auto signature = approver->sign(kMessage, statement::kApprovalNamespace);
  ASSERT_TRUE(signature) << signature.error().detail;
  EXPECT_TRUE(verify(*signature, key));
  EXPECT_FALSE(verify(*signature, key, "something else"));
  EXPECT_FALSE(verify(*signature, make_key("bob")));
}

TEST_F(SshSignature, TakesTheKeyOfTheEnvironmentUnlessOneIsNamed) {
  ::setenv("COUNTERSIGN_APPROVER_KEY", "/from/environment", 1);
  EXPECT_EQ(ApproverKey::find("")->path(), "/from/environment");
  EXPECT_EQ(ApproverKey::find("/named")->path(), "/named");
}

TEST_F(SshSignature, IsNoneWithoutKeyAndAgent) {
  EXPECT_TRUE(ApproverKey::find("")->none());
  ::setenv("SSH_AUTH_SOCK", (folder_ / "no-agent").c_str(), 1);
  EXPECT_TRUE(ApproverKey::find("")->none());
}

TEST_F(SshSignature, IsMadeByTheAgentsOnlyKeyAndRefusedWhereItHasSeveral) {
  const std::string socket = folder_ / "agent";
  test::ChildProcess agent({{"ssh-agent", "-D", "-a", socket}});
  ASSERT_TRUE(agent.wait_for_output("SSH_AUTH_SOCK"));
  ::setenv("SSH_AUTH_SOCK", socket.c_str(), 1);
  EXPECT_TRUE(ApproverKey::find("")->none());

  const std::string alice = make_key("alice");
  ASSERT_EQ(test::run({{"ssh-add", "-q", alice}}).exit_code, 0);
  {
    const auto approver = ApproverKey::find("");
    ASSERT_TRUE(approver);
    ASSERT_FALSE(approver->none());
    const auto signature = approver->sign(kMessage, statement::kApprovalNamespace);
    ASSERT_TRUE(signature) << signature.error().detail;
    EXPECT_TRUE(verify(*signature, alice));
  }
  EXPECT_EQ(test::run({{"sh", "-c", "ls -d \"$TMPDIR\"/countersign-key-* 2>/dev/null"}}).out, "");

  ASSERT_EQ(test::run({{"ssh-add", "-q", make_key("bob")}}).exit_code, 0);
  const auto ambiguous = ApproverKey::find("");
  ASSERT_FALSE(ambiguous);
  EXPECT_EQ(ambiguous.error().reason, "approver_key_ambiguous");
  // Named by its public half, one of them signs.
  EXPECT_TRUE(ApproverKey::find(alice + ".pub")->sign(kMessage, statement::kApprovalNamespace));
}

TEST_F(SshSignature, FailsWithACodeWhereTheKeyIsMissingOrNoKey) {
  const auto absent = ApproverKey::find(folder_ / "absent")->sign(kMessage, statement::kApprovalNamespace);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().reason, "approver_key_unusable");
  std::ofstream(folder_ / "junk") << "no key\n";
  EXPECT_FALSE(ApproverKey::find(folder_ / "junk")->sign(kMessage, statement::kApprovalNamespace));
}

}  // namespace
}  // namespace countersign::command
