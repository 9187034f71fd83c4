// A transcript for people: as text and as HTML, with each key's fingerprint in groups for reading aloud and as a QR
// code. Made from the transcript alone, so anybody can make it again and compare.
#pragma once

#include <string>
#include <string_view>

#include "command/ceremony/ceremony_directory.h"
#include "common/result.h"

namespace countersign::command {

// Precondition: the transcript reads (ceremony::Transcript::parse).
std::string text_reading(std::string_view transcript);
std::string html_reading(std::string_view transcript);
// DIR/transcript.txt and .html.
Status write_readings(const CeremonyDirectory& directory, std::string_view transcript);

}  // namespace countersign::command
