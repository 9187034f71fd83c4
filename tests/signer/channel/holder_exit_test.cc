#include "signer/channel/holder_exit.h"

#include <gtest/gtest.h>

#include <set>

namespace countersign::channel {
namespace {

TEST(HolderExit, HasOneStatusAndOneCauseForEach) {
  std::set<int> statuses;
  std::set<std::string_view> causes;
  for (const HolderExitRow& row : holder_exits()) {
    EXPECT_TRUE(statuses.insert(static_cast<int>(row.exit)).second) << row.cause;
    EXPECT_TRUE(causes.insert(row.cause).second) << row.cause;
    EXPECT_EQ(holder_exit_of(static_cast<int>(row.exit)), &row);
    EXPECT_EQ(&row_of(row.exit), &row);
  }
  EXPECT_EQ(holder_exit_of(1), nullptr);
}

TEST(HolderExit, IsNeverRetriedAfterAPinError) {
  EXPECT_FALSE(row_of(HolderExit::PinRefused).retryable);
  EXPECT_TRUE(row_of(HolderExit::TokenNotFound).retryable);
  EXPECT_TRUE(row_of(HolderExit::LoginTransient).retryable);
  EXPECT_FALSE(row_of(HolderExit::WeakKey).retryable);
}

TEST(HolderExit, IsChosenByTheReasonOfAnError) {
  EXPECT_EQ(holder_exit_for({ErrorCode::Refused, "", "pin_refused"}), HolderExit::PinRefused);
  EXPECT_EQ(holder_exit_for({ErrorCode::Unavailable, "", "token_gone"}), HolderExit::TokenGone);
  EXPECT_EQ(holder_exit_for({ErrorCode::Refused, "", "key_too_weak"}), HolderExit::WeakKey);
  EXPECT_EQ(holder_exit_for({ErrorCode::Unavailable, ""}), HolderExit::Internal);
}

TEST(HolderExit, TellsTheSupervisorWhatHappenedAndWhatToDo) {
  const Json message = exit_message("failed", HolderExit::PinRefused, {ErrorCode::Refused, "wrong PIN", "pin_refused"});
  EXPECT_EQ(message.text("event"), "failed");
  EXPECT_EQ(message.text("code"), "pin_refused");
  EXPECT_EQ(message.text("message"), "wrong PIN");
  EXPECT_FALSE(message.text("hint").empty());
  EXPECT_FALSE(message.find("retryable")->as_bool());
}

}  // namespace
}  // namespace countersign::channel
