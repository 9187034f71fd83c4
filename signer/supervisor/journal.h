// One line on standard error for each thing an operator should know. The journal takes it from there.
#pragma once

#include <string_view>

namespace countersign::supervisor {

enum class Level { Debug, Info, Warning, Error };

// Lines below this level are not written; `log.level` of the configuration.
void set_level(std::string_view name);
void say(Level level, std::string_view text);

// Tells the service manager ("READY=1", "STATUS=…", "STOPPING=1") over $NOTIFY_SOCKET; nothing where there is none
// (sd_notify(3)).
void tell_service_manager(std::string_view state);

}  // namespace countersign::supervisor
