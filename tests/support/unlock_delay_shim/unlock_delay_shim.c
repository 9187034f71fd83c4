/* Preloaded into a program that uses SoftHSM 2.6.1, this makes its start-up race certain: SoftHSM empties
 * `token.object`, unlocks it, and only then writes it. The shim sleeps between the unlock and the write, for
 * UNLOCK_DELAY_MS milliseconds (300 where unset). UNLOCK_DELAY_IN restricts it to paths that hold this text, and
 * UNLOCK_DELAY_WHILE to as long as a file is there. It replaces fcntl rather than write, because stdio's own write
 * cannot be replaced. Test-only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef int (*fcntl_function)(int, int, ...);

static int is_emptied_object(int descriptor) {
  char link[64];
  char path[4096];
  struct stat facts;
  if (fstat(descriptor, &facts) != 0 || facts.st_size != 0 || !S_ISREG(facts.st_mode)) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 7) return 0;
  path[size] = '\0';
  const char* part = getenv("UNLOCK_DELAY_IN");
  const char* file = getenv("UNLOCK_DELAY_WHILE");
  if (part != NULL && strstr(path, part) == NULL) return 0;
  if (file != NULL && access(file, F_OK) != 0) return 0;
  return strcmp(path + size - 7, ".object") == 0;
}

static int delayed(fcntl_function real, int descriptor, int command, void* argument) {
  const int result = real(descriptor, command, argument);
  const int locks = command == F_SETLK || command == F_SETLKW;
  if (locks && ((struct flock*)argument)->l_type == F_UNLCK && is_emptied_object(descriptor)) {
    const char* setting = getenv("UNLOCK_DELAY_MS");
    const long milliseconds = setting == NULL ? 300 : strtol(setting, NULL, 10);
    const struct timespec span = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&span, NULL);
  }
  return result;
}

static void* argument_of(va_list list) {
  return va_arg(list, void*);
}

#define REPLACE(name)                                                                       \
  __attribute__((visibility("default"))) int name(int descriptor, int command, ...) {       \
    va_list list;                                                                           \
    va_start(list, command);                                                                \
    void* argument = argument_of(list);                                                     \
    va_end(list);                                                                           \
    return delayed((fcntl_function)dlsym(RTLD_NEXT, #name), descriptor, command, argument); \
  }

REPLACE(fcntl)
REPLACE(fcntl64)
