#include "common/appended_file.h"
#include "gate/notices/channel.h"

namespace countersign::notices {
namespace {

class FileChannel : public Channel {
 public:
  explicit FileChannel(std::string path) : path_(std::move(path)) {}
  Status deliver(const Message& message, UtcTime, const std::atomic<bool>&) const override {
    return append_line(path_, message.json);
  }

 private:
  std::string path_;
};

}  // namespace

std::unique_ptr<Channel> open_file(const broker::FileTarget& target) {
  return std::make_unique<FileChannel>(target.path);
}

}  // namespace countersign::notices
