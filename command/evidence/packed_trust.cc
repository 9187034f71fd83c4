#include "command/evidence/packed_trust.h"

#include <algorithm>
#include <filesystem>

#include "command/line/http_source.h"
#include "common/temporary_folder.h"
#include "keymgmt/sync/client.h"

namespace countersign::command {
namespace {

constexpr std::size_t kLargestRoot = std::size_t{512} << 10;

// Where a client leaves what it learns, for this once.
Result<TemporaryFolder> forgotten_store() {
  std::error_code failure;
  return TemporaryFolder::make(std::filesystem::temp_directory_path(failure).string());
}

// Keeps what is fetched through it.
class Recording : public sync::Source {
 public:
  explicit Recording(sync::Source& source) : source_(source) {}
  Result<std::string> fetch(const std::string& path, std::size_t limit) override {
    ASSIGN_OR_RETURN(std::string bytes, source_.fetch(path, limit));
    const std::string name = std::string(packs::kTrustFolder) + path;
    if (std::ranges::find(files_, name, &packs::ZipFile::name) == files_.end()) files_.push_back({name, bytes});
    return bytes;
  }
  std::vector<packs::ZipFile> files() && { return std::move(files_); }

 private:
  sync::Source& source_;
  std::vector<packs::ZipFile> files_;
};

class Packed : public sync::Source {
 public:
  explicit Packed(const packs::EvidencePack& pack) : pack_(pack) {}
  Result<std::string> fetch(const std::string& path, std::size_t limit) override {
    const std::string* bytes = packs::content_named(pack_.files(), std::string(packs::kTrustFolder) + path);
    if (bytes == nullptr) return Error{ErrorCode::NotFound, "the pack holds no " + path};
    if (bytes->size() > limit) return Error{ErrorCode::TooLarge, path + " is too large", "endless_data_attack"};
    return *bytes;
  }

 private:
  const packs::EvidencePack& pack_;
};

}  // namespace

Result<std::vector<packs::ZipFile>> published_files(const std::string& from) {
  sync::DirectorySource directory(from);
  HttpSource server(from);
  Recording source(is_url(from) ? static_cast<sync::Source&>(server) : directory);
  Result<std::string> root = source.fetch("1.root.json", kLargestRoot);
  if (!root) {
    if (root.error().code != ErrorCode::NotFound) return root.error();
    return Error{ErrorCode::NotFound, from + " is no TUF repository", "root_missing",
                 "The signer publishes one where the role `publication` is configured (docs/key-lifecycle.md)."};
  }
  ASSIGN_OR_RETURN(const TemporaryFolder folder, forgotten_store());
  RETURN_IF_ERROR(sync::refresh(sync::TrustStore(folder.path()), source, *root, SystemClock().now()));
  return std::move(source).files();
}

Result<keymgmt::KeySet> packed_keys(const packs::EvidencePack& pack, const std::string& pinned_root, UtcTime moment) {
  const bool any = std::ranges::any_of(
      pack.files(), [](const packs::ZipFile& file) { return file.name.starts_with(packs::kTrustFolder); });
  if (!any) {
    return Error{ErrorCode::VerificationFailed, "the pack holds no published keys that a root could vouch for",
                 "no_packed_keys",
                 "Verify with --trust DIR or --public-key FILE, or pack again with --published DIR|URL."};
  }
  ASSIGN_OR_RETURN(const TemporaryFolder folder, forgotten_store());
  Packed source(pack);
  ASSIGN_OR_RETURN(sync::Synced synced, sync::refresh(sync::TrustStore(folder.path()), source, pinned_root, moment));
  return std::move(synced.keys);
}

}  // namespace countersign::command
