// `notify` of broker.yaml: who is told of what waits, and how.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/result.h"
#include "common/strict_yaml.h"

namespace countersign::broker {

// What a notice is about.
enum class NoticeKind {
  Request,     // a call waits for people
  Reminder,    // it still waits
  Decided,     // approved or rejected: a call, or a proposed server
  Expired,     // nobody answered in time, or its approvals do not count any more
  Proposal,    // a server is proposed and waits for people
  Quarantine,  // a tool is defined otherwise than it was pinned
  Override,    // vetting is to be overridden, or was
  BreakGlass,  // two people opened a tool to an agent in an emergency
};
std::span<const NoticeKind> notice_kinds();
std::string_view name_of(NoticeKind kind);  // "request", …
// Whether it is told alone and before others, however many wait: nobody may miss it in a list.
bool is_loud(NoticeKind kind);
std::optional<NoticeKind> notice_kind_named(std::string_view name);

// A secret is named by its source, as secret_from() reads it: "file:/path" or "credential:NAME".
struct WebhookTarget {
  std::string url;  // https, or http to this machine alone
  // Of its signatures (Standard Webhooks): whsec_ and base64. Several while one is replaced: each signs.
  std::vector<std::string> secrets;
  std::string ca;  // PEM file of the authorities to believe; empty: the system's
};
struct MailTarget {
  std::string smtp;  // smtps://, smtp:// with STARTTLS, or smtp:// in the clear to this machine alone
  std::string from;
  std::vector<std::string> to;
  std::string user;      // empty: nobody signs in
  std::string password;  // a secret
  std::string ca;
};
struct CommandTarget {
  std::vector<std::string> argv;  // argv[0] is an absolute path
};
struct FileTarget {
  std::string path;
};

struct ChannelConfig {
  std::string name;
  std::variant<WebhookTarget, MailTarget, CommandTarget, FileTarget> target;
  std::set<NoticeKind> kinds;
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);  // of one attempt
  // So many notices that wait at once, or more, are told in one message; 0: each in its own.
  std::int64_t digest = 0;
};

struct NotifyConfig {
  std::vector<ChannelConfig> channels;
  std::chrono::nanoseconds remind_after = std::chrono::minutes(15);  // once, of a request that still waits
  std::chrono::nanoseconds give_up_after = std::chrono::hours(24);   // what was not delivered by then is given up
  std::set<std::uint32_t> repliers;                                  // who hands in answers to notices, beside people
  std::string socket;               // of the broker, for the lines that people are told to type
  std::int64_t reply_attempts = 5;  // wrong codes, until no code counts any more
};

// "uid: N" or "user: NAME"; nothing where neither is there. Fails with Invalid for a name that this system does not
// know.
Result<std::optional<std::uint32_t>> read_uid(YamlFields& fields);
// A list of such users, of the member at `path`.
Result<std::set<std::uint32_t>> read_users(const YamlNode& node, const std::string& path);

// The section; relative paths start at `folder`. Fails with Invalid, naming the member.
Result<NotifyConfig> read_notify(const YamlNode& section, const std::string& folder);

// Whether the address names this machine whatever a name server says: localhost, 127.0.0.0/8 or [::1].
bool is_loopback(std::string_view url);

}  // namespace countersign::broker
