#include "pkcs11/failure.h"

#include <gtest/gtest.h>

#include <set>

namespace countersign::pkcs11 {
namespace {

TEST(FailureTable, NamesEachValueOnceAndSaysWhatItMeans) {
  std::set<CK_RV> values;
  std::set<std::string_view> names;
  for (const FailureRow& row : failure_table()) {
    EXPECT_TRUE(values.insert(row.value).second) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_FALSE(row.sentence.empty()) << row.name;
    EXPECT_EQ(&failure_of(row.value), &row);
  }
  EXPECT_FALSE(values.contains(CKR_OK));
}

TEST(FailureTable, CountsAnUnlistedValueAsAFaultAndShowsIt) {
  EXPECT_EQ(failure_of(0x7654).meaning, Meaning::Fault);
  const Error error = failure("C_Sign", 0x7654);
  EXPECT_EQ(error.code, ErrorCode::Unavailable);
  EXPECT_NE(error.detail.find("0x7654"), std::string::npos);
}

TEST(FailureTable, NamesFunctionAndValueInTheSentence) {
  EXPECT_EQ(failure("C_Sign", CKR_DEVICE_REMOVED).detail, "C_Sign: the token was removed (CKR_DEVICE_REMOVED, 0x32)");
}

struct RetryCase {
  const char* name;
  CK_RV value;
  bool retried;
};

TEST(StartUp, IsRetriedForTheRaceAndAMissingTokenButNeverAfterAPinError) {
  constexpr RetryCase kCases[] = {
      {"SoftHSM's race", CKR_GENERAL_ERROR, true},
      {"token missing", CKR_TOKEN_NOT_PRESENT, true},
      {"device removed", CKR_DEVICE_REMOVED, true},
      {"wrong PIN", CKR_PIN_INCORRECT, false},
      {"locked PIN", CKR_PIN_LOCKED, false},
      {"expired PIN", CKR_PIN_EXPIRED, false},
      {"no PIN set", CKR_USER_PIN_NOT_INITIALIZED, false},
      {"PIN too short", CKR_PIN_LEN_RANGE, false},
      {"another failure", CKR_FUNCTION_FAILED, false},
  };
  for (const RetryCase& row : kCases) {
    EXPECT_EQ(may_retry_start(failure_at_start("C_Login", row.value)), row.retried) << row.name;
  }
}

TEST(StartUp, AloneTakesAGeneralErrorForTransient) {
  EXPECT_EQ(failure_at_start("C_Login", CKR_GENERAL_ERROR).reason, kLoginTransient);
  EXPECT_EQ(failure("C_Sign", CKR_GENERAL_ERROR).reason, kTokenFailed);
}

}  // namespace
}  // namespace countersign::pkcs11
