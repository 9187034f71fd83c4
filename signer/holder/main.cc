// countersign-holder: the only program that loads PKCS#11 and sees a PIN. Started by countersignd, not by people.
#include <cstdio>
#include <exception>
#include <string_view>

#include "signer/holder/serve.h"
#include "signer/holder/setup.h"

#ifdef __SANITIZE_ADDRESS__
// What was freed is kept aside for a while, by default as much as limits.holder_memory allows in all: under load every
// instrumented holder would be replaced.
extern "C" const char* __asan_default_options() {
  return "quarantine_size_mb=64";
}
#endif

namespace {

constexpr int kControl = 3;
constexpr int kFrames = 4;
constexpr int kPin = 5;

constexpr std::string_view kUsage =
    "countersign-holder serve   one role on one token; descriptors 3 control, 4 frames, 5 PIN\n"
    "countersign-holder init    makes a SoftHSM token and first keys; request on stdin, descriptors 5 PIN, 6 SO PIN\n"
    "countersign-holder measure measures a module; request on stdin, descriptors as init's\n"
    "countersign-holder sweep   destroys the trial keys that a measurement left\n"
    "countersign-holder custody what a ceremony does on a token; request on stdin, descriptor 5 PIN\n"
    "countersign-holder custodian  a person's root key on their own token signs; request on stdin, descriptor 5 PIN\n"
    "countersign-holder probe   logs in and proves every key; request on stdin, descriptor 5 PIN\n"
    "Started by countersignd and countersign ceremony; not meant to be run by hand.\n";

int run(std::string_view command) {
  if (command == "serve") return static_cast<int>(countersign::holder::serve(kControl, kFrames, kPin));
  if (command == "init" || command == "measure" || command == "sweep" || command == "custody" ||
      command == "custodian" || command == "probe")
    return countersign::holder::run_setup(command);
  if (command == "--help") {
    std::fwrite(kUsage.data(), 1, kUsage.size(), stdout);
    return 0;
  }
  if (command == "--version") {
    std::puts("countersign-holder " COUNTERSIGN_VERSION);
    return 0;
  }
  std::fwrite(kUsage.data(), 1, kUsage.size(), stderr);
  return 64;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc == 2 ? argv[1] : "");
  } catch (const std::exception& defect) {
    std::fprintf(stderr, "countersign-holder: internal: %s\n", defect.what());
    return static_cast<int>(countersign::channel::HolderExit::Internal);
  }
}
