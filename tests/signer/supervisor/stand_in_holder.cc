// What the supervisor sees of a holder, misbehaving as HOLDER_MODE says:
//   greedy   is ready, then takes 96 MiB
//   silent   never becomes ready; ends with its control channel
//   hung     never becomes ready and does not end by itself either
//   exit N   ends with status N at once
#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "signer/channel/control.h"

using namespace countersign;

int main() {
  const char* variable = std::getenv("HOLDER_MODE");
  const std::string mode = variable != nullptr ? variable : "";
  if (mode.starts_with("exit ")) return std::stoi(mode.substr(5));
  const Result<channel::ControlMessage> settings = channel::receive_control(3);
  if (!settings) return 71;
  while (mode == "hung") pause();
  std::vector<char> taken;
  if (mode == "greedy") {
    const Status said = channel::send_control(
        3, Json::object({{"event", "ready"}, {"role", settings->body.text("role")}, {"index", 0}}));
    if (!said) return 1;
    taken.assign(std::size_t{96} << 20, 1);
  }
  for (;;) {
    pollfd wanted{3, POLLIN, 0};
    poll(&wanted, 1, -1);
    if (!channel::receive_control(3)) return taken.empty() ? 0 : static_cast<int>(taken.back()) - 1;
  }
}
