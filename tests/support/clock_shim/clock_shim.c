/* Preloaded into a program, this makes its wall clock step: to CLOCK_REALTIME it adds the nanoseconds that stand as one
 * signed 64-bit number in the file CLOCK_SHIM_FILE. The file is mapped before main, so that a step reaches a process
 * that is confined by then. CLOCK_BOOTTIME and CLOCK_MONOTONIC go on as ever, as they do when a clock is set.
 * Test-only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

typedef int (*clock_function)(clockid_t, struct timespec*);

static const volatile int64_t* offset;
static clock_function real;

__attribute__((constructor)) static void map_offset(void) {
  real = (clock_function)dlsym(RTLD_NEXT, "clock_gettime");
  const char* path = getenv("CLOCK_SHIM_FILE");
  const int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) abort(); /* a test whose clock cannot step must not pass */
  void* mapped = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (mapped == MAP_FAILED) abort();
  offset = mapped;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec* now) {
  if (real == NULL) real = (clock_function)dlsym(RTLD_NEXT, "clock_gettime");
  const int result = real(clock, now);
  if (result != 0 || offset == NULL || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
  const int64_t sum = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + *offset;
  now->tv_sec = sum / 1000000000;
  now->tv_nsec = sum % 1000000000;
  return result;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval* now, void* zone) {
  (void)zone;
  struct timespec precise;
  if (clock_gettime(CLOCK_REALTIME, &precise) != 0) return -1;
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

__attribute__((visibility("default"))) time_t time(time_t* copy) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  if (copy != NULL) *copy = now.tv_sec;
  return now.tv_sec;
}
