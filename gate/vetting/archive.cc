#include "gate/vetting/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <re2/re2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include "common/durable_file.h"
#include "common/json.h"

namespace countersign::vetting {
namespace {

constexpr std::uint64_t kAlwaysAllowed = std::uint64_t{16} << 20;
constexpr std::uint64_t kLargestSource = std::uint64_t{2} << 30;

Error unreadable(std::string_view why) {
  return Error{ErrorCode::Invalid, "the archive cannot be read: " + std::string(why), "archive_unreadable"};
}

Error bomb(const std::string& why) {
  return Error{ErrorCode::TooLarge, "the archive unpacks to " + why, "archive_bomb"};
}

using Reader = std::unique_ptr<archive, int (*)(archive*)>;

Result<Reader> opened(std::string_view bytes) {
  Reader reader(::archive_read_new(), ::archive_read_free);
  ::archive_read_support_filter_all(reader.get());
  ::archive_read_support_format_all(reader.get());
  ::archive_read_support_format_raw(reader.get());  // a single compressed file
  if (::archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK) {
    const char* why = ::archive_error_string(reader.get());
    return unreadable(why == nullptr ? "unknown format" : why);
  }
  return reader;
}

std::string text_or_empty(const char* text) {
  return text == nullptr ? std::string() : std::string(text);
}

ArchiveEntry entry_of(archive_entry* header) {
  ArchiveEntry entry;
  const char* path = ::archive_entry_pathname_utf8(header);
  entry.path = text_or_empty(path != nullptr ? path : ::archive_entry_pathname(header));
  while (entry.path.starts_with("./")) entry.path.erase(0, 2);
  while (entry.path.size() > 1 && entry.path.back() == '/') entry.path.pop_back();
  entry.executable = (::archive_entry_perm(header) & 0111) != 0;
  const char* hard = ::archive_entry_hardlink(header);
  const auto type = ::archive_entry_filetype(header);
  if (hard != nullptr) {
    entry.kind = ArchiveEntry::Kind::HardLink;
    entry.target = hard;
    while (entry.target.starts_with("./")) entry.target.erase(0, 2);
  } else if (type == AE_IFREG || type == 0) {  // 0: a format that has only files
    entry.kind = ArchiveEntry::Kind::File;
  } else if (type == AE_IFDIR) {
    entry.kind = ArchiveEntry::Kind::Folder;
  } else if (type == AE_IFLNK) {
    entry.kind = ArchiveEntry::Kind::Link;
    entry.target = text_or_empty(::archive_entry_symlink(header));
  } else {
    entry.kind = ArchiveEntry::Kind::Other;
  }
  return entry;
}

struct Magic {
  std::size_t at;
  std::string_view bytes;
};
constexpr Magic kMagics[] = {
    {0, {"PK\x03\x04", 4}},
    {0, {"PK\x05\x06", 4}},
    {0, {"\x1f\x8b", 2}},
    {0, "BZh"},
    {0,
     {"\xfd"
      "7zXZ\x00",
      6}},
    {0, {"\x28\xb5\x2f\xfd", 4}},
    {0, {"7z\xbc\xaf\x27\x1c", 6}},
    {0, {"Rar!\x1a\x07", 6}},
    {0, "!<arch>\n"},
    {0, "070701"},
    {0, "070707"},
    {257, "ustar"},
};

// A zip's directory ends within the last 64 KiB and says where the zip begins.
bool ends_as_zip(std::string_view bytes) {
  const std::string_view tail = bytes.substr(bytes.size() > 65557 ? bytes.size() - 65557 : 0);
  return tail.rfind(std::string_view("PK\x05\x06", 4)) != std::string_view::npos;
}

// The tree being made: each name once, no link left in a way that a later entry could write through.
class Unpacking {
 public:
  Unpacking(std::string into, const TreeLimits& limits) : into_(std::move(into)), limits_(limits) {}

