#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>

#include "common/curl/transfer.h"
#include "common/joined.h"
#include "common/secret_source.h"
#include "common/text.h"
#include "gate/notices/channel.h"

namespace countersign::notices {
namespace {

// RFC 5322 §2.1.1: lines of 78 characters at most should be.
constexpr std::size_t kLongestSubject = 60;
constexpr std::size_t kBase64Line = 76;

// What may stand in a header: printable ASCII.
std::string header_text(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kLongestSubject)) out += c >= ' ' && c < 0x7f ? c : '?';
  return out;
}

// RFC 5322 §3.3, in UTC.
std::string date_text(UtcTime time) {
  const std::time_t seconds = time.unix_seconds();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d +0000",
                kDays[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                parts.tm_sec);
  return text.data();
}

std::size_t give_text(char* buffer, std::size_t size, std::size_t count, void* text) {
  auto& rest = *static_cast<std::string_view*>(text);
  const std::size_t given = std::min(size * count, rest.size());
  std::memcpy(buffer, rest.data(), given);
  rest.remove_prefix(given);
  return given;
}

class MailChannel : public Channel {
 public:
  MailChannel(const broker::MailTarget& target, std::chrono::nanoseconds timeout, SecretBytes password)
      : target_(target), timeout_(timeout), password_(std::move(password)) {}

  Status deliver(const Message& message, UtcTime, const std::atomic<bool>& interrupted) const override {
    ASSIGN_OR_RETURN(
        const auto transfer,
        curl::Transfer::to(target_.smtp, {.time = timeout_, .interrupted = &interrupted, .authorities = target_.ca}));
    const bool clear = broker::is_loopback(target_.smtp) && target_.smtp.starts_with("smtp:");
    if (broker::is_loopback(target_.smtp)) transfer->set(CURLOPT_NOPROXY, "*");
    transfer->set(CURLOPT_USE_SSL, static_cast<long>(clear ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    const std::string sender = "<" + target_.from + ">";
    transfer->set(CURLOPT_MAIL_FROM, sender.c_str());
    for (const std::string& each : target_.to) {
      RETURN_IF_ERROR(transfer->add(CURLOPT_MAIL_RCPT, "<" + each + ">"));
    }
    if (!target_.user.empty()) {
      transfer->set(CURLOPT_USERNAME, target_.user.c_str());
      transfer->set(CURLOPT_PASSWORD, std::string(trimmed(text_of(password_.reveal()))).c_str());
    }
    const std::string text = mail_text(target_, message);
    std::string_view rest = text;
    transfer->set(CURLOPT_READFUNCTION, give_text);
    transfer->set(CURLOPT_READDATA, &rest);
    transfer->set(CURLOPT_UPLOAD, 1L);
    return transfer->perform();
  }

 private:
  broker::MailTarget target_;
  std::chrono::nanoseconds timeout_;
  SecretBytes password_;
};

}  // namespace

std::string mail_text(const broker::MailTarget& target, const Message& message) {
  const std::string host = target.from.substr(target.from.find('@') + 1);
  std::string text = "Date: " + date_text(message.at) + "\r\nFrom: Countersign <" + target.from + ">\r\nTo: <" +
                     joined(target.to, ">,\r\n <") + ">\r\nSubject: [countersign] " + header_text(message.summary) +
                     "\r\nMessage-ID: <" + message.id + "@" + host +
                     ">\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
                     "charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  const std::string body = to_base64(view_of(message.text + "\n"));
  for (std::size_t at = 0; at < body.size(); at += kBase64Line) text += body.substr(at, kBase64Line) + "\r\n";
  return text;
}

Result<std::unique_ptr<Channel>> open_mail(const broker::ChannelConfig& config, const broker::MailTarget& target) {
  SecretBytes password{Bytes{}};
  if (!target.user.empty()) {
    ASSIGN_OR_RETURN(password, secret_from(target.password, ""));
  }
  return std::unique_ptr<Channel>(new MailChannel(target, config.timeout, std::move(password)));
}

}  // namespace countersign::notices
