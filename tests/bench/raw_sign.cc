// The floor: C_Sign on a token with nothing around it, by N processes of M threads, each with its own session and a
// cached handle. Prints one JSON object.
//   bench_raw_sign MODULE LABEL PIN_FILE KEY_LABEL_PREFIX ed25519|p256 PROCESSES THREADS SECONDS
// Also used through p11-kit's client module, to measure that peer with the same client.
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "common/durable_file.h"
#include "common/json.h"

namespace {

using countersign::Json;
using SteadyClock = std::chrono::steady_clock;

struct Options {
  std::string module, label, pin, key_prefix;
  bool ed25519 = false;
  int processes = 1;
  int threads = 1;
  double seconds = 1;
};

[[noreturn]] void die(const char* what, unsigned long code) {
  std::fprintf(stderr, "bench_raw_sign: %s: 0x%lx\n", what, code);
  std::exit(1);
}

void must(CK_RV result, const char* what) {
  if (result != CKR_OK) die(what, result);
}

struct Worker {
  CK_FUNCTION_LIST* p11 = nullptr;
  CK_SESSION_HANDLE session = 0;
  CK_OBJECT_HANDLE key = 0;
};

CK_SLOT_ID slot_of(CK_FUNCTION_LIST* p11, const std::string& label) {
  std::array<CK_SLOT_ID, 64> slots;
  CK_ULONG count = slots.size();
  must(p11->C_GetSlotList(CK_TRUE, slots.data(), &count), "C_GetSlotList");
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_TOKEN_INFO info;
    if (p11->C_GetTokenInfo(slots[i], &info) != CKR_OK) continue;
    std::string name(reinterpret_cast<const char*>(info.label), sizeof info.label);
    name.erase(name.find_last_not_of(' ') + 1);
    if (name == label) return slots[i];
  }
  die("no token of that label", 0);
}

Worker open_worker(CK_FUNCTION_LIST* p11, const Options& options, bool log_in) {
  Worker worker{p11};
  must(p11->C_OpenSession(slot_of(p11, options.label), CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr,
                          &worker.session),
       "C_OpenSession");
  if (log_in) {
    std::string pin = options.pin;
    const CK_RV result = p11->C_Login(worker.session, CKU_USER, reinterpret_cast<CK_UTF8CHAR*>(pin.data()), pin.size());
    if (result != CKR_USER_ALREADY_LOGGED_IN) must(result, "C_Login");
  }
  CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
  CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &private_key, sizeof private_key}};
  must(p11->C_FindObjectsInit(worker.session, wanted, 1), "C_FindObjectsInit");
  std::array<CK_OBJECT_HANDLE, 64> found;
  CK_ULONG count = 0;
  must(p11->C_FindObjects(worker.session, found.data(), found.size(), &count), "C_FindObjects");
  must(p11->C_FindObjectsFinal(worker.session), "C_FindObjectsFinal");
  const CK_KEY_TYPE type = options.ed25519 ? CKK_EC_EDWARDS : CKK_EC;
  for (CK_ULONG i = 0; i < count; ++i) {
    char label[128];
    CK_KEY_TYPE key_type = 0;
    CK_ATTRIBUTE read[] = {{CKA_LABEL, label, sizeof label}, {CKA_KEY_TYPE, &key_type, sizeof key_type}};
    if (p11->C_GetAttributeValue(worker.session, found[i], read, 2) != CKR_OK) continue;
    const std::string name(label, read[0].ulValueLen);
    if (name.starts_with(options.key_prefix) && key_type == type) worker.key = found[i];
  }
  if (worker.key == 0) die("no such key", 0);
  return worker;
}

std::uint64_t sign_until(const Worker& worker, bool ed25519, SteadyClock::time_point end,
                         std::vector<float>& microseconds) {
  CK_MECHANISM mechanism{ed25519 ? CKM_EDDSA : CKM_ECDSA, nullptr, 0};
  std::array<CK_BYTE, 32> message{};
  std::array<CK_BYTE, 128> signature;
  std::uint64_t count = 0;
  for (auto now = SteadyClock::now(); now < end;) {
    std::memcpy(message.data(), &count, sizeof count);
    CK_ULONG length = signature.size();
    must(worker.p11->C_SignInit(worker.session, &mechanism, worker.key), "C_SignInit");
    must(worker.p11->C_Sign(worker.session, message.data(), message.size(), signature.data(), &length), "C_Sign");
    ++count;
    const auto after = SteadyClock::now();
    microseconds.push_back(std::chrono::duration<float, std::micro>(after - now).count());
    now = after;
  }
  return count;
}