  Status add(const ArchiveEntry& entry, bool replaces) {
    if (entry.path.empty() || entry.path == ".") return ok();
    RETURN_IF_ERROR(check_path(entry.path, limits_));
    for (std::size_t slash = entry.path.find('/'); slash != std::string::npos;
         slash = entry.path.find('/', slash + 1)) {
      if (links_.contains(entry.path.substr(0, slash))) return inside_link(entry.path);
    }
    const std::string place = into_ + "/" + entry.path;
    std::error_code error;
    if (entry.kind == ArchiveEntry::Kind::Folder) {
      if (links_.contains(entry.path)) return inside_link(entry.path);
      std::filesystem::create_directories(place, error);
      return error ? unwritable(entry.path, error.message()) : ok();
    }
    std::filesystem::create_directories(std::filesystem::path(place).parent_path(), error);
    if (error) return unwritable(entry.path, error.message());
    if (!names_.insert(entry.path).second || std::filesystem::exists(std::filesystem::symlink_status(place, error))) {
      if (!replaces) {
        return Error{ErrorCode::Invalid, "the archive has \"" + entry.path + "\" twice", "repeated_name"};
      }
      remove(entry.path);
      names_.insert(entry.path);
    }
    if (entry.kind == ArchiveEntry::Kind::Link) return link(entry, place);
    if (entry.kind == ArchiveEntry::Kind::HardLink) return second_name(entry, place);
    if (entry.kind == ArchiveEntry::Kind::Other) {
      return Error{ErrorCode::Invalid, "\"" + entry.path + "\" in the archive is neither a file, a folder nor a link",
                   "unsafe_file"};
    }
    return file(entry, place);
  }

  void remove(const std::string& path) {
    std::error_code ignored;
    std::filesystem::remove_all(into_ + "/" + path, ignored);
    for (std::set<std::string>* each : {&names_, &links_}) {
      each->erase(path);
      const auto below = each->lower_bound(path + "/");
      auto end = below;
      while (end != each->end() && end->starts_with(path + "/")) ++end;
      each->erase(below, end);
    }
  }

  // Everything a layer below put into `folder` ("" for the root).
  void clear(const std::string& folder) {
    std::error_code ignored;
    for (const auto& each : std::filesystem::directory_iterator(into_ + "/" + folder, ignored)) {
      const std::string name = each.path().filename().string();
      remove(folder.empty() ? name : folder + "/" + name);
    }
  }

 private:
  static Error inside_link(const std::string& path) {
    return Error{ErrorCode::Invalid, "\"" + path + "\" in the archive would be written through a link", "unsafe_link"};
  }
  static Error unwritable(const std::string& path, const std::string& why) {
    return Error{ErrorCode::Unavailable, "cannot write \"" + path + "\": " + why, "store_unwritable"};
  }

  Status link(const ArchiveEntry& entry, const std::string& place) {
    if (!stays_inside(entry.path, entry.target)) {
      return Error{ErrorCode::Invalid, "the link \"" + entry.path + "\" leaves the archive", "unsafe_link"};
    }
    if (::symlink(entry.target.c_str(), place.c_str()) != 0) return unwritable(entry.path, std::strerror(errno));
    links_.insert(entry.path);
    return ok();
  }

  // A hard link becomes a copy: whoever removes or replaces the first name leaves the second as it is.
  Status second_name(const ArchiveEntry& entry, const std::string& place) const {
    const Error unsafe{ErrorCode::Invalid, "\"" + entry.path + "\" in the archive is a hard link to no file of it",
                       "unsafe_link"};
    if (!check_path(entry.target, limits_) || !names_.contains(entry.target) || links_.contains(entry.target)) {
      return unsafe;
    }
    const std::string first = into_ + "/" + entry.target;
    auto content = read_file(first, limits_.file_bytes);
    if (!content) return unsafe;
    struct stat facts {};
    ArchiveEntry copy = entry;
    copy.content = *std::move(content);
    copy.executable = ::stat(first.c_str(), &facts) == 0 && (facts.st_mode & 0111) != 0;
    return file(copy, place);
  }

