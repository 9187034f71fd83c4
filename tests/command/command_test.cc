#include "command/dispatch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "command/command_table.h"
#include "tests/support/temporary_folder.h"

namespace countersign::command {
namespace {

struct Said {
  int exit_code = -1;
  std::string out;
  std::string err;
  Json json() const { return *Json::parse(out); }
};

class Output {
 public:
  Output() : descriptor_(::memfd_create("output", MFD_CLOEXEC)) {}
  ~Output() { ::close(descriptor_); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  int descriptor() const { return descriptor_; }
  std::string text() const {
    std::string all;
    std::array<char, 4096> buffer{};
    ::lseek(descriptor_, 0, SEEK_SET);
    for (ssize_t got = 0; (got = ::read(descriptor_, buffer.data(), buffer.size())) > 0;) {
      all.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return all;
  }

 private:
  int descriptor_;
};

Said say(std::vector<std::string> argv) {
  const Output out;
  const Output err;
  Console console(out.descriptor(), err.descriptor());
  const int exit_code = dispatch(std::move(argv), console);
  return {exit_code, out.text(), err.text()};
}

TEST(Command, EachHasHelpWithItsFlagsAndAnExample) {
  for (const Command& command : all_commands()) {
    std::vector<std::string> argv = {"countersign"};
    std::string word;
    for (const char c : std::string(command.words) + " ") {
      if (c != ' ') {
        word += c;
      } else {
        argv.push_back(std::exchange(word, ""));
      }
    }
    argv.emplace_back("--help");
    const Said said = say(argv);
    EXPECT_EQ(said.exit_code, 0) << command.words;
    EXPECT_NE(said.out.find("Example:\n  countersign " + std::string(command.words)), std::string::npos)
        << command.words;
    EXPECT_NE(said.out.find("--json"), std::string::npos) << command.words;
    for (const Flag& flag : command.flags) {
      EXPECT_NE(said.out.find("--" + std::string(flag.name)), std::string::npos) << command.words << flag.name;
    }
    EXPECT_NE(say({"countersign", "help"}).out.find(command.words), std::string::npos);
  }
}

// A key id that begins with "-" is told from a flag by its length (command/line/arguments.h).
TEST(Command, HasNoFlagAsLongAsAKeyId) {
  constexpr std::size_t kKeyIdLength = 43;  // SHA-256 in base64url
  for (const Command& command : all_commands()) {
    for (const Flag& flag : command.flags) EXPECT_LT(flag.name.size(), kKeyIdLength - 2) << command.words;
  }
}

TEST(Command, TheMostWordsWin) {
  EXPECT_NE(say({"countersign", "approve", "inspect", "--help"}).out.find("approve inspect"), std::string::npos);
  EXPECT_EQ(say({"countersign", "approve", "--help"}).out.find("approve inspect"), std::string::npos);
}

TEST(Command, ThatDoesNotExistIsInvalidInput) {
  const Said said = say({"countersign", "frobnicate", "--json"});
  EXPECT_EQ(said.exit_code, 6);
  EXPECT_EQ(said.json().find("error")->text("code"), "unknown_command");
  const Said of_gate = say({"countersign", "gate", "frobnicate", "--json"});
  EXPECT_EQ(of_gate.json().find("error")->text("message"), "there is no command \"gate frobnicate\"");
  EXPECT_EQ(say({"countersign", "gate"}).exit_code, 6);
  EXPECT_EQ(say({"countersign"}).exit_code, 6);
}

TEST(Command, ErrorsOfGaitsCommandsHaveGaitsShapeAndOurs) {
  const Said said = say({"gait", "gate", "eval", "--json"});
  EXPECT_EQ(said.exit_code, 6);
  const Json json = said.json();
  EXPECT_EQ(json.text("error"), "both --policy and --intent are required");
  EXPECT_EQ(json.text("error_code"), "invalid_input");
  EXPECT_EQ(json.text("error_category"), "invalid_input");
  EXPECT_EQ(json.text("hint"), "check command usage and input schema");
  EXPECT_FALSE(json.find("ok")->as_bool());
  EXPECT_FALSE(json.find("retryable")->as_bool());
  // Recorded from gait itself: fixture 210_flags.
  EXPECT_EQ(json.text("correlation_id"), "5afd3b03099cb948c16147ac");
  EXPECT_EQ(json.find("error_detail")->text("message"), "both --policy and --intent are required");
}

TEST(Command, ErrorsOfOtherCommandsHaveOurShape) {
  const Said said = say({"countersign", "keys", "show", "--json"});
  EXPECT_EQ(said.exit_code, 6);
  EXPECT_EQ(said.json().as_object().size(), 2U);
  EXPECT_FALSE(said.json().find("error")->text("message").empty());
}

TEST(Command, SaysNothingOnStdoutWhereItFailsWithoutJson) {
  const Said said = say({"countersign", "gate", "eval", "--bogus"});
  EXPECT_EQ(said.exit_code, 6);
  EXPECT_EQ(said.out, "");
  EXPECT_NE(said.err.find("flag provided but not defined: -bogus"), std::string::npos);
}

TEST(Command, AnswersAWrongFlagInJsonWhereJsonIsAskedFor) {
  EXPECT_EQ(say({"countersign", "gate", "eval", "--json", "--bogus"}).json().text("error"),
            "flag provided but not defined: -bogus");
  // gait speaks plain text until it has read --json.
  const Said before = say({"countersign", "gate", "eval", "--bogus", "--json"});
  EXPECT_EQ(before.exit_code, 6);
  EXPECT_EQ(before.out, "");
}

TEST(Command, RefusesAKeyFlagWhereItsCommandHasNone) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"policy", "fmt"}, {"policy", "validate"}}) {
    std::vector<std::string> argv = {"gait"};
    argv.insert(argv.end(), words.begin(), words.end());
    argv.insert(argv.end(), {"--json", "--private-key", "x"});
    const Said said = say(argv);
    EXPECT_EQ(said.exit_code, 6) << words.front();
    EXPECT_EQ(said.json().text("error"), "flag provided but not defined: -private-key") << words.front();
  }
}

TEST(Command, FailsWhereItsAnswerCannotBeWritten) {
  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  const Output err;
  Console console(full, err.descriptor());
  EXPECT_EQ(dispatch({"countersign", "version"}, console), 1);
  EXPECT_NE(err.text().find("could not be written"), std::string::npos);
  ::close(full);
}

TEST(Command, VersionHasGaitsMembers) {
  const Json json = say({"gait", "version", "--json"}).json();
  EXPECT_TRUE(json.find("ok")->as_bool());
  EXPECT_FALSE(json.text("version").empty());
  // Recorded from gait itself: fixture 347_version_and_usage.
  EXPECT_EQ(json.text("correlation_id"), "e817da1ea5bc1c4b0c6da48f");
}

TEST(Command, ReportsASignerThatDoesNotListenAsUnavailable) {
  const test::TemporaryFolder folder;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"keys", "list"}, {"status"}, {"requests", "list"}, {"status", "--wait", "10ms"}}) {
    std::vector<std::string> argv = {"countersign"};
    argv.insert(argv.end(), words.begin(), words.end());
    argv.insert(argv.end(), {"--signer", folder / "sign.sock", "--json"});
    const Said said = say(argv);
    EXPECT_EQ(said.exit_code, 7) << words.front();
    EXPECT_FALSE(said.json().find("ok")->as_bool());
  }
}

}  // namespace
}  // namespace countersign::command
