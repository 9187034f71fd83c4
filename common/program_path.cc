#include "common/program_path.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace countersign {

Result<std::string> program_path(const std::string& name) {
  const auto runnable = [](const std::string& path) {
    struct stat facts {};
    return ::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) && ::access(path.c_str(), X_OK) == 0;
  };
  const Error absent{ErrorCode::NotFound, "there is no program \"" + name + "\" to run", "program_not_found"};
  if (name.empty()) return absent;
  if (name.find('/') != std::string::npos) return runnable(name) ? Result<std::string>(name) : absent;
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? std::string_view("/bin:/usr/bin") : std::string_view(path);
  for (;;) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    const std::string folder(rest.substr(0, colon));
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
    if (runnable(candidate)) return candidate;
    if (colon == rest.size()) return absent;
    rest.remove_prefix(colon + 1);
  }
}

}  // namespace countersign
