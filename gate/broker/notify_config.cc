#include "gate/broker/notify_config.h"

#include <pwd.h>

#include <algorithm>
#include <filesystem>

#include "gate/broker/pattern.h"

namespace countersign::broker {
namespace {

struct KindRow {
  NoticeKind kind;
  std::string_view name;
  bool loud;
};
constexpr KindRow kKinds[] = {
    {NoticeKind::Request, "request", false},   {NoticeKind::Reminder, "reminder", false},
    {NoticeKind::Decided, "decided", false},   {NoticeKind::Expired, "expired", false},
    {NoticeKind::Proposal, "proposal", false}, {NoticeKind::Quarantine, "quarantine", true},
    {NoticeKind::Override, "override", true},  {NoticeKind::BreakGlass, "break_glass", true},
};
// Where people read, many at once are one message; programs get each of its own.
constexpr std::int64_t kDigestForPeople = 5;
constexpr std::int64_t kMostDigest = 1000;
constexpr std::size_t kMostChannels = 32;
constexpr std::size_t kMostRecipients = 32;
constexpr std::size_t kMostSecrets = 4;
// RFC 3986: what may stand in an address unescaped.
constexpr std::string_view kUrlCharacters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]!$&'()*+,;=%";

Error wrong(const std::string& path, const std::string& what, std::string hint = {}) {
  return Error{ErrorCode::Invalid, path + " " + what, "bad_configuration", std::move(hint)};
}

// What stands between the scheme and the path.
std::string_view authority_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  url.remove_prefix(scheme + 3);
  return url.substr(0, url.find_first_of("/?#"));
}

std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

class ChannelReader {
 public:
  ChannelReader(const YamlNode& node, std::string path, std::string folder)
      : fields_(node, path), path_(std::move(path)), folder_(std::move(folder)) {}

  Result<ChannelConfig> read() {
    ChannelConfig channel;
    ASSIGN_OR_RETURN(channel.name, fields_.required_text("name"));
    if (!check_tool_id(channel.name)) return wrong(path_ + ".name", "has more than letters, digits and ._/@:-");
    const int given =
        int{fields_.has("webhook")} + int{fields_.has("mail")} + int{fields_.has("command")} + int{fields_.has("file")};
    if (given != 1) return wrong(path_, "must have exactly one of webhook, mail, command and file");
    if (const YamlNode* webhook = fields_.take("webhook")) {
      ASSIGN_OR_RETURN(channel.target, webhook_in(YamlFields(*webhook, path_ + ".webhook")));
    } else if (const YamlNode* mail = fields_.take("mail")) {
      ASSIGN_OR_RETURN(channel.target, mail_in(YamlFields(*mail, path_ + ".mail")));
    } else if (fields_.has("command")) {
      ASSIGN_OR_RETURN(channel.target, command());
    } else {
      ASSIGN_OR_RETURN(channel.target, file());
    }
    ASSIGN_OR_RETURN(channel.kinds, kinds());
    const bool people =
        std::holds_alternative<MailTarget>(channel.target) || std::holds_alternative<CommandTarget>(channel.target);
    ASSIGN_OR_RETURN(channel.digest, fields_.integer("digest", people ? kDigestForPeople : 0, 0, kMostDigest));
    if (channel.digest == 1) return wrong(path_ + ".digest", "is 0 (never) or at least 2");
    ASSIGN_OR_RETURN(channel.timeout, fields_.duration("timeout", channel.timeout));
    RETURN_IF_ERROR(fields_.finish());
    return channel;
  }

 private:
  using Target = decltype(ChannelConfig::target);

  std::string absolute(const std::string& path) const {
    return path.empty() ? path : (std::filesystem::path(folder_) / path).lexically_normal().string();
  }

  static Status check_url(const YamlFields& fields, std::string_view member, std::string_view url,
                          std::string_view schemes) {
    const std::string path = fields.path_of(member);
    const std::string_view host = host_of(authority_of(url));
    // "http://127.0.0.1@elsewhere/" names elsewhere.
    if (host.empty() || authority_of(url).find('@') != std::string_view::npos ||
        url.find_first_not_of(kUrlCharacters) != std::string_view::npos) {
      return wrong(path, "is no address " + std::string(schemes));
    }
    return ok();
  }

  Result<std::string> secret(YamlFields& fields, std::string_view member) const {
    ASSIGN_OR_RETURN(const std::string source, fields.required_text(member));
    return source_of(fields.path_of(member), source);
  }

  Result<std::string> source_of(const std::string& path, const std::string& source) const {
    if (source.starts_with("credential:")) return source;
    if (source.starts_with("file:")) return "file:" + absolute(source.substr(5));
    return wrong(path, "must be file:PATH or credential:NAME: a secret does not stand here");
  }

