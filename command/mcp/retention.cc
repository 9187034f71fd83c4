#include "command/mcp/retention.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "common/text.h"

namespace countersign::command {
namespace {

struct File {
  std::string path;
  UtcTime changed;
};

struct Listed {
  std::vector<File> files;  // the newest first
  std::string error;
};

Listed listed(const Retention& retention) {
  Listed out;
  std::error_code failure;
  std::filesystem::directory_iterator entry(retention.folder, failure);
  for (; !failure && entry != std::filesystem::directory_iterator(); entry.increment(failure)) {
    if (!is_of(retention.kind, entry->path().filename().string())) continue;
    struct stat facts {};
    const std::string path = entry->path().string();
    // Another thread may have removed it meanwhile.
    if (::lstat(path.c_str(), &facts) != 0) continue;
    if (!S_ISREG(facts.st_mode)) continue;
    out.files.push_back(
        {path, UtcTime::from_unix(facts.st_mtim.tv_sec, static_cast<std::int32_t>(facts.st_mtim.tv_nsec))});
  }
  if (failure) out.error = failure.message();
  std::ranges::sort(out.files, [](const File& a, const File& b) {
    return a.changed == b.changed ? a.path > b.path : a.changed > b.changed;
  });
  return out;
}

}  // namespace

std::string_view name_of(KeptKind kind) {
  switch (kind) {
    case KeptKind::Trace:
      return "trace";
    case KeptKind::Runpack:
      return "runpack";
    case KeptKind::Pack:
      return "pack";
    case KeptKind::Session:
      return "session";
  }
  __builtin_unreachable();
}

bool is_of(KeptKind kind, std::string_view file_name) {
  const std::string name = lowered(file_name);
  switch (kind) {
    case KeptKind::Trace:
      return name.ends_with(".json") && name.find("trace") != std::string::npos;
    case KeptKind::Runpack:
      return name.ends_with(".zip") && (name.starts_with("runpack_") || name.find("_cp_") != std::string::npos);
    case KeptKind::Pack:
      return name.ends_with(".zip") && name.starts_with("pack_");
    case KeptKind::Session:
      return name.ends_with(".json") || name.ends_with(".jsonl") || name.ends_with(".state");
  }
  __builtin_unreachable();
}

std::string apply(const Retention& retention, UtcTime now) {
  const bool by_age = retention.most_age > std::chrono::nanoseconds::zero();
  const bool by_count = retention.most_files > 0;
  if (retention.folder.empty() || (!by_age && !by_count)) return "";
  const std::string prefix = "retention_" + std::string(name_of(retention.kind));
  const Listed found = listed(retention);
  if (!found.error.empty()) return prefix + "_error=" + found.error;
  std::int64_t old = 0, too_many = 0;
  for (std::size_t i = 0; i < found.files.size(); ++i) {
    const bool is_old = by_age && now - found.files[i].changed > retention.most_age;
    const bool is_surplus = by_count && i >= static_cast<std::size_t>(retention.most_files);
    if (!is_old && !is_surplus) continue;
    if (::unlink(found.files[i].path.c_str()) != 0 && errno != ENOENT) {
      return prefix + "_error=" + found.files[i].path + ": " + std::strerror(errno);
    }
    old += is_old ? 1 : 0;
    too_many += is_surplus ? 1 : 0;
  }
  if (old == 0 && too_many == 0) return "";
  return prefix + "_removed_age=" + std::to_string(old) + " removed_count=" + std::to_string(too_many);
}

}  // namespace countersign::command
