// Zip archives as gait's packs are: few, small, deflated files with names only, written the same way every time and
// read as if an enemy had made them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace countersign::packs {

struct ZipFile {
  std::string name;
  std::string content;
};

struct ZipLimits {
  std::size_t files = 1024;
  std::size_t name = 255;
  std::size_t content = std::size_t{64} << 20;  // of all files together, unpacked
};

// Most bytes of an archive that is read at all.
inline constexpr std::size_t kLargestArchive = std::size_t{32} << 20;

// Deflated, in the order given, dated 1980-01-01, mode 0644, laid out as gait's (gait-formats §16.2): flag 8 with data
// descriptors, an extended-time extra field, made by Unix 2.0. Equal files give equal bytes.
// Precondition: names pass zip_name_is_safe and are unique.
std::string zip_archive(const std::vector<ZipFile>& files);

// The files in the order of the directory. Stored and deflated ones, dates and modes of any kind. Fails with TooLarge
// beyond `limits` before more is unpacked, and with Invalid on everything a reader could disagree about with another:
// repeated names (also by case), paths that leave the folder, bytes that belong to no listed file, local headers that
// say otherwise than the directory, wrong sizes and checksums, encryption, zip64, several disks, links and folders.
Result<std::vector<ZipFile>> read_zip(std::string_view archive, const ZipLimits& limits);
inline Result<std::vector<ZipFile>> read_zip(std::string_view archive) {
  return read_zip(archive, ZipLimits{});
}

// A relative path of plain parts: printable ASCII, no backslash, colon, empty part, "." or "..".
bool zip_name_is_safe(std::string_view name, std::size_t longest);

}  // namespace countersign::packs
