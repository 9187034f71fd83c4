#include "signer/confinement/profile.h"

#include <cstdlib>

namespace countersign::confinement {
namespace {

// Measured with strace -c around login, signing, data objects and key generation on SoftHSM 2.6.1, and with what glibc
// calls to write to syslog and to abort. `socket`, `clone`, `mmap`, `mprotect` and `tgkill` are in system_calls.cc,
// since their arguments decide.
constexpr std::string_view kHolderCalls[] = {
    // descriptors
    "read", "write", "readv", "writev", "pread64", "pwrite64", "close", "lseek", "fcntl", "dup", "poll", "ppoll",
    "epoll_wait", "epoll_pwait", "recvfrom", "recvmsg", "sendto", "sendmsg", "connect", "shutdown", "getsockopt",
    // files: SoftHSM opens, locks and rewrites objects; the guard copies and renames them
    "openat", "open", "newfstatat", "stat", "lstat", "fstat", "statx", "access", "faccessat", "faccessat2", "readlink",
    "readlinkat", "getdents64", "getcwd", "flock", "ftruncate", "fsync", "fdatasync", "rename", "renameat", "renameat2",
    "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "fchmod", "fchmodat", "chmod", "umask", "chown", "lchown",
    "fchown", "fchownat", "statfs", "fstatfs", "copy_file_range", "sendfile", "fadvise64", "utimensat",
    // memory, threads' locks, time, ids
    "brk", "munmap", "mremap", "madvise", "futex", "set_robust_list", "rseq", "membarrier", "sched_yield",
    "sched_getaffinity", "clock_gettime", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "getrandom", "getpid",
    "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getrusage", "uname", "sysinfo",
    // signals and the end
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "exit", "exit_group"};

// The holder's, and what HTTP over Unix sockets, epoll, threads and SQLite in WAL mode need.
constexpr std::string_view kFrontCalls[] = {
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "close", "lseek", "fcntl", "dup",
    "dup2", "dup3", "pipe2", "ioctl", "poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait",
    "epoll_pwait", "epoll_pwait2", "eventfd2", "timerfd_create", "timerfd_settime", "timerfd_gettime", "signalfd4",
    "recvfrom", "recvmsg", "recvmmsg", "sendto", "sendmsg", "sendmmsg", "connect", "bind", "listen", "accept",
    "accept4", "shutdown", "getsockopt", "setsockopt", "getsockname", "getpeername", "socketpair",
    // files
    "openat", "open", "newfstatat", "stat", "lstat", "fstat", "statx", "access", "faccessat", "faccessat2", "readlink",
    "readlinkat", "getdents64", "getcwd", "flock", "truncate", "ftruncate", "fallocate", "fsync", "fdatasync", "syncfs",
    "sync_file_range", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink",
    "unlinkat", "mkdir", "mkdirat", "rmdir", "fchmod", "fchmodat", "chmod", "chown", "lchown", "fchown", "fchownat",
    "umask", "statfs", "fstatfs", "copy_file_range", "sendfile", "fadvise64", "utimensat",
    // memory, threads, time, ids
    "brk", "munmap", "mremap", "madvise", "msync", "mincore", "futex", "set_robust_list", "get_robust_list", "rseq",
    "membarrier", "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_getscheduler",
    "sched_setscheduler", "setpriority", "getpriority", "getcpu", "clock_gettime", "clock_getres", "clock_nanosleep",
    "nanosleep", "gettimeofday", "time", "getrandom", "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid",
    "getegid", "getgroups", "getrusage", "getrlimit", "uname", "sysinfo", "times",
    // signals and the end
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigpending", "sigaltstack",
    "restart_syscall", "exit", "exit_group"};

// Programs started by this process keep the filter, so it forbids only what none of them has any business with.
constexpr std::string_view kNobodysCalls[] = {"ptrace",
                                              "process_vm_readv",
                                              "process_vm_writev",
                                              "process_madvise",
                                              "kcmp",
                                              "pidfd_getfd",
                                              "io_uring_setup",
                                              "io_uring_enter",
                                              "io_uring_register",
                                              "bpf",
                                              "perf_event_open",
                                              "userfaultfd",
                                              "lookup_dcookie",
                                              "keyctl",
                                              "add_key",
                                              "request_key",
                                              "mount",
                                              "umount2",
                                              "pivot_root",
                                              "chroot",
                                              "move_mount",
                                              "open_tree",
                                              "fsopen",
                                              "fsconfig",
                                              "fsmount",
                                              "fspick",
                                              "mount_setattr",
                                              "setns",
                                              "unshare",
                                              "init_module",
                                              "finit_module",
                                              "delete_module",
                                              "kexec_load",
                                              "kexec_file_load",
                                              "reboot",
                                              "swapon",
                                              "swapoff",
                                              "acct",
                                              "quotactl",
                                              "settimeofday",
                                              "clock_settime",
                                              "adjtimex",
                                              "clock_adjtime",
                                              "sethostname",
                                              "setdomainname",
                                              "iopl",
                                              "ioperm",
                                              "modify_ldt",
                                              "vm86",
                                              "vm86old",
                                              "personality",
                                              "open_by_handle_at",
                                              "name_to_handle_at",
                                              "nfsservctl",
                                              "uselib",
                                              "ustat",
                                              "sysfs",
                                              "_sysctl",
                                              "vhangup",
                                              "mbind",
                                              "migrate_pages",
                                              "move_pages",
                                              "set_mempolicy"};

constexpr std::string_view kLibraries[] = {
    "/usr/lib",  "/lib",         "/lib64",     "/usr/share/zoneinfo", "/etc/localtime", "/etc/ssl/openssl.cnf",
    "/dev/null", "/dev/urandom", "/dev/random"};
constexpr std::string_view kSystem[] = {"/usr", "/lib", "/lib64", "/bin", "/sbin",
                                        "/etc", "/dev", "/proc",  "/run", "/sys"};

constexpr Profile kProfiles[] = {
    {ProcessKind::Supervisor, "supervisor", Filter::DenyList, true, true, true, false, false, kNobodysCalls, {}},
    {ProcessKind::Front, "front", Filter::AllowList, true, false, false, true, false, kFrontCalls, kLibraries},
    {ProcessKind::Holder, "holder", Filter::AllowList, false, false, false, true, true, kHolderCalls, kLibraries},
    {ProcessKind::Notifier, "notifier", Filter::DenyList, true, true, true, true, false, kNobodysCalls, kSystem},
};

}  // namespace

const Profile& profile_of(ProcessKind kind) {
  for (const Profile& profile : kProfiles) {
    if (profile.kind == kind) return profile;
  }
  std::abort();  // a value outside the enumeration: memory is not what it was
}

}  // namespace countersign::confinement
