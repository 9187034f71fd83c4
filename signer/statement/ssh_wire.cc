#include "signer/statement/ssh_wire.h"

namespace countersign::statement {
namespace {

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, "SSH: " + std::move(detail)};
}

}  // namespace

Result<ByteView> SshReader::take(std::size_t count) {
  if (count > rest_.size()) return invalid("the bytes end too early");
  const ByteView out = rest_.first(count);
  rest_ = rest_.subspan(count);
  return out;
}

Result<std::uint8_t> SshReader::byte() {
  ASSIGN_OR_RETURN(const ByteView one, take(1));
  return one[0];
}

Result<std::uint32_t> SshReader::number() {
  ASSIGN_OR_RETURN(const ByteView four, take(4));
  std::uint32_t out = 0;
  for (const std::uint8_t byte : four) out = out << 8 | byte;
  return out;
}

Result<ByteView> SshReader::string() {
  ASSIGN_OR_RETURN(const std::uint32_t size, number());
  return take(size);
}

Result<std::string_view> SshReader::text() {
  ASSIGN_OR_RETURN(const ByteView bytes, string());
  return text_of(bytes);
}

Result<Bytes> SshReader::positive(std::size_t size) {
  ASSIGN_OR_RETURN(ByteView bytes, string());
  if (bytes.empty() || (bytes[0] & 0x80) != 0) return invalid("a number that is not positive");
  if (bytes[0] == 0) {
    if (bytes.size() == 1 || (bytes[1] & 0x80) == 0) return invalid("a number with needless zeros");
    bytes = bytes.subspan(1);
  }
  if (size != 0 && bytes.size() > size) return invalid("a number that is too large");
  Bytes out(size > bytes.size() ? size - bytes.size() : 0, 0);
  out.insert(out.end(), bytes.begin(), bytes.end());
  return out;
}

Status SshReader::finish() const {
  if (!rest_.empty()) return invalid("bytes after the end");
  return ok();
}

void append_ssh_number(Bytes& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

void append_ssh_string(Bytes& out, ByteView value) {
  append_ssh_number(out, static_cast<std::uint32_t>(value.size()));
  out.insert(out.end(), value.begin(), value.end());
}

}  // namespace countersign::statement
