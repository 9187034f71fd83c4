#include "common/secret_bytes.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <type_traits>

namespace countersign {
namespace {

static_assert(!std::is_copy_constructible_v<SecretBytes> && !std::is_copy_assignable_v<SecretBytes>);

int pipe_with(std::string_view text) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  EXPECT_EQ(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(ends[1]);
  return ends[0];
}

TEST(SecretBytes, MovesAndLeavesNothingBehind) {
  Bytes source{'1', '2', '3', '4'};
  SecretBytes first(std::move(source));
  EXPECT_EQ(text_of(first.reveal()), "1234");
  SecretBytes second(std::move(first));
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): the claim under test
  EXPECT_EQ(text_of(second.reveal()), "1234");
  second.wipe();
  EXPECT_TRUE(second.empty());
}

TEST(ReadSecret, TakesOneLineBreakOff) {
  EXPECT_EQ(text_of(read_secret(pipe_with("1234\n"))->reveal()), "1234");
  EXPECT_EQ(text_of(read_secret(pipe_with("12 34"))->reveal()), "12 34");
  EXPECT_EQ(text_of(read_secret(pipe_with("1234\n\n"))->reveal()), "1234\n");
  EXPECT_TRUE(read_secret(pipe_with(std::string(256, 'x') + "\n")));
}

TEST(ReadSecret, RefusesWhatIsNoPin) {
  EXPECT_FALSE(read_secret(pipe_with("")));
  EXPECT_FALSE(read_secret(pipe_with("\n")));
  EXPECT_FALSE(
      read_secret(pipe_with(std::string_view("12\0"
                                             "34",
                                             5))));
  EXPECT_FALSE(read_secret(pipe_with(std::string(257, 'x'))));
  EXPECT_FALSE(read_secret(-1));
}

}  // namespace
}  // namespace countersign
