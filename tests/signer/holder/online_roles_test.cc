// The holders of the roles `publication` and `log`, which the front alone asks.
#include "keymgmt/tuf/metadata.h"
#include "tests/signer/holder/holder_fixture.h"

namespace countersign::holder {
namespace {

class OnlineRoles : public OnToken {
 protected:
  config::HolderSettings publication() const {
    config::HolderSettings made = settings(Role::Publication);
    made.set_lifetime = std::chrono::minutes(30);
    return made;
  }
};

TEST_F(OnlineRoles, PublicationSignsMetadataThatTufVerifies) {
  make_keys({Role::Publication});
  HolderProcess holder(publication(), token_.pin());
  const Json ready = holder.told();
  ASSERT_EQ(ready.text("event"), "ready") << ready.compact();
  const keymgmt::PublicKey key = key_set_of(ready).keys().front().key;
  const std::string id = tuf::key_id(key);
  const Result<SignAnswer> answer = holder.sign(job_of(StatementType::TufTimestamp, kid_of(ready)));
  ASSERT_TRUE(answer) << answer.error().detail;
  const auto file = tuf::SignedDocument::parse(answer->statement_json);
  ASSERT_TRUE(file) << file.error().detail;
  EXPECT_TRUE(file->verify({{id, key}}, {{id}, 1}, "timestamp.json"));
  EXPECT_EQ(sha256(file->message()), answer->signed_digest);
  EXPECT_EQ(tuf::Timestamp::parse(file->signed_part())->version, 7U);
}

TEST_F(OnlineRoles, PublicationIsBelievedNoLongerThanItsSettingsSay) {
  make_keys({Role::Publication});
  HolderProcess holder(publication(), token_.pin());
  const Json ready = holder.told();
  SignJob job = job_of(StatementType::TufTimestamp, kid_of(ready));
  Json fields = *Json::parse(job.statement_json);
  fields.set("lifetime", 1800);
  job.statement_json = fields.compact();
  EXPECT_TRUE(holder.sign(job));
  fields.set("lifetime", 1801);
  job.statement_json = fields.compact();
  const Result<SignAnswer> answer = holder.sign(job);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "lifetime_too_long");
}

TEST_F(OnlineRoles, NeitherSignsForTheOther) {
  make_keys({Role::Publication, Role::Log});
  HolderProcess publication_holder(publication(), token_.pin());
  const std::string publication_kid = kid_of(publication_holder.told());
  HolderProcess log_holder(settings(Role::Log), token_.pin());
  const std::string log_kid = kid_of(log_holder.told());
  EXPECT_TRUE(log_holder.sign(job_of(StatementType::LogCheckpoint, log_kid)));
  EXPECT_EQ(log_holder.sign(job_of(StatementType::TufTimestamp, log_kid)).error().reason, "wrong_role");
  EXPECT_EQ(publication_holder.sign(job_of(StatementType::LogCheckpoint, publication_kid)).error().reason,
            "wrong_role");
  EXPECT_EQ(publication_holder.sign(job_of(StatementType::Trace, publication_kid)).error().reason, "wrong_role");
}

}  // namespace
}  // namespace countersign::holder