struct Figures {
  std::uint64_t count;
  double cpu_seconds;
  float p50, p99;
};

Figures run_process(const Options& options, int ready, int go) {
  void* library = dlopen(options.module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) die(dlerror(), 0);
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
  CK_FUNCTION_LIST* p11 = nullptr;
  must(get(&p11), "C_GetFunctionList");
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  must(p11->C_Initialize(&arguments), "C_Initialize");
  std::vector<Worker> workers;
  for (int i = 0; i < options.threads; ++i) workers.push_back(open_worker(p11, options, i == 0));

  char byte = 0;
  if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) < 0) die("pipe", 0);
  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  const auto end = SteadyClock::now() +
                   std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(options.seconds));
  std::vector<std::vector<float>> latencies(workers.size());
  std::atomic<std::uint64_t> total = 0;
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < workers.size(); ++i) {
    threads.emplace_back([&, i] { total += sign_until(workers[i], options.ed25519, end, latencies[i]); });
  }
  total += sign_until(workers[0], options.ed25519, end, latencies[0]);
  for (std::thread& thread : threads) thread.join();
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  std::vector<float> all;
  for (const std::vector<float>& some : latencies) all.insert(all.end(), some.begin(), some.end());
  std::sort(all.begin(), all.end());
  return {total,
          seconds(after.ru_utime) + seconds(after.ru_stime) - seconds(before.ru_utime) - seconds(before.ru_stime),
          all.empty() ? 0 : all[all.size() / 2], all.empty() ? 0 : all[all.size() * 99 / 100]};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9) {
    std::fprintf(
        stderr,
        "usage: bench_raw_sign MODULE LABEL PIN_FILE KEY_LABEL_PREFIX ed25519|p256 PROCESSES THREADS SECONDS\n");
    return 6;
  }
  Options options;
  options.module = argv[1];
  options.label = argv[2];
  const auto pin = countersign::read_file(argv[3], 256);
  if (!pin) die(pin.error().detail.c_str(), 0);
  options.pin = *pin;
  while (!options.pin.empty() && options.pin.back() == '\n') options.pin.pop_back();
  options.key_prefix = argv[4];
  options.ed25519 = std::string(argv[5]) == "ed25519";
  options.processes = std::atoi(argv[6]);
  options.threads = std::atoi(argv[7]);
  options.seconds = std::atof(argv[8]);

  int ready[2], go[2], answers[2];
  if (pipe(ready) != 0 || pipe(go) != 0 || pipe(answers) != 0) die("pipe", 0);
  for (int i = 0; i < options.processes; ++i) {
    if (fork() == 0) {
      close(go[1]);
      const Figures figures = run_process(options, ready[1], go[0]);
      if (write(answers[1], &figures, sizeof figures) != sizeof figures) _exit(1);
      _exit(0);
    }
    // One after another: SoftHSM's login races with another process's start (docs/threat-model.md).
    char byte = 0;
    if (read(ready[0], &byte, 1) != 1) die("a worker did not start", 0);
  }
  close(go[1]);
  Figures sum{};
  for (int i = 0; i < options.processes; ++i) {
    Figures figures{};
    if (read(answers[0], &figures, sizeof figures) != sizeof figures) die("a worker failed", 0);
    sum.count += figures.count;
    sum.cpu_seconds += figures.cpu_seconds;
    sum.p50 = std::max(sum.p50, figures.p50);
    sum.p99 = std::max(sum.p99, figures.p99);
  }
  while (wait(nullptr) > 0) {
  }
  const double rate = static_cast<double>(sum.count) / options.seconds;
  const Json answer = Json::object({{"count", Json(sum.count)},
                                    {"per_second", Json(rate)},
                                    {"cpu_us", Json(sum.cpu_seconds * 1e6 / static_cast<double>(sum.count))},
                                    {"p50_us", Json(static_cast<double>(sum.p50))},
                                    {"p99_us", Json(static_cast<double>(sum.p99))}});
  std::printf("%s\n", answer.compact().c_str());
  return 0;
}
