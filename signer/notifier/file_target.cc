#include "common/appended_file.h"
#include "signer/notifier/target.h"

namespace countersign::notifier {

Status append_to_file(const config::NotifyConfig& target, const Message& message) {
  Status written = append_line(target.target, message.json);
  if (written) return written;
  return Error{written.error().code, "file " + written.error().detail};
}

}  // namespace countersign::notifier
