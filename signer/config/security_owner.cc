// Section `security_owner`.
#include "signer/config/sections.h"

namespace countersign::config {
namespace {

NotifyConfig read_target(Reading& reading, const YamlNode& node, const std::string& path) {
  Findings& findings = reading.findings;
  NotifyConfig target;
  YamlFields fields(node, path);
  const int given =
      int{fields.has("file")} + int{fields.has("command")} + int{fields.has("webhook")} + int{fields.has("mail")};
  if (given != 1) findings.error(path, "must be exactly one of file, command, webhook and mail" + at_line(node));
  if (fields.has("file")) {
    target.kind = NotifyConfig::Kind::File;
    target.target = reading.absolute(findings.keep(fields.text("file", "")));
    if (target.target.empty()) findings.error(path + ".file", "is empty" + at_line(node));
  } else if (fields.has("command")) {
    target.kind = NotifyConfig::Kind::Command;
    target.argv = findings.keep(fields.texts("command"));
    if (target.argv.empty() || target.argv.front().empty() || target.argv.front().front() != '/') {
      findings.error(path + ".command", "must be a list that begins with an absolute path" + at_line(node),
                     "no shell runs it: command: [/usr/local/bin/page, security]");
    } else {
      target.target = target.argv.front();
    }
  } else if (fields.has("webhook")) {
    target.kind = NotifyConfig::Kind::Webhook;
    target.target = findings.keep(fields.text("webhook", ""));
    const bool plain = target.target.starts_with("http://");
    if (!plain && !target.target.starts_with("https://")) {
      findings.error(path + ".webhook", "must be an https:// or http:// address" + at_line(node));
    }
    if (plain) findings.warning(path + ".webhook", "is not encrypted: who listens learns of refusals", "use https://");
  } else if (fields.has("mail")) {
    target.kind = NotifyConfig::Kind::Mail;
    YamlFields mail(*fields.take("mail"), path + ".mail");
    target.target = findings.keep(mail.required_text("to"));
    target.smtp = findings.keep(mail.required_text("smtp"));
    if (target.target.find('@') == std::string::npos ||
        target.target.find_first_of(" \t\r\n<>,") != std::string::npos) {
      findings.error(path + ".mail.to", "must be one address" + at_line(node));
    }
    if (!target.smtp.starts_with("smtp://") && !target.smtp.starts_with("smtps://")) {
      findings.error(path + ".mail.smtp", "must be an smtp:// or smtps:// address" + at_line(node));
    }
    findings.keep(mail.finish());
  }
  target.timeout = findings.keep(fields.duration("timeout", target.timeout));
  findings.keep(fields.finish());
  return target;
}

}  // namespace

void read_security_owner(Reading& reading, YamlFields& document) {
  static const YamlNode kNothing;
  const YamlNode* node = document.take("security_owner");
  YamlFields fields(node == nullptr ? kNothing : *node, "security_owner");
  const YamlNode* notify = fields.take("notify");
  if (notify != nullptr && notify->kind != YamlNode::Kind::Sequence) {
    reading.findings.error("security_owner.notify", "must be a list" + at_line(*notify));
  } else if (notify != nullptr) {
    for (std::size_t i = 0; i < notify->sequence.size(); ++i) {
      reading.config.security_owner.push_back(
          read_target(reading, notify->sequence[i], "security_owner.notify[" + std::to_string(i) + "]"));
    }
  }
  reading.findings.keep(fields.finish());
  if (reading.config.security_owner.empty()) {
    reading.findings.warning("security_owner.notify", "is empty: nobody is told of refusals that matter");
  }
}

}  // namespace countersign::config
