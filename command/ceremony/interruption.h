// Ctrl-C as a request to stop at the next safe place.
#pragma once

#include "common/result.h"

namespace countersign::command {

// From now on SIGINT and SIGTERM are remembered instead of ending the process; a read that waits for a person ends.
void remember_interruption();
// Fails with Unavailable (interrupted) once one came.
Status check_interruption();

}  // namespace countersign::command
