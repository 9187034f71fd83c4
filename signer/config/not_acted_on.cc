// Options that are checked and kept, but that this version does nothing about: at present there are none.
#include "signer/config/config.h"

namespace countersign::config {

std::vector<Finding> not_acted_on(const Config&) {
  return {};
}

}  // namespace countersign::config
