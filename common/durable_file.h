// Files that survive power loss: written whole by temp, sync, rename, sync directory; read bounded.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"

namespace countersign {

// Writes `content` to `path` so that a reader, also after a crash, sees the old file or the new one, whole. Makes
// missing parent folders with mode 0750. Fails with Unavailable (disk full, permission), with Refused where `path` is a
// symbolic link or no regular file.
Status write_durable(const std::string& path, std::string_view content, mode_t mode);

// Syncs a directory's entries, or a whole tree of regular files and directories.
Status sync_directory(const std::string& path);
Status sync_tree(const std::string& path);

// Reads a regular file of at most `limit` bytes. Fails with NotFound, TooLarge, Unavailable; `-` is not special.
Result<std::string> read_file(const std::string& path, std::size_t limit = std::size_t{1} << 20);

// Opens a file that only its owner may read and no symbolic link leads to: PINs. The descriptor is close-on-exec.
// Fails with Refused when it is a link, not a regular file, readable or writable by group or others, or owned by a uid
// that is neither root nor ours; with NotFound and Unavailable otherwise.
Result<int> open_private_file(const std::string& path);

}  // namespace countersign
