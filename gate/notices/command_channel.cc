#include "common/text.h"
#include "gate/notices/channel.h"
#include "signer/process/child_program.h"
#include "signer/process/started_process.h"

namespace countersign::notices {
namespace {

constexpr std::size_t kMostOutput = std::size_t{64} << 10;
constexpr int kNotStarted = 127;

constexpr std::size_t kLongestComplaint = 200;

// The last thing it said on its standard error, for whoever has to mend it.
std::string complaint(std::string_view errors) {
  errors = trimmed(errors);
  if (errors.empty() || !is_utf8(errors)) return "";
  const std::size_t line = errors.rfind('\n');
  return ": " +
         displayed((line == std::string_view::npos ? errors : errors.substr(line + 1)).substr(0, kLongestComplaint));
}

class CommandChannel : public Channel {
 public:
  CommandChannel(const broker::CommandTarget& target, std::chrono::nanoseconds timeout)
      : target_(target), timeout_(timeout) {}

  Status deliver(const Message& message, UtcTime, const std::atomic<bool>& interrupted) const override {
    process::Confinement bounds;
    bounds.environment = {process::kPath, process::kLanguage};
    bounds.time = std::chrono::ceil<std::chrono::milliseconds>(timeout_);
    bounds.output = kMostOutput;
    bounds.interrupted = &interrupted;
    ASSIGN_OR_RETURN(const process::Finished finished,
                     process::run_confined(target_.argv, message.json + "\n", bounds));
    if (finished.exit_code == 0) return ok();
    return Error{ErrorCode::Unavailable,
                 finished.exit_code == kNotStarted
                     ? target_.argv.front() + " cannot be started"
                     : "it ended with status " + std::to_string(finished.exit_code) + complaint(finished.errors)};
  }

 private:
  broker::CommandTarget target_;
  std::chrono::nanoseconds timeout_;
};

}  // namespace

std::unique_ptr<Channel> open_command(const broker::ChannelConfig& config, const broker::CommandTarget& target) {
  return std::make_unique<CommandChannel>(target, config.timeout);
}

}  // namespace countersign::notices
