// Archives as an enemy makes them: opened by libarchive, one entry after the other, within bounds.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "gate/vetting/tree.h"

namespace countersign::vetting {

struct ArchiveLimits {
  std::size_t entries = 100'000;
  std::uint64_t bytes = std::uint64_t{1} << 30;          // unpacked, of all entries together
  std::uint64_t entry_bytes = std::uint64_t{256} << 20;  // unpacked, of one entry
  std::uint64_t ratio = 200;                             // unpacked over packed, beyond the first 16 MiB
};

struct ArchiveEntry {
  enum class Kind { File, Folder, Link, HardLink, Other };
  std::string path;  // as the archive has it, a leading "./" removed
  Kind kind = Kind::File;
  bool executable = false;
  std::string target;   // of a Link or HardLink
  std::string content;  // of a File
};

// Whether the bytes begin as an archive or a compressed file that can be opened (zip, tar, gzip, bzip2, xz, zstd, 7z,
// rar, ar, cpio); a zip with something before it (a self-extracting program) is one too.
bool is_archive(std::string_view bytes);

// Gives each entry to `visit`, which may end it by an error. Fails with Invalid, reason "archive_unreadable", where the
// bytes are damaged or encrypted, and with TooLarge, reason "archive_bomb", beyond the limits.
Status for_each_entry(std::string_view archive, const ArchiveLimits& limits,
                      const std::function<Status(ArchiveEntry&)>& visit);

// Unpacks an archive file into `into`, an empty folder: a tar or zip as it is; npm's and PyPI's source archives
// likewise (their one top folder stays); an image as `docker save` writes it by its layers, whiteouts applied. Fails as
// for_each_entry, and with Invalid on names that are not safe, on links that leave the tree and on repeated names.
Status unpack(const std::string& file, const std::string& into, const ArchiveLimits& limits, const TreeLimits& tree);

}  // namespace countersign::vetting