  // One, or a list of a few.
  Result<std::vector<std::string>> secrets(YamlFields& fields, std::string_view member) const {
    const YamlNode* node = fields.take(member);
    const std::string path = fields.path_of(member);
    std::vector<std::string> given;
    if (node != nullptr && node->kind == YamlNode::Kind::Scalar) given = {node->scalar};
    if (node != nullptr && node->kind == YamlNode::Kind::Sequence) {
      for (const YamlNode& each : node->sequence) given.push_back(each.scalar);
    }
    if (given.empty() || given.size() > kMostSecrets)
      return wrong(path, "must be a secret's source, or a list of 1 to 4");
    for (std::string& each : given) {
      ASSIGN_OR_RETURN(each, source_of(path, each));
    }
    return given;
  }

  Result<Target> webhook_in(YamlFields fields) const {
    WebhookTarget webhook;
    ASSIGN_OR_RETURN(webhook.url, fields.required_text("url"));
    RETURN_IF_ERROR(check_url(fields, "url", webhook.url, "https://HOST/…"));
    if (!webhook.url.starts_with("https://") && !(webhook.url.starts_with("http://") && is_loopback(webhook.url))) {
      return wrong(fields.path_of("url"), "must begin with https://; http:// is for this machine alone",
                   "http://127.0.0.1:PORT/… reaches a proxy beside the broker");
    }
    ASSIGN_OR_RETURN(webhook.secrets, secrets(fields, "secret"));
    ASSIGN_OR_RETURN(const std::string ca, fields.text("ca", ""));
    webhook.ca = absolute(ca);
    RETURN_IF_ERROR(fields.finish());
    return Target(std::move(webhook));
  }

  // One address, and nothing that a header or a command of SMTP could be made of.
  static Status check_address(const std::string& path, std::string_view address) {
    const bool plain = std::ranges::all_of(address, [](char c) { return c > ' ' && c < 0x7f; }) &&
                       address.find_first_of("<>,;:\"()[]\\") == std::string_view::npos;
    const std::size_t at = address.find('@');
    if (plain && at != std::string_view::npos && at > 0 && at + 1 < address.size() && address.rfind('@') == at &&
        address.size() <= 254) {
      return ok();
    }
    return wrong(path, "must be one address: user@host");
  }

  Result<Target> mail_in(YamlFields fields) const {
    MailTarget mail;
    ASSIGN_OR_RETURN(mail.smtp, fields.required_text("smtp"));
    RETURN_IF_ERROR(check_url(fields, "smtp", mail.smtp, "smtps://HOST"));
    if (!mail.smtp.starts_with("smtps://") && !mail.smtp.starts_with("smtp://")) {
      return wrong(fields.path_of("smtp"), "must begin with smtps:// or smtp://");
    }
    ASSIGN_OR_RETURN(mail.from, fields.required_text("from"));
    RETURN_IF_ERROR(check_address(fields.path_of("from"), mail.from));
    ASSIGN_OR_RETURN(mail.to, fields.texts("to"));
    if (mail.to.empty() || mail.to.size() > kMostRecipients) {
      return wrong(fields.path_of("to"), "must be a list of 1 to 32 addresses");
    }
    for (const std::string& each : mail.to) RETURN_IF_ERROR(check_address(fields.path_of("to"), each));
    ASSIGN_OR_RETURN(mail.user, fields.text("user", ""));
    if (!mail.user.empty()) {
      ASSIGN_OR_RETURN(mail.password, secret(fields, "password"));
    }
    ASSIGN_OR_RETURN(const std::string ca, fields.text("ca", ""));
    mail.ca = absolute(ca);
    RETURN_IF_ERROR(fields.finish());
    return Target(std::move(mail));
  }

  Result<Target> command() {
    CommandTarget command;
    ASSIGN_OR_RETURN(command.argv, fields_.texts("command"));
    if (!command.argv.empty() && command.argv.front().starts_with('/')) return Target(std::move(command));
    return wrong(path_ + ".command", "must be a list that begins with an absolute path",
                 "no shell runs it: command: [/usr/local/bin/page, --urgent]");
  }

  Result<Target> file() {
    ASSIGN_OR_RETURN(const std::string path, fields_.required_text("file"));
    return Target(FileTarget{absolute(path)});
  }

