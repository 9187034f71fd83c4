#include "signer/statement/checkpoint_fields.h"

#include <algorithm>

#include "common/digest.h"
#include "signer/statement/structure.h"

namespace countersign::statement {
namespace {

using enum Field::Kind;
using enum Field::Presence;

constexpr Field kFields[] = {{"origin", Text, Required}, {"size", Integer, Required}, {"root", HexDigest, Required}};
constexpr Structure kShape{kFields};
constexpr char kEd25519Note = '\x01';
constexpr std::size_t kKeyHash = 4;

bool is_note_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~' && c != '+'; });
}

}  // namespace

Result<Json> read_checkpoint_fields(const JsonTree& fields) {
  RETURN_IF_ERROR(read(kShape, fields, fields.root(), Reading::Strict, ""));
  Json out = fields.root().json();
  if (!is_note_name(out.text("origin"))) {
    return Error{ErrorCode::Invalid, "origin: must be printable ASCII without spaces and '+'"};
  }
  if (out.find("size")->as_integer() < 0) return Error{ErrorCode::Invalid, "size: must not be negative"};
  return out;
}

OnlineDocument stamped_checkpoint(const Json& fields) {
  OnlineDocument out;
  const Result<Bytes> root = from_hex(fields.text("root"));
  out.message = std::string(fields.text("origin")) + "\n" + std::to_string(fields.find("size")->as_integer()) + "\n" +
                to_base64(root ? *root : Bytes()) + "\n";
  out.document = Json::object({{"origin", fields.text("origin")}, {"text", out.message}});
  return out;
}

Result<Json> sealed_checkpoint(const Json& document, const keymgmt::PublicKey& key, ByteView signature) {
  if (key.algorithm() != keymgmt::Algorithm::Ed25519 || signature.size() != 64) {
    return Error{ErrorCode::Invalid, "a checkpoint is signed by an Ed25519 key"};
  }
  const std::string origin(document.text("origin"));
  std::string named = origin + "\n" + kEd25519Note;
  named += text_of(key.raw());
  const Digest hash = sha256(named);
  Bytes line(hash.bytes().begin(), hash.bytes().begin() + kKeyHash);
  line.insert(line.end(), signature.begin(), signature.end());
  return Json::object(
      {{"note", std::string(document.text("text")) + "\n\u2014 " + origin + " " + to_base64(line) + "\n"}});
}

}  // namespace countersign::statement
