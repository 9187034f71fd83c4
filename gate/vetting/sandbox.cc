#include "gate/vetting/sandbox.h"

#include <filesystem>

#include "common/program_path.h"
#include "signer/process/child_program.h"

namespace countersign::vetting {
namespace {

constexpr std::size_t kMostOutput = std::size_t{64} << 20;

// What a dynamic program needs of Debian's file system; the rest of the machine does not exist.
constexpr const char* kSystem[] = {"/usr", "/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl/certs",
                                   "/etc/ca-certificates"};
struct Link {
  const char* target;
  const char* path;
};
constexpr Link kSystemLinks[] = {
    {"usr/bin", "/bin"}, {"usr/sbin", "/sbin"}, {"usr/lib", "/lib"}, {"usr/lib32", "/lib32"}, {"usr/lib64", "/lib64"}};
// Beside the network, only where a scanner asks its registry.
constexpr const char* kNetworkFiles[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"};

void mount(std::vector<std::string>& words, const char* flag, const std::string& path) {
  words.insert(words.end(), {flag, path, path});
}

std::vector<std::string> limits(const SandboxedProgram& program) {
  std::vector<std::string> words = {"--core=0", "--nofile=4096", "--fsize=" + std::to_string(std::uint64_t{1} << 30)};
  if (program.time.count() > 0) words.push_back("--cpu=" + std::to_string(2 * program.time.count()));
#ifndef COUNTERSIGN_SANITIZED  // a sanitizer maps terabytes it never touches
  if (program.memory != 0) words.push_back("--as=" + std::to_string(program.memory));
#endif
  return words;
}

}  // namespace

Result<std::vector<std::string>> sandbox_words(const SandboxedProgram& program) {
  const auto bwrap = program_path("bwrap");
  const auto prlimit = program_path("prlimit");
  if (!bwrap || !prlimit) {
    return Error{ErrorCode::Unavailable, "the sandbox needs bwrap and prlimit", "sandbox_missing",
                 "install the packages bubblewrap and util-linux"};
  }
  std::vector<std::string> words = {*prlimit};
  for (std::string& each : limits(program)) words.push_back(std::move(each));
  words.insert(words.end(), {*bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop",
                             "ALL", "--hostname", "sandbox"});
  if (program.network) words.push_back("--share-net");
  for (const char* path : kSystem) mount(words, "--ro-bind-try", path);
  if (program.network) {
    for (const char* path : kNetworkFiles) mount(words, "--ro-bind-try", path);
  }
  for (const Link& link : kSystemLinks) words.insert(words.end(), {"--symlink", link.target, link.path});
  words.insert(words.end(), {"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", kSandboxEmpty});
  for (const std::string& path : program.read_only) mount(words, "--ro-bind", path);
  for (const std::string& path : program.read_write) mount(words, "--bind", path);
  mount(words, "--ro-bind-try", program.argv.front());
  if (!program.tree.empty()) words.insert(words.end(), {"--ro-bind", program.tree, kSandboxTree});
  if (!program.out.empty()) words.insert(words.end(), {"--bind", program.out, kSandboxOut});
  words.insert(words.end(),
               {"--setenv", "PATH", "/usr/bin:/bin", "--setenv", "HOME", "/tmp", "--setenv", "LANG", "C.UTF-8"});
  for (const std::string& each : program.environment) {
    const std::size_t equals = each.find('=');
    words.insert(words.end(), {"--setenv", each.substr(0, equals), each.substr(equals + 1)});
  }
  words.insert(words.end(), {"--chdir", kSandboxEmpty, "--"});
  words.insert(words.end(), program.argv.begin(), program.argv.end());
  return words;
}

Result<SandboxedAnswer> run_sandboxed(const SandboxedProgram& program) {
  ASSIGN_OR_RETURN(const std::vector<std::string> words, sandbox_words(program));
  ASSIGN_OR_RETURN(process::Finished finished, process::run_confined(words, "", {{}, program.time, kMostOutput}));
  if (finished.exit_code != 0 && finished.errors.starts_with("bwrap: ")) {
    return Error{ErrorCode::Unavailable,
                 "the sandbox cannot be made: " + finished.errors.substr(0, finished.errors.find('\n')),
                 "sandbox_missing",
                 "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1); inside a chroot the kernel makes "
                 "none for anybody"};
  }
  return SandboxedAnswer{finished.exit_code, std::move(finished.output), std::move(finished.errors)};
}

}  // namespace countersign::vetting
