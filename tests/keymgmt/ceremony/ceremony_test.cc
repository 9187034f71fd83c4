// Plans, their signatures and transcripts, without an appliance.
#include <gtest/gtest.h>

#include <fstream>

#include "common/durable_file.h"
#include "keymgmt/ceremony/check.h"
#include "keymgmt/ceremony/comparison.h"
#include "tests/support/child_process.h"
#include "tests/support/temporary_folder.h"

namespace countersign::ceremony {
namespace {

const UtcTime kNow = UtcTime::from_unix(1'790'000'000);

class People : public testing::Test {
 protected:
  People() {
    for (const std::string name : {"alice", "bob", "erin", "frank"}) {
      test::run({{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder_ / name}, {}});
    }
  }
  std::string key(const std::string& name) const {
    const std::string line = *read_file(folder_ / (name + ".pub"));
    return line.substr(0, line.find('\n'));
  }
  std::string quorum(int threshold, const std::vector<std::string>& names) const {
    Json::Array people;
    for (const std::string& name : names) {
      people.push_back(Json::object({{"name", name}, {"ssh_keys", Json::array({key(lowered_name(name))})}}));
    }
    return Json::object({{"threshold", threshold}, {"custodians", std::move(people)}}).compact();
  }
  static std::string lowered_name(std::string name) {
    for (char& letter : name) letter = static_cast<char>(std::tolower(letter));
    return name.substr(0, name.find(' '));
  }
  std::string plan(const std::string& steps = kSteps, const std::string& people = "") const {
    return "ceremony: 1\nname: rotation\npurpose: rotation\nreason: a test\n"
           "window: {from: 2026-01-01T00:00:00Z, until: 2027-01-01T00:00:00Z}\nquorum: " +
           (people.empty() ? quorum(2, {"alice", "bob", "erin"}) : people) +
           "\nadministrator: carol\nwitnesses: [dave]\nsteps:\n" + steps;
  }
  Approval signature(const std::string& name, Subject subject, const std::string& content,
                     const std::string& whose = "") const {
    std::ofstream(folder_ / "content") << content;
    test::run({{"ssh-keygen", "-q", "-Y", "sign", "-f", folder_ / (whose.empty() ? name : whose), "-n",
                std::string(namespace_of(subject)), folder_ / "content"},
               {}});
    const Approval approval{name, Approval::Kind::Ssh, *read_file(folder_ / "content.sig")};
    std::filesystem::remove(folder_ / "content.sig");
    return approval;
  }
  static constexpr const char* kSteps =
      "  - generate: {role: trace, algorithm: ed25519, token: trace, id: 00112233445566778899aabbccddeeff, label: "
      "trace-1, replaces: none}\n  - stage: {key: trace-1}\n  - activate: {key: trace-1}\n";
  test::TemporaryFolder folder_;
};

TEST_F(People, APlanIsReadStrictly) {
  const Result<Intent> intent = read_intent(plan());
  ASSERT_TRUE(intent) << intent.error().detail;
  EXPECT_EQ(intent->steps.size(), 3u);
  EXPECT_EQ(intent->digest, sha256(plan()));
  struct Case {
    const char* name;
    std::string text;
  };
  const std::string good = plan();
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  const Case kCases[] = {
      {"an unknown member", good + "more: 1\n"},
      {"no window", with("window", "windows")},
      {"an open place", with("a test", "${reason}")},
      {"a window that ends before", with("2027", "2020")},
      {"a label of another role", with("label: trace-1", "label: release-1")},
      {"a short id", with("00112233445566778899aabbccddeeff", "0011")},
      {"a step that is none", with("- stage", "- publish")},
      {"a stage of an unknown key", with("stage: {key: trace-1}", "stage: {key: trace-2}")},
      {"active before staged", with("  - stage: {key: trace-1}\n", "")},
      {"first keys without an end", with("purpose: rotation", "purpose: first-keys")},
      {"nobody who watches", with("witnesses: [dave]", "witnesses: []")},
      {"who watches themselves", with("witnesses: [dave]", "witnesses: [carol]")},
      {"two keys of one id", good + kSteps},
  };
  for (const Case& each : kCases) EXPECT_FALSE(read_intent(each.text)) << each.name;
}

TEST_F(People, AQuorumIsSeveralPeopleAndNotAll) {
  EXPECT_TRUE(read_intent(plan(kSteps, quorum(2, {"alice", "bob", "erin"}))));
  EXPECT_EQ(read_intent(plan(kSteps, quorum(3, {"alice", "bob", "erin"}))).error().reason, "threshold_not_below_all");
  EXPECT_EQ(read_intent(plan(kSteps, quorum(1, {"alice", "bob"}))).error().reason, "quorum_too_small");
  EXPECT_FALSE(read_intent(plan(kSteps, quorum(2, {"alice", "bob", "Alice "})))) << "one name twice";
  Json twice = *Json::parse(quorum(2, {"alice", "bob", "erin"}));
  twice.find("custodians")->as_array()[2].set("ssh_keys", Json::array({key("bob")}));
  EXPECT_FALSE(read_intent(plan(kSteps, twice.compact()))) << "one key of two people";
}

TEST_F(People, NobodyCountsTwice) {
  const Intent intent = *read_intent(plan());
  const Approval alice = signature("alice", Subject::Plan, intent.text);
  const Approval bob = signature("bob", Subject::Plan, intent.text);
  EXPECT_EQ(approved_by(intent.quorum, Subject::Plan, intent.text, {alice, bob})->size(), 2u);
  Approval spelled = alice;
  spelled.custodian = " ALICE";
  for (const auto& too_few : {std::vector<Approval>{}, {alice}, {alice, alice}, {alice, spelled}}) {
    EXPECT_EQ(approved_by(intent.quorum, Subject::Plan, intent.text, too_few).error().reason, "under_signed");
  }
  const Approval forged = signature("bob", Subject::Plan, intent.text, "alice");
  EXPECT_EQ(approved_by(intent.quorum, Subject::Plan, intent.text, {alice, forged}).error().reason, "approval_invalid");
  EXPECT_EQ(approved_by(intent.quorum, Subject::Plan, intent.text + " ", {alice, bob}).error().reason,
            "approval_invalid");
  EXPECT_EQ(approved_by(intent.quorum, Subject::Transcript, intent.text, {alice, bob}).error().reason,
            "approval_invalid")
      << "a signature under the plan is none under a transcript";
  EXPECT_EQ(approved_by(intent.quorum, Subject::Plan, intent.text, {alice, signature("frank", Subject::Plan, "x")})
                .error()
                .reason,
            "unknown_custodian");
}

class Written : public People {
 protected:
  std::string path() const { return folder_ / "transcript.jsonl"; }
  // A whole ceremony of the plan, as a run writes it.
  std::string whole(const Intent& intent) const {
    Transcript transcript = *Transcript::open(path());
    const std::vector<Approval> approvals = {signature("alice", Subject::Plan, intent.text),
                                             signature("bob", Subject::Plan, intent.text)};
    EXPECT_TRUE(transcript.append("begin",
                                  Json::object({{"mode", "run"},
                                                {"intent", intent.text},
                                                {"intent_sha256", intent.digest.hex()},
                                                {"approvals", approvals_json(approvals)}}),
                                  kNow));
    for (std::size_t i = 0; i < intent.steps.size(); ++i) {
      EXPECT_TRUE(transcript.append("step",
                                    Json::object({{"step", static_cast<std::int64_t>(i)},
                                                  {"title", intent.steps[i].title()},
                                                  {"expected", intent.steps[i].expected()},
                                                  {"observed", Json::object({{"kid", "k"}})},
                                                  {"initials", Json::object({{"carol", "CA"}, {"dave", "DV"}})}}),
                                    kNow));
    }
    EXPECT_TRUE(
        transcript.append("end", Json::object({{"outcome", "completed"}, {"keys", Json(Json::Array{})}}), kNow));
    return transcript.text();
  }
};

TEST_F(Written, ATranscriptIsChainedAndGoesOnAfterATornLine) {
  Transcript transcript = *Transcript::open(path());
  ASSERT_TRUE(transcript.append("begin", Json::object({{"x", 1}}), kNow));
  ASSERT_TRUE(transcript.append("attempt", Json::object({{"step", 0}}), kNow));
  EXPECT_EQ(transcript.entries()[1].json.text("prev"), sha256(transcript.entries()[0].line).hex());
  EXPECT_EQ(transcript.append("step", Json::object({}), kNow - std::chrono::seconds(1)).error().reason,
            "clock_went_back");
  std::ofstream(path(), std::ios::app) << "{\"at\":\"20";
  Transcript again = *Transcript::open(path());
  EXPECT_GT(again.torn(), 0u);
  EXPECT_EQ(again.entries().size(), 2u);
  ASSERT_TRUE(again.append("step", Json::object({}), kNow));
  EXPECT_EQ(Transcript::open(path())->entries().size(), 3u);
  ASSERT_TRUE(again.append("end", Json::object({}), kNow));
  EXPECT_EQ(again.append("step", Json::object({}), kNow).error().reason, "transcript_ended");
}

TEST_F(Written, AStrangerVerifiesItWithTheCustodiansKeysAlone) {
  const Intent intent = *read_intent(plan());
  const std::string text = whole(intent);
  const std::vector<Approval> signatures = {signature("alice", Subject::Transcript, text),
                                            signature("erin", Subject::Transcript, text)};
  const Result<Checked> checked = check_ceremony(text, signatures, intent.quorum);
  ASSERT_TRUE(checked) << checked.error().detail;
  EXPECT_EQ(checked->signed_by.size(), 2u);
  EXPECT_EQ(check_ceremony(text, {signatures[0]}, intent.quorum).error().reason, "under_signed");
  const Quorum others = *read_quorum(*Json::parse(quorum(2, {"frank", "erin", "bob"})));
  EXPECT_EQ(check_ceremony(text, signatures, others).error().reason, "under_signed");
  // Whatever is done to a line, the chain or a signature says so.
  for (std::size_t at = 0; at < text.size(); at += 97) {
    std::string changed = text;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(check_ceremony(changed, signatures, intent.quorum)) << at;
  }
}

TEST_F(Written, ARootKeySignsAStatementThatOpensslVerifies) {
  test::run({{"openssl", "genpkey", "-algorithm", "ed25519", "-out", folder_ / "root.pem"}, {}});
  const std::string pem = test::run({{"openssl", "pkey", "-in", folder_ / "root.pem", "-pubout"}, {}}).out;
  Json people = *Json::parse(quorum(2, {"alice", "bob", "erin"}));
  people.find("custodians")->as_array()[0].set("root_key", pem);
  const Quorum with_root = *read_quorum(people);
  const std::string statement = root_statement(Subject::Plan, "alice", "the plan");
  EXPECT_EQ(statement, R"({"_type":"countersign-ceremony","about":"plan","custodian":"alice","sha256":")" +
                           sha256("the plan").hex() + "\"}");
  std::ofstream(folder_ / "statement") << statement;
  test::run({{"openssl", "pkeyutl", "-sign", "-inkey", folder_ / "root.pem", "-rawin", "-in", folder_ / "statement",
              "-out", folder_ / "signature"},
             {}});
  const std::string raw = *read_file(folder_ / "signature");
  Approval approval{"alice", Approval::Kind::RootKey, to_base64(view_of(raw))};
  EXPECT_TRUE(verify_approval(with_root, Subject::Plan, "the plan", approval));
  EXPECT_EQ(verify_approval(with_root, Subject::Plan, "another", approval).error().reason, "approval_invalid");
  EXPECT_EQ(verify_approval(with_root, Subject::Transcript, "the plan", approval).error().reason, "approval_invalid");
  approval.custodian = "bob";
  EXPECT_FALSE(verify_approval(with_root, Subject::Plan, "the plan", approval));
  // Signed by both keys of hers, she is one.
  const std::vector<Approval> both = {{"alice", Approval::Kind::RootKey, to_base64(view_of(raw))},
                                      signature("alice", Subject::Plan, "the plan")};
  EXPECT_EQ(approved_by(with_root, Subject::Plan, "the plan", both).error().reason, "under_signed");
}

TEST(Comparison, FindsEveryDifferenceThatIsNotListed) {
  const auto entry = [](Json members) {
    members.set("kind", "step");
    return Entry{0, "step", members, ""};
  };
  const Json step =
      Json::object({{"step", 0},
                    {"title", "generate"},
                    {"observed", Json::object({{"kid", "a"}, {"attributes", Json::object({{"SENSITIVE", true}})}})}});
  EXPECT_TRUE(differences(entry(step), entry(step)).empty());
  Json other = step;
  other.find("observed")->set("kid", "b");
  EXPECT_TRUE(differences(entry(step), entry(other)).empty());
  other.find("observed")->find("attributes")->set("SENSITIVE", false);
  EXPECT_EQ(differences(entry(step), entry(other)), (std::vector<std::string>{"step.observed.attributes.SENSITIVE"}));
  other = step;
  other.set("title", "destroy");
  other.set("more", 1);
  EXPECT_EQ(differences(entry(step), entry(other)), (std::vector<std::string>{"step.more", "step.title"}));
}

}  // namespace
}  // namespace countersign::ceremony
