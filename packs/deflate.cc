#include "packs/deflate.h"

#include <zlib.h>

#include <cstdlib>

namespace countersign::packs {
namespace {

// Raw deflate has no header: zlib is told by a negative window.
constexpr int kRawWindow = -15;
constexpr int kMemoryLevel = 8;

// zlib reads through a pointer that is not const and writes nothing there.
Bytef* input(std::string_view content) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
}

}  // namespace

std::string deflated(std::string_view content) {
  z_stream stream{};
  // Only out of memory can fail here, and a program out of memory ends.
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kRawWindow, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
    std::abort();
  }
  std::string out(deflateBound(&stream, content.size()), '\0');
  stream.next_in = input(content);
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int state = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (state != Z_STREAM_END) std::abort();
  return out;
}

Result<std::string> inflated(std::string_view packed, std::size_t size) {
  z_stream stream{};
  if (inflateInit2(&stream, kRawWindow) != Z_OK) std::abort();
  std::string out(size + 1, '\0');  // one more, to notice that there is more
  stream.next_in = input(packed);
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int state = inflate(&stream, Z_FINISH);
  const bool whole = state == Z_STREAM_END && stream.avail_in == 0 && stream.total_out == size;
  inflateEnd(&stream);
  if (!whole) return Error{ErrorCode::Invalid, "its packed bytes do not unpack to the size it states"};
  out.resize(size);
  return out;
}

std::uint32_t crc32_of(std::string_view content) {
  return static_cast<std::uint32_t>(::crc32(0, input(content), static_cast<uInt>(content.size())));
}

}  // namespace countersign::packs
