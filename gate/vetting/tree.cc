#include "gate/vetting/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "common/durable_file.h"
#include "common/text.h"

namespace countersign::vetting {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

Error unreadable(const std::string& path) {
  return Error{ErrorCode::Unavailable, "cannot read \"" + path + "\": " + std::strerror(errno), "source_unreadable"};
}

Error unwritable(const std::string& path) {
  return Error{ErrorCode::Unavailable, "cannot write \"" + path + "\": " + std::strerror(errno), "store_unwritable"};
}

Error too_large(const std::string& what) {
  return Error{ErrorCode::TooLarge, what, "source_too_large",
               "propose the package without what does not belong to it, or raise the limits of the vetting policy"};
}

bool forbidden_character(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0x061c;
}

// Walks a folder by descriptors: a name that becomes a link between two looks is not followed.
class Walk {
 public:
  Walk(const TreeLimits& limits, std::string copy_to, std::vector<TreeEntry>* left_out)
      : limits_(limits), copy_to_(std::move(copy_to)), left_out_(left_out) {}

  Status folder(int descriptor, const std::string& prefix, std::size_t depth) {
    if (depth > limits_.depth) return too_large("\"" + prefix + "\" lies deeper than " + std::to_string(limits_.depth));
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(descriptor), ::closedir);
    if (listing == nullptr) {
      ::close(descriptor);
      return unreadable(prefix);
    }
    for (errno = 0; const dirent* each = ::readdir(listing.get()); errno = 0) {
      const std::string name = each->d_name;
      if (name == "." || name == "..") continue;
      RETURN_IF_ERROR(entry(::dirfd(listing.get()), name, prefix.empty() ? name : prefix + "/" + name, depth));
    }
    return errno == 0 ? ok() : Status(unreadable(prefix));
  }

  Result<Tree> finish(std::string where) {
    std::sort(entries_.begin(), entries_.end(), [](const TreeEntry& a, const TreeEntry& b) { return a.path < b.path; });
    return Tree{std::move(where), std::move(entries_)};
  }

