#include <algorithm>
#include <optional>
#include <set>

#include "common/text.h"
#include "packs/deflate.h"
#include "packs/zip_archive.h"
#include "packs/zip_layout.h"

namespace countersign::packs {
namespace {

Error bad(std::string detail) {
  return Error{ErrorCode::Invalid, "the zip archive is refused: " + std::move(detail), "bad_archive"};
}

Error too_large(std::string detail) {
  return Error{ErrorCode::TooLarge, "the zip archive is refused: " + std::move(detail), "archive_too_large"};
}

std::uint16_t number16(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[at]) | static_cast<unsigned char>(bytes[at + 1])
                                                                                << 8);
}

std::uint32_t number32(std::string_view bytes, std::size_t at) {
  return number16(bytes, at) | static_cast<std::uint32_t>(number16(bytes, at + 2)) << 16;
}

// One row of the directory, its sizes not yet believed.
struct Entry {
  std::string_view name;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::uint32_t crc = 0;
  std::size_t packed = 0;
  std::size_t unpacked = 0;
  std::size_t offset = 0;
};

struct Directory {
  std::size_t count = 0;
  std::size_t start = 0;
  std::size_t end = 0;
};

// The last bytes: no comment may follow, since a comment can hold another end.
Result<Directory> directory_of(std::string_view archive) {
  if (archive.size() < kEndSize) return bad("it is too short to be one");
  const std::size_t at = archive.size() - kEndSize;
  if (number32(archive, at) != kEndSignature) return bad("it does not end as an archive without comment ends");
  const Directory found{number16(archive, at + 10), number32(archive, at + 16), at};
  const bool one_disk = number32(archive, at + 4) == 0 && number16(archive, at + 8) == found.count;
  if (!one_disk || number16(archive, at + 20) != 0) return bad("it spans disks or carries a comment");
  if (found.start > at || number32(archive, at + 12) != at - found.start) return bad("its directory has another size");
  return found;
}

// Links, folders and devices of Unix are no evidence.
bool is_regular(std::uint16_t made_by, std::uint32_t attributes) {
  constexpr std::uint32_t kKind = 0170000;
  constexpr std::uint32_t kRegular = 0100000;
  if (made_by >> 8 != 3) return true;
  const std::uint32_t kind = attributes >> 16 & kKind;
  return kind == kRegular || kind == 0;
}

Result<Entry> entry_at(std::string_view archive, std::size_t& at, std::size_t end, const ZipLimits& limits) {
  if (end - at < kDirectorySize || number32(archive, at) != kDirectorySignature) return bad("its directory is broken");
  Entry entry;
  entry.flags = number16(archive, at + 8);
  entry.method = number16(archive, at + 10);
  entry.crc = number32(archive, at + 16);
  entry.packed = number32(archive, at + 20);
  entry.unpacked = number32(archive, at + 24);
  entry.offset = number32(archive, at + 42);
  const std::size_t name = number16(archive, at + 28);
  const std::size_t rest = std::size_t{number16(archive, at + 30)} + number16(archive, at + 32);
  if (end - at - kDirectorySize < name + rest) return bad("its directory is broken");
  entry.name = archive.substr(at + kDirectorySize, name);
  if (!zip_name_is_safe(entry.name, limits.name)) return bad("a name in it is no plain relative path");
  const std::string quoted = "\"" + std::string(entry.name) + "\"";
  if (number16(archive, at + 34) != 0) return bad(quoted + " lies on another disk");
  if (!is_regular(number16(archive, at + 4), number32(archive, at + 38))) return bad(quoted + " is no regular file");
  if ((entry.flags & ~(kFlagDescriptor | kFlagUtf8 | 0x0006)) != 0) return bad(quoted + " is encrypted or patched");
  if (entry.method != kStored && entry.method != kDeflated) return bad(quoted + " is packed in an unknown way");
  if (entry.method == kStored && entry.packed != entry.unpacked) return bad(quoted + " has two sizes");
  at += kDirectorySize + name + rest;
  return entry;
}

Result<std::vector<Entry>> entries_of(std::string_view archive, const Directory& directory, const ZipLimits& limits) {
  std::vector<Entry> entries;
  std::set<std::string> names;
  std::size_t total = 0;
  std::size_t at = directory.start;
  for (std::size_t i = 0; i < directory.count; ++i) {
    ASSIGN_OR_RETURN(const Entry entry, entry_at(archive, at, directory.end, limits));
    // File systems that fold case would let one file hide another.
    if (!names.insert(lowered(entry.name)).second) {
      return bad("\"" + std::string(entry.name) + "\" is there twice").with_hint("an archive lists each file once");
    }
    total += entry.unpacked;
    if (total > limits.content)
      return too_large("it unpacks to more than " + std::to_string(limits.content) + " bytes");
    entries.push_back(entry);
  }
  if (at != directory.end) return bad("its directory holds more than it counts");
  return entries;
}

