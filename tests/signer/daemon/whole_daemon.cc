// whole_daemon [NAME=value …] CONFIG: what countersignd does. Started again by itself as front and notifier. The
// variables stand in the environment of front and holders.
#include <cstdio>
#include <cstring>
#include <string>

#include "common/durable_file.h"
#include "places.h"
#include "signer/daemon/front.h"
#include "signer/notifier/notifier.h"
#include "signer/supervisor/supervisor.h"

using namespace countersign;

int main(int argc, char** argv) {
  if (argc < 2) return 64;
  const char* path = argv[argc - 1];
  const Result<std::string> text = read_file(path);
  if (!text) return 64;
  const Result<config::Config> config = config::parse(*text, path);
  if (!config) {
    std::fprintf(stderr, "%s\n", config.error().detail.c_str());
    return 6;
  }
  if (std::strcmp(argv[1], "--front") == 0) return daemon::run_front(3, *config);
  if (std::strcmp(argv[1], "--notifier") == 0) return notifier::run_notifier(3, 5, *config);
  supervisor::Programs programs;
  programs.holder = std::string(COUNTERSIGN_PROGRAMS) + "/countersign-holder";
  programs.front = {"/proc/self/exe", "--front", path};
  programs.notifier = {"/proc/self/exe", "--notifier", path};
  for (int i = 1; i + 1 < argc; ++i) {
    programs.front_environment.push_back(argv[i]);
    programs.holder_environment.push_back(argv[i]);
  }
  return supervisor::run_supervisor(*config, *text, programs);
}
