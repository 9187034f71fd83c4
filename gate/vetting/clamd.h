// ClamAV's daemon, asked over its socket: it never sees the tree, only the bytes of each file (clamd(8), INSTREAM).
#pragma once

#include <chrono>
#include <string>

#include "gate/vetting/finding.h"
#include "gate/vetting/tree.h"

namespace countersign::vetting {

// Sends every file of the tree. Unavailable where nothing answers at `socket`, Failed where an answer is not understood
// or a file was too large for the daemon.
ScannerReport ask_clamd(const std::string& socket, const Tree& tree, std::chrono::seconds time);

}  // namespace countersign::vetting
