// Raw deflate (RFC 1951) and the checksum beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"

namespace countersign::packs {

std::string deflated(std::string_view content);

// Unpacks to exactly `size` bytes. Fails with Invalid where the stream is bad, ends early, goes on, or gives another
// number of bytes: it never writes more than `size`.
Result<std::string> inflated(std::string_view packed, std::size_t size);

std::uint32_t crc32_of(std::string_view content);

}  // namespace countersign::packs
