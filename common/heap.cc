#include "common/heap.h"

#include <malloc.h>

namespace countersign {

void keep_freed_memory() {
  constexpr int kKept = 8 << 20;
  constexpr int kGrowth = 256 << 10;
  constexpr int kOwnMapping = 4 << 20;  // larger blocks are mapped alone, and given back at once
  ::mallopt(M_TRIM_THRESHOLD, kKept);
  ::mallopt(M_TOP_PAD, kGrowth);
  ::mallopt(M_MMAP_THRESHOLD, kOwnMapping);
}

}  // namespace countersign
