// The parent of all processes of the appliance. It starts them, passes their sockets to one another, replaces what dies
// and ends last. It parses nothing that comes from outside, has one thread and initialises no library.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "signer/config/config.h"

namespace countersign::supervisor {

// What is started. Tests put a stand-in for the front here; the program itself uses installed_programs() alone.
struct Programs {
  std::string holder;                 // path of countersign-holder
  std::vector<std::string> front;     // argv; descriptors 3 control, 4 configuration text
  std::vector<std::string> notifier;  // argv; descriptors 3 control, 4 configuration text, 5 frames
  // For tests: beside what the token's configuration says, and beside what a front needs.
  std::vector<std::string> holder_environment;
  std::vector<std::string> front_environment;
};

// countersign-holder from the folder of this program; front and notifier are this program again.
Result<Programs> installed_programs(const std::string& config_path);

// Runs until SIGTERM or SIGINT, then stops everything in order: the front first, holders and notifier after it.
// SIGHUP tries roles again that are down. `text` is what `config` was read from; the children read the same.
// Gives the exit status: 0 stopped; 3 another supervisor runs on this state directory, or the front found a ledger, an
// anchor or a key that is not what it should be; 6 the configuration cannot be used here; 7 no state directory or no
// process can be started.
int run_supervisor(const config::Config& config, std::string_view text, const Programs& programs);

}  // namespace countersign::supervisor
