// Known bad content, by hash and by pattern: what is built in, and lists of the operator.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/result.h"
#include "gate/vetting/file_view.h"

namespace re2 {
class RE2;
}

namespace countersign::vetting {

class Signatures {
 public:
  // With what is built in: the EICAR test file, remote shells, droppers, miners.
  Signatures();
  Signatures(Signatures&&) noexcept;
  ~Signatures();

  // Adds a list, one signature a line, '#' begins a comment:
  //   SHA256:SIZE:NAME        a file's hash, SIZE may be "*" (ClamAV's .hsb; a fourth field is ignored)
  //   pattern NAME REGEX      RE2 over the bytes
  // Fails with Invalid naming the line; nothing of a list is used unless all of it is understood.
  Status add_list(std::string_view list, const std::string& name);

  std::size_t size() const { return hashes_.size() + patterns_.size(); }

  // Findings are Category::Malware, Critical (or what the built-in row says).
  void look(const FileView& file, std::vector<Finding>& findings) const;

 private:
  struct Hash {
    std::string name;
    std::int64_t size;  // -1: any
  };
  struct Pattern {
    std::string name;
    std::string title;
    Severity severity;
    std::unique_ptr<re2::RE2> expression;
    bool told_in_documents;
  };
  std::unordered_map<std::string, Hash> hashes_;
  std::vector<Pattern> patterns_;
};

}  // namespace countersign::vetting