  Status file(const ArchiveEntry& entry, const std::string& place) const {
    const int out = ::open(place.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0) return unwritable(entry.path, std::strerror(errno));
    std::string_view rest = entry.content;
    while (!rest.empty()) {
      const ssize_t written = ::write(out, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) break;
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    const bool done = rest.empty() && ::fchmod(out, entry.executable ? 0755 : 0644) == 0;
    const int error = errno;
    ::close(out);
    return done ? ok() : Status(unwritable(entry.path, std::strerror(error)));
  }

  std::string into_;
  const TreeLimits& limits_;
  std::set<std::string> names_;
  std::set<std::string> links_;
};

// The layers that an image's manifest lists, lowest first. Both layouts of `docker save` name them in manifest.json.
Result<std::vector<std::string>> layers_of(const std::string& manifest) {
  const Error malformed{ErrorCode::Invalid, "manifest.json of the image does not list its layers", "image_unreadable"};
  ASSIGN_OR_RETURN(const Json json, Json::parse(manifest));
  if (!json.is_array() || json.as_array().size() != 1) return malformed;
  const Json* layers = json.as_array()[0].find("Layers");
  if (layers == nullptr || !layers->is_array()) return malformed;
  std::vector<std::string> names;
  for (const Json& layer : layers->as_array()) {
    if (!layer.is_string()) return malformed;
    names.push_back(layer.as_string());
  }
  return names;
}

// What `docker save` and OCI's image layout put beside the layers.
bool is_part_of_image(std::string_view path) {
  static const re2::RE2 form(
      R"((?:manifest|index)\.json|oci-layout|repositories|[0-9a-f]{64}\.json|[0-9a-f]{64}/(?:json|VERSION|layer\.tar)|blobs/sha(?:256|512)/[0-9a-f]{64,128})");
  return re2::RE2::FullMatch(re2::StringPiece(path.data(), path.size()), form);
}

// OCI image specification, "Whiteouts": ".wh.NAME" removes NAME, ".wh..wh..opq" everything the layers below put into
// its folder.
Status apply_layer(std::string_view layer, const ArchiveLimits& limits, Unpacking& unpacking) {
  constexpr std::string_view kWhiteout = ".wh.";
  constexpr std::string_view kOpaque = ".wh..wh..opq";
  return for_each_entry(layer, limits, [&](ArchiveEntry& entry) -> Status {
    if (entry.path.empty() || entry.path == ".") return ok();
    RETURN_IF_ERROR(check_path(entry.path, TreeLimits{}));  // a whiteout removes what it names
    const std::size_t slash = entry.path.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : entry.path.substr(0, slash);
    const std::string name = slash == std::string::npos ? entry.path : entry.path.substr(slash + 1);
    if (name == kOpaque) {
      unpacking.clear(folder);
      return ok();
    }
    if (name.starts_with(kWhiteout)) {
      const std::string hidden = name.substr(kWhiteout.size());
      RETURN_IF_ERROR(check_path(hidden, TreeLimits{}));
      unpacking.remove(folder.empty() ? hidden : folder + "/" + hidden);
      return ok();
    }
    // What an image is made of beside files is not run by us.
    if (entry.kind == ArchiveEntry::Kind::Other) return ok();
    if (entry.kind == ArchiveEntry::Kind::Link && !stays_inside(entry.path, entry.target)) return ok();
    return unpacking.add(entry, true);
  });
}

}  // namespace

bool is_archive(std::string_view bytes) {
  for (const Magic& magic : kMagics) {
    if (bytes.size() >= magic.at + magic.bytes.size() && bytes.substr(magic.at, magic.bytes.size()) == magic.bytes) {
      return true;
    }
  }
  return ends_as_zip(bytes);
}

Status for_each_entry(std::string_view bytes, const ArchiveLimits& limits,
                      const std::function<Status(ArchiveEntry&)>& visit) {
  ASSIGN_OR_RETURN(const Reader reader, opened(bytes));
  std::size_t entries = 0;
  std::uint64_t unpacked = 0;
  for (;;) {
    archive_entry* header = nullptr;
    const int next = ::archive_read_next_header(reader.get(), &header);
    if (next == ARCHIVE_EOF) return ok();
    if (next != ARCHIVE_OK && next != ARCHIVE_WARN)
      return unreadable(text_or_empty(::archive_error_string(reader.get())));
    if (::archive_entry_is_encrypted(header) == 1) return unreadable("it is encrypted");
    if (++entries > limits.entries) return bomb("more than " + std::to_string(limits.entries) + " entries");
    ArchiveEntry entry = entry_of(header);
    char buffer[65536];
    while (entry.kind == ArchiveEntry::Kind::File) {
      const la_ssize_t got = ::archive_read_data(reader.get(), buffer, sizeof buffer);
      if (got < 0) return unreadable(text_or_empty(::archive_error_string(reader.get())));
      if (got == 0) break;
      entry.content.append(buffer, static_cast<std::size_t>(got));
      unpacked += static_cast<std::uint64_t>(got);
      if (entry.content.size() > limits.entry_bytes || unpacked > limits.bytes)
        return bomb("more bytes than are looked at");
      if (unpacked > kAlwaysAllowed && unpacked / limits.ratio > bytes.size()) {
        return bomb("more than " + std::to_string(limits.ratio) + " times its size");
      }
    }
    RETURN_IF_ERROR(visit(entry));
  }
}

Status unpack(const std::string& file, const std::string& into, const ArchiveLimits& limits, const TreeLimits& tree) {
  ASSIGN_OR_RETURN(const std::string bytes, read_file(file, kLargestSource));
  if (!is_archive(bytes)) {
    return Error{ErrorCode::Invalid, "\"" + file + "\" is neither a folder nor an archive", "source_unknown"};
  }
  std::map<std::string, std::string> image;  // what an image is made of, by its name
  bool is_image = false;
  RETURN_IF_ERROR(for_each_entry(bytes, limits, [&](ArchiveEntry& entry) -> Status {
    if (entry.path == "manifest.json" && layers_of(entry.content)) {
      is_image = true;
      image[entry.path] = entry.content;
    }
    return ok();
  }));
  Unpacking unpacking(into, tree);
  if (!is_image) {
    return for_each_entry(bytes, limits, [&](ArchiveEntry& entry) { return unpacking.add(entry, false); });
  }
  RETURN_IF_ERROR(for_each_entry(bytes, limits, [&](ArchiveEntry& entry) -> Status {
    if (entry.kind == ArchiveEntry::Kind::File) image[entry.path] = std::move(entry.content);
    return ok();
  }));
  ASSIGN_OR_RETURN(const std::vector<std::string> layers, layers_of(image["manifest.json"]));
  if (layers.empty()) {
    return Error{ErrorCode::Invalid, "manifest.json of the image lists no layer", "image_unreadable"};
  }
  for (const auto& [name, content] : image) {
    // What is no part of the image would not be looked at.
    if (is_part_of_image(name) || std::find(layers.begin(), layers.end(), name) != layers.end()) continue;
    return Error{ErrorCode::Invalid, "the image's archive holds \"" + name + "\", which is no part of an image",
                 "image_unreadable"};
  }
  for (const std::string& layer : layers) {
    const auto found = image.find(layer);
    if (found == image.end()) {
      return Error{ErrorCode::Invalid, "the image lacks its layer \"" + layer + "\"", "image_unreadable"};
    }
    RETURN_IF_ERROR(apply_layer(found->second, limits, unpacking));
  }
  return ok();
}

}  // namespace countersign::vetting
