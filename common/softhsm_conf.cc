#include "common/softhsm_conf.h"

#include "common/text.h"

namespace countersign {

std::string softhsm_tokendir(std::string_view text) {
  std::string value;
  for (const std::string_view line : lines_of(text)) {
    const std::string_view bare = trimmed(line.substr(0, line.find('#')));
    const std::size_t equals = bare.find('=');
    if (equals == std::string_view::npos || trimmed(bare.substr(0, equals)) != "directories.tokendir") continue;
    value = trimmed(bare.substr(equals + 1));
  }
  return value;
}

}  // namespace countersign
