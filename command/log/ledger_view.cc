#include "command/log/ledger_view.h"

#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>
#include <vector>

#include "signer/process/child_program.h"

namespace countersign::command {
namespace {

// Between two looks at a check that is under way.
constexpr std::chrono::milliseconds kPause{200};

constexpr const char* kCheckPath = "/v1/ledger/check";

Error damaged(const Json& check) {
  const Json* damage = check.find("damage");
  const std::string what = damage != nullptr ? std::string(damage->text("message")) : "the ledger is damaged";
  const std::string code = damage != nullptr ? std::string(damage->text("code")) : "ledger_corrupt";
  return Error{ErrorCode::Refused, what, code, "The signer signs nothing any more. docs/ledger.md says what to do."};
}

Result<std::int64_t> rounds_in(const Json& ledger) {
  const Json* check = ledger.find("check");
  const Json* rounds = check != nullptr ? check->find("rounds") : nullptr;
  if (rounds == nullptr || !rounds->is_integer()) {
    return Error{ErrorCode::Unavailable, "the signer answers nothing about a check"};
  }
  if (check->text("state") == "damaged") return damaged(*check);
  return rounds->as_integer();
}

Result<std::uint64_t> size_in(const Json& answer) {
  const Json* size = answer.find("size");
  if (size == nullptr || !size->is_integer() || size->as_integer() < 0) {
    return Error{ErrorCode::Unavailable, "the answer about the ledger says no size"};
  }
  return static_cast<std::uint64_t>(size->as_integer());
}

// Only an answer about as many records as were asked for is one.
Result<Digest> root_in(const Json& answer, std::uint64_t size) {
  const Json* root = answer.find("root_at");
  if (root != nullptr) {
    ASSIGN_OR_RETURN(const std::uint64_t at, size_in(*root));
    if (at == size) return Digest::parse(root->text("root"));
  }
  return Error{ErrorCode::Unavailable, "no root over " + std::to_string(size) + " records was answered"};
}

class SignersLedger : public LedgerView {
 public:
  explicit SignersLedger(std::string socket) : signer_(std::move(socket)) {}
  Result<std::uint64_t> verify(Call& call) override {
    ASSIGN_OR_RETURN(const Json ledger, check_by_signer(call, signer_));
    return size_in(ledger);
  }
  Result<Digest> root_at(std::uint64_t size) override {
    ASSIGN_OR_RETURN(const Json ledger,
                     signer_.change(kCheckPath, Json::object({{"start", false}, {"root_at", size}})));
    return root_in(ledger, size);
  }

 private:
  client::SignerClient signer_;
};

class LedgerFile : public LedgerView {
 public:
  LedgerFile(std::string flag, std::string path) : flag_(std::move(flag)), path_(std::move(path)) {}
  Result<std::uint64_t> verify(Call&) override {
    ASSIGN_OR_RETURN(const Json answer, ask({"verify"}));
    return size_in(answer);
  }
  Result<Digest> root_at(std::uint64_t size) override {
    ASSIGN_OR_RETURN(const Json answer, ask({"root", "--at", std::to_string(size)}));
    return root_in(answer, size);
  }

 private:
  Result<Json> ask(const std::vector<std::string>& words) const {
    std::vector<std::string> argv = {countersignd_path(), "ledger"};
    argv.insert(argv.end(), words.begin(), words.end());
    argv.insert(argv.end(), {flag_, path_, "--json"});
    ASSIGN_OR_RETURN(const process::Finished done, process::run_program(argv, ""));
    Result<Json> answer = Json::parse(done.output);
    const Json* error = answer ? answer->find("error") : nullptr;
    if (done.exit_code == 0 && answer) return answer;
    return Error{done.exit_code == row_of(ErrorCode::Refused).exit_code ? ErrorCode::Refused : ErrorCode::Unavailable,
                 error == nullptr ? "countersignd answered nothing of " + path_ : std::string(error->text("message")),
                 std::string(error == nullptr ? "" : error->text("code")),
                 std::string(error == nullptr ? "" : error->text("hint"))};
  }

  std::string flag_;
  std::string path_;
};

}  // namespace

std::unique_ptr<LedgerView> signers_ledger(std::string admin_socket) {
  return std::make_unique<SignersLedger>(std::move(admin_socket));
}

std::unique_ptr<LedgerView> ledger_file(std::string flag, std::string path) {
  return std::make_unique<LedgerFile>(std::move(flag), std::move(path));
}

std::string countersignd_path() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / "countersignd").string();
}

Result<Json> check_by_signer(Call& call, client::SignerClient& signer) {
  const auto ask = [&signer](bool start) { return signer.change(kCheckPath, Json::object({{"start", start}})); };
  ASSIGN_OR_RETURN(Json ledger, ask(true));
  const Json* round = ledger.find("done_by_round");
  if (round == nullptr || !round->is_integer()) {
    return Error{ErrorCode::Unavailable, "the signer answers nothing about a check"};
  }
  const std::int64_t wanted = round->as_integer();
  auto told = std::chrono::steady_clock::now();
  for (;;) {
    std::this_thread::sleep_for(kPause);
    ASSIGN_OR_RETURN(ledger, ask(false));
    ASSIGN_OR_RETURN(const std::int64_t rounds, rounds_in(ledger));
    if (rounds >= wanted) return ledger;
    const Json& check = *ledger.find("check");
    if (const std::string_view trouble = check.text("trouble"); !trouble.empty()) {
      return Error{ErrorCode::Unavailable, "the signer cannot read its ledger: " + std::string(trouble)};
    }
    if (std::chrono::steady_clock::now() - told < std::chrono::seconds(1)) continue;
    told = std::chrono::steady_clock::now();
    call.console.tell(std::string(check.text("doing")) + ": " + check.find("checked")->compact() + " of " +
                      check.find("size")->compact());
  }
}

}  // namespace countersign::command
