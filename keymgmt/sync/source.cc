#include "keymgmt/sync/source.h"

#include "common/durable_file.h"

namespace countersign::sync {

Result<std::string> DirectorySource::fetch(const std::string& path, std::size_t limit) {
  Result<std::string> text = read_file(directory_ + "/" + path, limit);
  if (text || text.error().code != ErrorCode::TooLarge) return text;
  Error error = std::move(text).error();
  error.reason = "endless_data_attack";
  return error;
}

}  // namespace countersign::sync
