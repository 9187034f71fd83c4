#include "signer/supervisor/holder_slot.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "common/digest.h"
#include "signer/channel/control.h"
#include "signer/channel/holder_exit.h"
#include "signer/config/holder_settings.h"
#include "signer/process/started_process.h"

namespace countersign::supervisor {
namespace {

using process::close_descriptor;

constexpr int kQuickTries = 10;

// What people are told of a holder that we ended.
struct KillRow {
  std::string_view cause;
  std::string_view message;
};
constexpr KillRow kKills[] = {
    {"sign_deadline", "it did not answer within limits.sign_deadline and was ended"},
    {"canary_failed", "its keys did not sign a canary that verifies for 45 s and it was ended"},
    {"start_too_slow", "it was not ready within limits.start_deadline and was ended"},
    {"memory", "it grew past limits.holder_memory and was ended"},
    {"key_mismatch", "its token's keys are not those of the ledger; it was ended"},
    {"peer_nonsense", "it answered what nobody asked and was ended"},
    {"connection_closed", "it closed its connection to the front and was ended"},
    {"front_ended", "the front that it served ended"},
    {"halted", "the role was halted"},
};

std::string message_of_kill(std::string_view cause) {
  for (const KillRow& row : kKills) {
    if (row.cause == cause) return std::string(row.message);
  }
  return "it was ended for this cause";
}

}  // namespace

std::chrono::milliseconds restart_delay(int failures) {
  if (failures <= 0) return std::chrono::milliseconds(0);
  if (failures > kQuickTries) return std::chrono::seconds(1);
  const int longest = std::min(160, 10 << std::min(failures - 1, 4));
  const int jitter = random_bytes(1)[0] % (longest / 2 + 1);
  return std::chrono::milliseconds(longest / 2 + jitter < 10 ? 10 : longest / 2 + jitter);
}

std::string HolderSlot::name() const {
  return std::string(keymgmt::name_of(role)) + "/" + std::to_string(index);
}

std::vector<HolderSlot> slots_of(const config::Config& config) {
  std::vector<HolderSlot> slots;
  for (const config::RoleConfig& role : config.roles) {
    for (int index = 0; index < role.holders; ++index) {
      HolderSlot slot;
      slot.role = role.role;
      slot.index = index;
      slot.token = role.token;
      slots.push_back(std::move(slot));
    }
  }
  return slots;
}

Status start_holder(HolderSlot& slot, const config::Config& config, const std::string& program,
                    const std::vector<std::string>& more_environment, custody::PinStore& pins) {
  const config::TokenConfig& token = *config.token(slot.token);
  ASSIGN_OR_RETURN(int pin, pins.open(token));
  Result<std::pair<int, int>> control = process::socket_pair(SOCK_SEQPACKET);
  Result<std::pair<int, int>> frames = process::socket_pair(SOCK_STREAM);
  process::Program holder;
  holder.argv = {program, "serve"};
  holder.title = "countersign-holder: " + slot.name();
  for (const auto& [name, value] : token.environment) holder.environment.push_back(name + "=" + value);
  holder.environment.insert(holder.environment.end(), more_environment.begin(), more_environment.end());
  holder.user = token.user;
  holder.parent_death_signal = SIGTERM;  // which it blocks while an end could cost it its token
  Status started = !control ? Status(control.error()) : !frames ? Status(frames.error()) : ok();
  if (started) {
    holder.descriptors = {control->second, frames->second, pin};
    const Result<pid_t> pid = process::start(holder);
    started = pid ? ok() : Status(pid.error());
    if (pid) slot.pid = *pid;
  }
  close_descriptor(pin);
  if (control) close_descriptor(control->second);
  if (frames) close_descriptor(frames->second);
  if (!started) {
    if (control) close_descriptor(control->first);
    if (frames) close_descriptor(frames->first);
    return started;
  }
  slot.control = control->first;
  slot.frames = frames->first;
  slot.generation += 1;
  slot.state = HolderSlot::State::Starting;
  slot.since = std::chrono::steady_clock::now();
  slot.overdue = false;
  slot.ready = Json();
  slot.last_words = Json();
  slot.why_killed.clear();
  fcntl(slot.control, F_SETFL, O_NONBLOCK);
  // A holder that is already gone is noticed when it is reaped.
  static_cast<void>(channel::send_control(
      slot.control, config::holder_settings(config, slot.role, slot.index, slot.token).to_json()));
  return ok();
}

HolderEnd end_of(const HolderSlot& slot, int wait_status) {
  HolderEnd end;
  if (!slot.why_killed.empty()) {
    end.cause = slot.why_killed;
    end.message = message_of_kill(slot.why_killed);
    return end;
  }
  if (WIFSIGNALED(wait_status)) {
    end.cause = "killed";
    end.message = std::string("signal ") + std::to_string(WTERMSIG(wait_status)) + " ended it";
    return end;
  }
  const int status = WEXITSTATUS(wait_status);
  const channel::HolderExitRow* row = channel::holder_exit_of(status);
  if (row == nullptr) {
    end.cause = status == 127 ? "holder_not_started" : "unknown_exit";
    end.message =
        status == 127 ? "countersign-holder cannot be executed" : "it ended with status " + std::to_string(status);
    end.retryable = status != 127;
    if (status == 127) end.hint = "put it beside countersignd again, then send countersignd SIGHUP";
    return end;
  }
  end.cause = row->cause;
  end.retryable = row->retryable || row->exit == channel::HolderExit::Stopped;
  end.hint = row->hint;
  end.pin_refused = row->exit == channel::HolderExit::PinRefused;
  end.message = slot.last_words.text("message");
  if (!slot.last_words.text("hint").empty()) end.hint = slot.last_words.text("hint");
  return end;
}

void clear(HolderSlot& slot) {
  close_descriptor(slot.control);
  close_descriptor(slot.frames);
  slot.pid = -1;
}

}  // namespace countersign::supervisor