  Result<std::set<NoticeKind>> kinds() {
    if (!fields_.has("events")) return std::set<NoticeKind>(notice_kinds().begin(), notice_kinds().end());
    ASSIGN_OR_RETURN(const std::vector<std::string> names, fields_.texts("events"));
    std::set<NoticeKind> kinds;
    for (const std::string& name : names) {
      const auto kind = notice_kind_named(name);
      if (!kind) return wrong(path_ + ".events", "names \"" + name + "\", which is no event");
      kinds.insert(*kind);
    }
    if (kinds.empty()) return wrong(path_ + ".events", "is empty: the channel would be told nothing");
    return kinds;
  }

  YamlFields fields_;
  std::string path_;
  std::string folder_;
};

}  // namespace

std::span<const NoticeKind> notice_kinds() {
  static const std::vector<NoticeKind> kinds = [] {
    std::vector<NoticeKind> all;
    for (const KindRow& row : kKinds) all.push_back(row.kind);
    return all;
  }();
  return kinds;
}

std::string_view name_of(NoticeKind kind) {
  return std::ranges::find(kKinds, kind, &KindRow::kind)->name;
}

bool is_loud(NoticeKind kind) {
  return std::ranges::find(kKinds, kind, &KindRow::kind)->loud;
}

std::optional<NoticeKind> notice_kind_named(std::string_view name) {
  const auto* const row = std::ranges::find(kKinds, name, &KindRow::name);
  return row == std::end(kKinds) ? std::nullopt : std::optional(row->kind);
}

bool is_loopback(std::string_view url) {
  std::string_view host = host_of(authority_of(url));
  if (host == "localhost" || host == "[::1]") return true;
  if (!host.starts_with("127.") || host.find_first_not_of("0123456789.") != std::string_view::npos) return false;
  return std::ranges::count(host, '.') == 3 && host.find("..") == std::string_view::npos && !host.ends_with('.');
}

Result<std::optional<std::uint32_t>> read_uid(YamlFields& fields) {
  if (fields.has("uid")) {
    ASSIGN_OR_RETURN(const std::int64_t uid, fields.integer("uid", 0, 0, 4294967294));
    return std::optional(static_cast<std::uint32_t>(uid));
  }
  if (!fields.has("user")) return std::optional<std::uint32_t>();
  ASSIGN_OR_RETURN(const std::string name, fields.text("user", ""));
  const passwd* entry = getpwnam(name.c_str());
  if (entry == nullptr) return wrong(fields.path_of("user"), "names no user of this system: " + name);
  return std::optional<std::uint32_t>(entry->pw_uid);
}

Result<std::set<std::uint32_t>> read_users(const YamlNode& node, const std::string& path) {
  std::set<std::uint32_t> users;
  if (node.kind != YamlNode::Kind::Sequence) return wrong(path, "is no list");
  for (std::size_t i = 0; i < node.sequence.size(); ++i) {
    const std::string item = path + "[" + std::to_string(i) + "]";
    YamlFields fields(node.sequence[i], item);
    ASSIGN_OR_RETURN(const std::optional<std::uint32_t> uid, read_uid(fields));
    RETURN_IF_ERROR(fields.finish());
    if (!uid) return wrong(item, "must be {user: NAME} or {uid: N}");
    users.insert(*uid);
  }
  return users;
}

Result<NotifyConfig> read_notify(const YamlNode& section, const std::string& folder) {
  NotifyConfig config;
  YamlFields fields(section, "notify");
  ASSIGN_OR_RETURN(config.remind_after, fields.duration("remind_after", config.remind_after));
  ASSIGN_OR_RETURN(config.give_up_after, fields.duration("give_up_after", config.give_up_after));
  ASSIGN_OR_RETURN(config.reply_attempts, fields.integer("reply_attempts", config.reply_attempts, 1, 1000));
  if (const YamlNode* replies = fields.take("replies")) {
    ASSIGN_OR_RETURN(config.repliers, read_users(*replies, "notify.replies"));
  }
  const YamlNode* channels = fields.take("channels");
  RETURN_IF_ERROR(fields.finish());
  if (channels == nullptr) return config;
  if (channels->kind != YamlNode::Kind::Sequence || channels->sequence.size() > kMostChannels) {
    return wrong("notify.channels", "is no list of at most 32");
  }
  for (std::size_t i = 0; i < channels->sequence.size(); ++i) {
    const std::string path = "notify.channels[" + std::to_string(i) + "]";
    ASSIGN_OR_RETURN(ChannelConfig channel, ChannelReader(channels->sequence[i], path, folder).read());
    const bool taken =
        std::ranges::any_of(config.channels, [&](const ChannelConfig& other) { return other.name == channel.name; });
    if (taken) return wrong(path + ".name", "is the name of another channel");
    config.channels.push_back(std::move(channel));
  }
  return config;
}

}  // namespace countersign::broker
