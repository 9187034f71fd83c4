// Reads the members of one JSON object, each once; `finish` refuses what nobody asked for. Errors name the path
// ("token.label"). The counterpart of YamlFields, for what our own processes say to one another.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"

namespace countersign {

class JsonFields {
 public:
  // `object` must outlive this. Anything but an object is refused by `finish` and by every required member.
  JsonFields(const Json& object, std::string path) : object_(object), path_(std::move(path)) {}

  const Json* take(std::string_view name);  // null where absent
  // All of these fail with Invalid, naming the member.
  Result<const Json*> required(std::string_view name);
  Result<std::string> text(std::string_view name);
  Result<std::int64_t> integer(std::string_view name, std::int64_t least, std::int64_t most);
  Result<bool> boolean(std::string_view name);
  Result<std::vector<std::string>> texts(std::string_view name);
  Result<const Json::Array*> array(std::string_view name);

  // Fails with Invalid if this is no object or holds a member that was not taken.
  Status finish() const;
  std::string path_of(std::string_view name) const;
  Error wrong(std::string_view name, std::string_view what) const;

 private:
  const Json& object_;
  std::string path_;
  std::vector<std::string> taken_;
};

}  // namespace countersign