// Whether the descriptor behind the content repeats the directory; its length, with or without its own signature.
std::optional<std::size_t> descriptor_length(std::string_view archive, std::size_t at, std::size_t end,
                                             const Entry& entry) {
  const bool has_signature = end - at >= kDescriptorSize && number32(archive, at) == kDescriptorSignature;
  const std::size_t skipped = has_signature ? 4 : 0;
  if (end - at < skipped + 12) return std::nullopt;
  const std::size_t from = at + skipped;
  const bool same = number32(archive, from) == entry.crc && number32(archive, from + 4) == entry.packed &&
                    number32(archive, from + 8) == entry.unpacked;
  if (!same) return std::nullopt;
  return skipped + 12;
}

// The content of `entry`, which must begin at `at`; `at` moves behind it.
Result<std::string> content_at(std::string_view archive, std::size_t& at, std::size_t end, const Entry& entry) {
  const std::string quoted = "\"" + std::string(entry.name) + "\"";
  if (entry.offset != at) return bad("bytes before " + quoted + " belong to no file");
  if (end - at < kLocalSize || number32(archive, at) != kLocalSignature) return bad(quoted + " has no header");
  const std::size_t name = number16(archive, at + 26);
  const std::size_t extra = number16(archive, at + 28);
  if (end - at - kLocalSize < name + extra || end - at - kLocalSize - name - extra < entry.packed) {
    return bad(quoted + " is cut off");
  }
  const bool agrees = number16(archive, at + 6) == entry.flags && number16(archive, at + 8) == entry.method &&
                      archive.substr(at + kLocalSize, name) == entry.name;
  if (!agrees) return bad(quoted + " says otherwise than the directory");
  const bool described = (entry.flags & kFlagDescriptor) != 0;
  const bool sized = number32(archive, at + 14) == entry.crc && number32(archive, at + 18) == entry.packed &&
                     number32(archive, at + 22) == entry.unpacked;
  if (!described && !sized) return bad(quoted + " says otherwise than the directory");
  at += kLocalSize + name + extra;
  const std::string_view packed = archive.substr(at, entry.packed);
  at += entry.packed;
  if (described) {
    const std::optional<std::size_t> length = descriptor_length(archive, at, end, entry);
    if (!length) return bad(quoted + " says otherwise than the directory");
    at += *length;
  }
  Result<std::string> content =
      entry.method == kStored ? Result<std::string>(std::string(packed)) : inflated(packed, entry.unpacked);
  if (!content) return bad(quoted + ": " + content.error().detail);
  if (crc32_of(*content) != entry.crc) return bad(quoted + " has another checksum");
  return content;
}

}  // namespace

bool zip_name_is_safe(std::string_view name, std::size_t longest) {
  if (name.empty() || name.size() > longest) return false;
  for (std::string_view rest = name;;) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, slash);
    const bool plain = !part.empty() && part != "." && part != ".." &&
                       std::ranges::all_of(part, [](char c) { return c > ' ' && c < 0x7f && c != '\\' && c != ':'; });
    if (!plain) return false;
    if (slash == rest.size()) return true;
    rest.remove_prefix(slash + 1);
  }
}

Result<std::vector<ZipFile>> read_zip(std::string_view archive, const ZipLimits& limits) {
  if (archive.size() > kLargestArchive) return too_large("it has more than 32 MiB");
  ASSIGN_OR_RETURN(const Directory directory, directory_of(archive));
  if (directory.count > limits.files) return too_large("it has more than " + std::to_string(limits.files) + " files");
  ASSIGN_OR_RETURN(const std::vector<Entry> entries, entries_of(archive, directory, limits));
  // Files lie one behind the other from the first byte to the directory, in any order: nothing is hidden, nothing read
  // twice.
  std::vector<std::size_t> order(entries.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&entries](std::size_t i) { return entries[i].offset; });
  std::vector<ZipFile> files(entries.size());
  std::size_t at = 0;
  for (const std::size_t i : order) {
    files[i].name = entries[i].name;
    ASSIGN_OR_RETURN(files[i].content, content_at(archive, at, directory.start, entries[i]));
  }
  if (at != directory.start) return bad("bytes before its directory belong to no file");
  return files;
}

}  // namespace countersign::packs
