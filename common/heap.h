// How malloc(3) deals with the memory of a process that serves.
#pragma once

namespace countersign {

// What was freed stays with the process up to some megabytes, instead of going back to the kernel and being asked for
// again a moment later: at some thousand requests a second each of them would pay for it with a system call. Call it
// once, early.
void keep_freed_memory();

}  // namespace countersign
