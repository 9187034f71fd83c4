// The numbers of a zip archive (PKWARE APPNOTE 4.3), for its writer and its reader.
#pragma once

#include <cstddef>
#include <cstdint>

namespace countersign::packs {

inline constexpr std::uint32_t kLocalSignature = 0x04034b50;
inline constexpr std::uint32_t kDescriptorSignature = 0x08074b50;
inline constexpr std::uint32_t kDirectorySignature = 0x02014b50;
inline constexpr std::uint32_t kEndSignature = 0x06054b50;

inline constexpr std::size_t kLocalSize = 30;
inline constexpr std::size_t kDescriptorSize = 16;
inline constexpr std::size_t kDirectorySize = 46;
inline constexpr std::size_t kEndSize = 22;

inline constexpr std::uint16_t kFlagEncrypted = 0x0001;
inline constexpr std::uint16_t kFlagDescriptor = 0x0008;
inline constexpr std::uint16_t kFlagUtf8 = 0x0800;

inline constexpr std::uint16_t kStored = 0;
inline constexpr std::uint16_t kDeflated = 8;

}  // namespace countersign::packs
