#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "common/curl/transfer.h"
#include "common/json.h"
#include "signer/notifier/target.h"

namespace countersign::notifier {
namespace {

std::size_t give_text(char* buffer, std::size_t size, std::size_t count, void* text) {
  auto& rest = *static_cast<std::string_view*>(text);
  const std::size_t given = std::min(size * count, rest.size());
  std::memcpy(buffer, rest.data(), given);
  rest.remove_prefix(given);
  return given;
}

// Indented, so that no line of a mail gets longer than its longest member.
std::string mail_lines(const std::string& json) {
  const Result<Json> event = Json::parse(json);
  std::string lines;
  for (const char c : event ? event->gait_file() : json) {
    if (c == '\n') lines += '\r';
    lines += c;
  }
  return lines;
}

Status named(const config::NotifyConfig& target, Status sent) {
  if (sent) return sent;
  return Error{ErrorCode::Unavailable, name_of(target) + ": " + sent.error().detail};
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

}  // namespace

Status post_webhook(const config::NotifyConfig& target, const Message& message) {
  const auto sent = [&]() -> Status {
    ASSIGN_OR_RETURN(const auto transfer, curl::Transfer::to(target.target, {.time = target.timeout}));
    RETURN_IF_ERROR(transfer->add(CURLOPT_HTTPHEADER, "Content-Type: application/json"));
    transfer->set(CURLOPT_USERAGENT, "countersign");
    transfer->set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(message.json.size()));
    transfer->set(CURLOPT_POSTFIELDS, message.json.c_str());
    RETURN_IF_ERROR(transfer->perform());
    const long status = transfer->status();
    if (status >= 200 && status < 300) return ok();
    return Error{ErrorCode::Unavailable, "it answered " + std::to_string(status)};
  };
  return named(target, sent());
}

Status send_mail(const config::NotifyConfig& target, const Message& message) {
  const std::string sender = "countersign@" + host_name();
  // Name and severity are words of our own table, so nothing here can add a header.
  const std::string text =
      "From: Countersign <" + sender + ">\r\nTo: <" + target.target + ">\r\nSubject: [countersign] " +
      message.severity + ": " + message.name +
      "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
      mail_lines(message.json);
  const auto sent = [&]() -> Status {
    ASSIGN_OR_RETURN(const auto transfer, curl::Transfer::to(target.smtp, {.time = target.timeout}));
    RETURN_IF_ERROR(transfer->add(CURLOPT_MAIL_RCPT, target.target));
    std::string_view rest = text;
    transfer->set(CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_TRY));
    transfer->set(CURLOPT_MAIL_FROM, sender.c_str());
    transfer->set(CURLOPT_READFUNCTION, give_text);
    transfer->set(CURLOPT_READDATA, &rest);
    transfer->set(CURLOPT_UPLOAD, 1L);
    return transfer->perform();
  };
  return named(target, sent());
}

}  // namespace countersign::notifier
