// The wire types of RFC 4251 §5, read strictly.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"

namespace countersign::statement {

// Reads one value after another; each fails with Invalid where the bytes end too early.
class SshReader {
 public:
  explicit SshReader(ByteView bytes) : rest_(bytes) {}

  Result<std::uint8_t> byte();
  Result<std::uint32_t> number();
  Result<ByteView> string();
  Result<std::string_view> text();
  // A positive mpint without needless zeros, as its magnitude padded to `size` bytes (0: as it is).
  Result<Bytes> positive(std::size_t size);
  // Fails with Invalid if bytes are left.
  Status finish() const;

 private:
  Result<ByteView> take(std::size_t count);
  ByteView rest_;
};

void append_ssh_number(Bytes& out, std::uint32_t value);
void append_ssh_string(Bytes& out, ByteView value);

}  // namespace countersign::statement
