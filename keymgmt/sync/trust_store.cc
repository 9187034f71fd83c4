#include "keymgmt/sync/trust_store.h"

#include <filesystem>

#include "common/durable_file.h"

namespace countersign::sync {
namespace {

constexpr mode_t kMode = 0644;

}  // namespace

Result<std::optional<std::string>> TrustStore::read(const std::string& name) const {
  Result<std::string> text = read_file(directory_ + "/metadata/" + name);
  if (text) return std::optional(*std::move(text));
  if (text.error().code == ErrorCode::NotFound) return std::optional<std::string>();
  return text.error();
}

Status TrustStore::write(const std::string& name, const std::string& text) const {
  return write_durable(directory_ + "/metadata/" + name, text, kMode);
}

Status TrustStore::forget(const std::string& name) const {
  std::error_code error;
  std::filesystem::remove(directory_ + "/metadata/" + name, error);
  if (error) return Error{ErrorCode::Unavailable, "cannot remove " + name + ": " + error.message()};
  std::filesystem::path folder = directory_ + "/metadata";
  return std::filesystem::exists(folder) ? sync_directory(folder.string()) : ok();
}

}  // namespace countersign::sync
