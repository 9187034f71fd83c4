#include "gate/notices/channel.h"

namespace countersign::notices {

Result<std::unique_ptr<Channel>> open_channel(const broker::ChannelConfig& config) {
  struct Open {
    const broker::ChannelConfig& config;
    Result<std::unique_ptr<Channel>> operator()(const broker::WebhookTarget& target) const {
      return open_webhook(config, target);
    }
    Result<std::unique_ptr<Channel>> operator()(const broker::MailTarget& target) const {
      return open_mail(config, target);
    }
    Result<std::unique_ptr<Channel>> operator()(const broker::CommandTarget& target) const {
      return open_command(config, target);
    }
    Result<std::unique_ptr<Channel>> operator()(const broker::FileTarget& target) const { return open_file(target); }
  };
  return std::visit(Open{config}, config.target);
}

}  // namespace countersign::notices
