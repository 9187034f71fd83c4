// SoftHSM's start-up race and its killed logins, made likely; and that the guard takes both away.
#include <poll.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <thread>

#include "places.h"
#include "tests/pkcs11/pkcs11_fixture.h"
#include "tests/support/child_process.h"

namespace countersign::pkcs11 {
namespace {

using std::chrono::microseconds;

class StartRace : public OpenToken {
 protected:
  void SetUp() override {
    const auto session = open();
    ASSERT_OK(session);
    ASSERT_OK(session->generate_key_pair(spec_of(KeyKind::P256)));
  }
  test::Command opener(const std::map<std::string, std::string>& environment = {}) const {
    return {{test::program("test_open_token"), token_.conf(), token_.label(), token_.pin_file()}, environment};
  }
  std::map<std::string, std::string> shim(int delay) const {
    return {{"LD_PRELOAD", UNLOCK_DELAY_SHIM},
            {"UNLOCK_DELAY_MS", std::to_string(delay)},
            {"ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0"}};
  }
};

int count_from_environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

// That the shim does what it is for: softhsm2-util takes no lock of ours, and a login of ours beside it finds no token.
TEST_F(StartRace, IsCertainUnderTheShimForProgramsWithoutTheGuard) {
  auto environment = shim(1500);
  environment.insert({"SOFTHSM2_CONF", token_.conf()});
  test::ChildProcess slow({{"pkcs11-tool", "--module", test::kSoftHsmModule, "--token-label", token_.label(), "--login",
                            "--pin", token_.pin(), "--list-objects"},
                           environment});
  while (std::filesystem::file_size(token_.token_object()) != 0 && slow.running()) poll(nullptr, 0, 1);
  ASSERT_EQ(std::filesystem::file_size(token_.token_object()), 0U) << "the shim did not delay the write";
  const test::Outcome other = test::run({{"pkcs11-tool", "--module", test::kSoftHsmModule, "--token-label",
                                          token_.label(), "--login", "--pin", token_.pin(), "--list-objects"},
                                         token_.environment()});
  EXPECT_NE(other.exit_code, 0) << other.out;
  EXPECT_EQ(slow.wait().exit_code, 0);
}

TEST_F(StartRace, IsNeverMetBehindTheGuard) {
  constexpr int kRounds = 5;
  constexpr int kTogether = 4;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::unique_ptr<test::ChildProcess>> children;
    for (int i = 0; i < kTogether; ++i) children.push_back(std::make_unique<test::ChildProcess>(opener(shim(30))));
    for (auto& child : children) {
      const test::Outcome outcome = child->wait();
      EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
      EXPECT_EQ(outcome.out, "ready\n") << "nothing needed to be restored";
    }
  }
}

// COUNTERSIGN_KILLS sets how many; every next start must succeed. A third of the kills come at a random moment of a
// plain start, a third at a random moment of one whose window the shim stretches, a third as soon as the file is empty.
TEST_F(StartRace, LosesNoTokenToKills) {
  const int kills = count_from_environment("COUNTERSIGN_KILLS", 60);
  const auto seed = static_cast<unsigned>(count_from_environment("COUNTERSIGN_SEED", static_cast<int>(time(nullptr))));
  SCOPED_TRACE("COUNTERSIGN_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  const auto measured = [&](const test::Command& command) {
    const auto from = std::chrono::steady_clock::now();
    EXPECT_EQ(test::run(command).exit_code, 0);
    return std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now() - from);
  };
  enum Kind { Plain, Stretched, Aimed, kKinds };
  const test::Command commands[kKinds] = {opener(), opener(shim(20)), opener(shim(1000))};
  const microseconds spans[] = {measured(commands[Plain]), measured(commands[Stretched])};
  int restored = 0;
  int killed = 0;
  for (int i = 0; i < kills; ++i) {
    const Kind kind = static_cast<Kind>(i % kKinds);
    test::ChildProcess child(commands[kind]);
    if (kind == Aimed) {
      while (std::filesystem::file_size(token_.token_object()) != 0 && child.running()) poll(nullptr, 0, 1);
    } else {
      const microseconds moment(std::uniform_int_distribution<std::int64_t>(0, spans[kind].count())(random));
      std::this_thread::sleep_for(moment);
    }
    child.send(SIGKILL);
    if (child.wait().signal == SIGKILL) ++killed;
    const test::Outcome next = test::run(opener());
    ASSERT_EQ(next.exit_code, 0) << "start " << i << " after a kill failed: " << next.err;
    if (next.out.find("restored") != std::string::npos) ++restored;
  }
  RecordProperty("killed", killed);
  RecordProperty("restored", restored);
  std::printf("%d of %d killed during the start, %d tokens emptied, all restored\n", killed, kills, restored);
  EXPECT_GE(restored, kills / kKinds) << "the aimed kills missed: the test proved nothing";
}

}  // namespace
}  // namespace countersign::pkcs11
