#include "command/ceremony/interruption.h"

#include <csignal>

namespace countersign::command {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;

void note(int) {
  g_interrupted = 1;
}

}  // namespace

void remember_interruption() {
  struct sigaction action {};
  action.sa_handler = note;  // without SA_RESTART: whoever waits for a line stops waiting
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

Status check_interruption() {
  if (g_interrupted == 0) return ok();
  return Error{ErrorCode::Unavailable, "interrupted; nothing is half done that resuming does not finish", "interrupted",
               "countersign ceremony resume DIR"};
}

}  // namespace countersign::command
