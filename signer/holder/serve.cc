#include "signer/holder/serve.h"

#include <cstdio>

#include "signer/channel/control.h"
#include "signer/holder/blocked_signals.h"
#include "signer/holder/frame_loop.h"

namespace countersign::holder {
namespace {

using channel::HolderExit;

HolderExit tell(int control, std::string_view event, HolderExit exit, const Error& error, const std::string& who) {
  const channel::HolderExitRow& row = row_of(exit);
  std::fprintf(stderr, "countersign-holder %s: %.*s: %s\n", who.c_str(), static_cast<int>(row.cause.size()),
               row.cause.data(), error.detail.c_str());
  // A supervisor that is gone hears nothing; the exit status says the same.
  static_cast<void>(channel::send_control(control, channel::exit_message(event, exit, error)));
  return exit;
}

}  // namespace

HolderExit serve(int control, int frames, int pin) {
  std::optional<BlockedSignals> starting(
      std::in_place);  // a signal in the middle of a login would destroy a SoftHSM token
  confinement::forbid_inspection();

  const Result<channel::ControlMessage> message = channel::receive_control(control);
  if (!message && message.error().reason == "closed") return HolderExit::Stopped;
  if (!message) return tell(control, "failed", HolderExit::Settings, message.error(), "");
  const Result<config::HolderSettings> settings = config::HolderSettings::from_json(message->body);
  if (!settings) return tell(control, "failed", HolderExit::Settings, settings.error(), "");
  const std::string who = std::string(name_of(settings->role)) + "/" + std::to_string(settings->index);

  Result<SecretBytes> secret = read_secret(pin);
  if (!secret) return tell(control, "failed", HolderExit::PinRefused, secret.error(), who);
  const Result<StartedHolder> started = start_holder(*settings, *std::move(secret));
  if (!started) {
    return tell(control, "failed", channel::holder_exit_for(started.error()), started.error(), who);
  }
  for (const std::string& token : started->session.restored()) {
    std::fprintf(stderr, "countersign-holder %s: token_restored: %s was empty and came back from its copy\n",
                 who.c_str(), token.c_str());
  }
  if (!channel::send_control(control, ready_message(*settings, *started))) return HolderExit::Stopped;
  starting.reset();

  const SystemClock clock;
  const LoopEnd end = FrameLoop(control, frames, *settings, *started, clock).run();
  if (end.exit == HolderExit::Stopped) return end.exit;
  return tell(control, "lost", end.exit, end.error, who);
}

}  // namespace countersign::holder