 private:
  Status entry(int parent, const std::string& name, const std::string& path, std::size_t depth) {
    RETURN_IF_ERROR(check_path(path, limits_));
    struct stat facts {};
    if (::fstatat(parent, name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) return unreadable(path);
    if (S_ISDIR(facts.st_mode)) {
      Descriptor below(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (below.number() < 0) return unreadable(path);
      if (!copy_to_.empty() && ::mkdir((copy_to_ + "/" + path).c_str(), 0755) != 0) return unwritable(path);
      return folder(below.release(), path, depth + 1);
    }
    if (entries_.size() + 1 > limits_.files) {
      return too_large("there are more than " + std::to_string(limits_.files) + " files");
    }
    if (S_ISLNK(facts.st_mode)) return link(parent, name, path);
    if (S_ISREG(facts.st_mode)) return file(parent, name, path);
    return Error{ErrorCode::Invalid, "\"" + path + "\" is neither a file, a folder nor a link", "unsafe_file"};
  }

  Status link(int parent, const std::string& name, const std::string& path) {
    std::string target(4096, '\0');
    const ssize_t length = ::readlinkat(parent, name.c_str(), target.data(), target.size());
    if (length < 0) return unreadable(path);
    target.resize(static_cast<std::size_t>(length));
    TreeEntry found{path, TreeEntry::Kind::Link, false, 0, {}, target};
    if (!stays_inside(path, target)) {
      if (left_out_ == nullptr)
        return Error{ErrorCode::Invalid, "the link \"" + path + "\" leaves the tree", "unsafe_link"};
      left_out_->push_back(std::move(found));
      return ok();
    }
    if (!copy_to_.empty() && ::symlink(target.c_str(), (copy_to_ + "/" + path).c_str()) != 0) return unwritable(path);
    entries_.push_back(std::move(found));
    return ok();
  }

  Status file(int parent, const std::string& name, const std::string& path) {
    // Non-blocking: a pipe that took the file's place must not hold us up.
    const Descriptor from(::openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat facts {};
    if (from.number() < 0 || ::fstat(from.number(), &facts) != 0 || !S_ISREG(facts.st_mode)) return unreadable(path);
    std::string content;
    char buffer[65536];
    for (;;) {
      const ssize_t got = ::read(from.number(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return unreadable(path);
      if (got == 0) break;
      content.append(buffer, static_cast<std::size_t>(got));
      if (content.size() > limits_.file_bytes) return too_large("\"" + path + "\" is too large to be looked at");
    }
    bytes_ += content.size();
    if (bytes_ > limits_.bytes)
      return too_large("the files together are larger than " + std::to_string(limits_.bytes) + " bytes");
    const bool executable = (facts.st_mode & 0111) != 0;
    if (!copy_to_.empty()) RETURN_IF_ERROR(write(path, content, executable));
    entries_.push_back(TreeEntry{path, TreeEntry::Kind::File, executable, content.size(), sha256(content)});
    return ok();
  }

  Status write(const std::string& path, std::string_view content, bool executable) const {
    const std::string to = copy_to_ + "/" + path;
    const Descriptor out(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (out.number() < 0) return unwritable(to);
    while (!content.empty()) {
      const ssize_t written = ::write(out.number(), content.data(), content.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return unwritable(to);
      content.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fchmod(out.number(), executable ? 0555 : 0444) != 0) return unwritable(to);
    return ok();
  }

  const TreeLimits& limits_;
  std::string copy_to_;
  std::vector<TreeEntry>* left_out_;
  std::vector<TreeEntry> entries_;
  std::uint64_t bytes_ = 0;
};

Result<int> open_folder(const std::string& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor >= 0) return descriptor;
  return Error{errno == ENOENT ? ErrorCode::NotFound : ErrorCode::Unavailable,
               "cannot open the folder \"" + folder + "\": " + std::strerror(errno), "source_unreadable"};
}

}  // namespace

Digest Tree::digest() const {
  std::string lines;
  for (const TreeEntry& entry : entries) {
    if (entry.kind == TreeEntry::Kind::Link) {
      lines += "link " + entry.target;
      lines += '\0';
      lines += entry.path + "\n";
    } else {
      lines += (entry.executable ? "exec " : "file ") + std::to_string(entry.size) + " " + entry.digest.hex() + " " +
               entry.path + "\n";
    }
  }
  return sha256(lines);
}

Status check_path(std::string_view path, const TreeLimits& limits) {
  const Error unsafe{ErrorCode::Invalid,
                     "a file's name is not safe: it must be UTF-8 without control characters, \"..\" and the like",
                     "unsafe_path"};
  if (path.empty() || path.size() > limits.path || path.front() == '/' || !is_utf8(path) ||
      path.find('\\') != std::string_view::npos) {
    return unsafe;
  }
  for (std::size_t i = 0; i < path.size();) {
    const auto lead = static_cast<unsigned char>(path[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    std::uint32_t c = length == 1 ? lead : lead & (0xffu >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) c = c << 6 | (static_cast<unsigned char>(path[i + k]) & 0x3fu);
    if (forbidden_character(c)) return unsafe;
    i += length;
  }
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return unsafe;
    if (slash + 1 == rest.size()) return unsafe;  // a trailing slash
    rest.remove_prefix(std::min(slash + 1, rest.size()));
  }
  return ok();
}

bool stays_inside(std::string_view path, std::string_view target) {
  if (target.empty() || target.front() == '/') return false;
  std::ptrdiff_t depth = std::count(path.begin(), path.end(), '/');
  bool descended = false;
  while (!target.empty()) {
    const std::size_t slash = std::min(target.find('/'), target.size());
    const std::string_view part = target.substr(0, slash);
    if (part == "..") {
      // Behind a name, ".." climbs from wherever that name leads, which text does not show.
      if (descended || --depth < 0) return false;
    } else if (!part.empty() && part != ".") {
      descended = true;
    }
    target.remove_prefix(std::min(slash + 1, target.size()));
  }
  return true;
}

Result<Tree> read_tree(const std::string& folder, const TreeLimits& limits) {
  ASSIGN_OR_RETURN(const int descriptor, open_folder(folder));
  Walk walk(limits, "", nullptr);
  RETURN_IF_ERROR(walk.folder(descriptor, "", 0));
  return walk.finish(folder);
}

Result<Tree> copy_tree(const std::string& folder, const std::string& into, const TreeLimits& limits,
                       std::vector<TreeEntry>& left_out) {
  ASSIGN_OR_RETURN(const int descriptor, open_folder(folder));
  Walk walk(limits, into, &left_out);
  RETURN_IF_ERROR(walk.folder(descriptor, "", 0));
  return walk.finish(into);
}

Result<std::string> content_of(const Tree& tree, const TreeEntry& entry) {
  ASSIGN_OR_RETURN(std::string content, read_file(tree.folder + "/" + entry.path, entry.size));
  if (sha256(content) != entry.digest) {
    return Error{ErrorCode::Unavailable, "\"" + entry.path + "\" changed after it was read", "source_changed"};
  }
  return content;
}

}  // namespace countersign::vetting
