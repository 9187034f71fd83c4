#include "packs/deflate.h"
#include "packs/zip_archive.h"
#include "packs/zip_layout.h"

namespace countersign::packs {
namespace {

constexpr std::uint16_t kVersion = 20;
constexpr std::uint16_t kMadeByUnix = 3 << 8;
constexpr std::uint16_t kDate1980 = 0x0021;             // 1980-01-01
constexpr std::uint32_t kRegularFile = 0100644U << 16;  // external attributes of a Unix file
// Extended time (0x5455), five bytes: modification time 1980-01-01T00:00:00Z.
constexpr char kTime1980[] = {'U', 'T', 5, 0, 1, 0, static_cast<char>(0xa6), static_cast<char>(0xce), 0x12};
constexpr std::string_view kExtra(kTime1980, sizeof kTime1980);

void put16(std::string& out, std::size_t value) {
  out += static_cast<char>(value & 0xff);
  out += static_cast<char>(value >> 8 & 0xff);
}

void put32(std::string& out, std::size_t value) {
  put16(out, value & 0xffff);
  put16(out, value >> 16 & 0xffff);
}

struct Packed {
  std::uint32_t crc;
  std::size_t packed;
  std::size_t unpacked;
};

// The part that local and directory header share, from "version needed" to the length of the extra field.
void put_common(std::string& out, const Packed& sizes, std::string_view name) {
  put16(out, kVersion);
  put16(out, kFlagDescriptor);
  put16(out, kDeflated);
  put16(out, 0);  // time
  put16(out, kDate1980);
  put32(out, sizes.crc);
  put32(out, sizes.packed);
  put32(out, sizes.unpacked);
  put16(out, name.size());
  put16(out, kExtra.size());
}

}  // namespace

std::string zip_archive(const std::vector<ZipFile>& files) {
  std::string out;
  std::string directory;
  for (const ZipFile& file : files) {
    const std::size_t offset = out.size();
    const std::string content = deflated(file.content);
    const Packed sizes{crc32_of(file.content), content.size(), file.content.size()};
    put32(out, kLocalSignature);
    put_common(out, Packed{0, 0, 0}, file.name);  // the descriptor behind the content has them
    out += file.name;
    out += kExtra;
    out += content;
    put32(out, kDescriptorSignature);
    put32(out, sizes.crc);
    put32(out, sizes.packed);
    put32(out, sizes.unpacked);

    put32(directory, kDirectorySignature);
    put16(directory, kMadeByUnix | kVersion);
    put_common(directory, sizes, file.name);
    put16(directory, 0);  // comment
    put16(directory, 0);  // disk
    put16(directory, 0);  // internal attributes
    put32(directory, kRegularFile);
    put32(directory, offset);
    directory += file.name;
    directory += kExtra;
  }
  const std::size_t start = out.size();
  out += directory;
  put32(out, kEndSignature);
  put32(out, 0);  // disks
  put16(out, files.size());
  put16(out, files.size());
  put32(out, directory.size());
  put32(out, start);
  put16(out, 0);  // comment
  return out;
}

}  // namespace countersign::packs
