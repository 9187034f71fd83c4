#include "command/decision/kept_evidence.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "common/digest.h"
#include "common/durable_file.h"
#include "tests/support/temporary_folder.h"

namespace countersign::command {
namespace {

TEST(KeptEvidence, KeepsWhatALaterDecisionWouldOverwrite) {
  const test::TemporaryFolder folder;
  const std::string path = folder.path() + "/trace_0123.json";
  keep_earlier(path);  // nothing is there yet
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));

  for (const char* content : {"first", "second", "second", "third"}) {
    keep_earlier(path);
    ASSERT_TRUE(write_durable(path, content, 0600));
  }
  EXPECT_EQ(*read_file(path), "third");
  for (const char* content : {"first", "second"}) {
    const std::string kept = folder.path() + "/trace_0123_" + sha256(content).hex().substr(0, 12) + ".json";
    EXPECT_EQ(*read_file(kept), content);
  }
  const auto files = std::distance(std::filesystem::directory_iterator(folder.path()), {});
  EXPECT_EQ(files, 3) << "equal evidence is kept once";
}

}  // namespace
}  // namespace countersign::command
