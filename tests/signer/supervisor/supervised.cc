// supervised CONFIG HOLDER FRONT [NAME=value …]: the supervisor with a holder and a front of the test's choice. The
// further arguments stand in the environment of the holders.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "common/durable_file.h"
#include "signer/notifier/notifier.h"
#include "signer/supervisor/supervisor.h"

using namespace countersign;

int main(int argc, char** argv) {
  if (argc < 3) return 64;
  const Result<std::string> text = read_file(argv[argc > 3 ? 1 : 2]);
  if (!text) return 64;
  const Result<config::Config> config = config::parse(*text, argv[argc > 3 ? 1 : 2]);
  if (!config) {
    std::fprintf(stderr, "%s\n", config.error().detail.c_str());
    return 6;
  }
  if (std::strcmp(argv[1], "--notifier") == 0) return notifier::run_notifier(3, 5, *config);
  // The journal is a file that the test reads.
  const int journal = open((config->state + "/journal").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (journal < 0 || dup2(journal, 1) < 0 || dup2(journal, 2) < 0) return 64;
  close(journal);
  supervisor::Programs programs;
  programs.holder = argv[2];
  programs.front = {argv[3], config->state + "/front"};
  programs.notifier = {"/proc/self/exe", "--notifier", argv[1]};
  for (int i = 4; i < argc; ++i) programs.holder_environment.push_back(argv[i]);
  return supervisor::run_supervisor(*config, *text, programs);
}
