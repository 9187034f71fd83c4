#include "signer/notifier/target.h"

#include <cstdlib>

namespace countersign::notifier {

Status deliver(const config::NotifyConfig& target, const Message& message) {
  switch (target.kind) {
    case config::NotifyConfig::Kind::File:
      return append_to_file(target, message);
    case config::NotifyConfig::Kind::Command:
      return run_command(target, message);
    case config::NotifyConfig::Kind::Webhook:
      return post_webhook(target, message);
    case config::NotifyConfig::Kind::Mail:
      return send_mail(target, message);
  }
  std::abort();
}

std::string name_of(const config::NotifyConfig& target) {
  switch (target.kind) {
    case config::NotifyConfig::Kind::File:
      return "file " + target.target;
    case config::NotifyConfig::Kind::Command:
      return "command " + target.target;
    case config::NotifyConfig::Kind::Webhook:
      // The path of such an address is often its secret.
      return "webhook " + target.target.substr(0, target.target.find('/', target.target.find("//") + 2));
    case config::NotifyConfig::Kind::Mail:
      return "mail " + target.target;
  }
  std::abort();
}

}  // namespace countersign::notifier
