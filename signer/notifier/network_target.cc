#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>

#include "common/curl/curl_library.h"
#include "common/json.h"
#include "signer/notifier/target.h"

namespace countersign::notifier {
namespace {

constexpr std::size_t kMostAnswer = std::size_t{64} << 10;

using Handle = std::unique_ptr<CURL, decltype(curl::Library::easy_cleanup)>;
using List = std::unique_ptr<curl_slist, decltype(curl::Library::slist_free_all)>;

// Counts what a server answers and keeps none of it; returning less than was given ends the transfer.
std::size_t count_answer(char*, std::size_t size, std::size_t count, void* heard) {
  auto& total = *static_cast<std::size_t*>(heard);
  total += size * count;
  return total > kMostAnswer ? 0 : size * count;
}

std::size_t give_text(char* buffer, std::size_t size, std::size_t count, void* text) {
  auto& rest = *static_cast<std::string_view*>(text);
  const std::size_t given = std::min(size * count, rest.size());
  std::memcpy(buffer, rest.data(), given);
  rest.remove_prefix(given);
  return given;
}

struct Transfer {
  const curl::Library& library;
  Handle handle;
  std::size_t heard = 0;

  Transfer(const curl::Library& curl_functions, const config::NotifyConfig& target, const std::string& address,
           const char* protocols)
      : library(curl_functions), handle(library.easy_init(), library.easy_cleanup) {
    if (handle == nullptr) return;
    CURL* curl = handle.get();
    const auto limit =
        std::max<std::int64_t>(1, std::chrono::duration_cast<std::chrono::milliseconds>(target.timeout).count());
    library.easy_setopt(curl, CURLOPT_URL, address.c_str());
    library.easy_setopt(curl, CURLOPT_PROTOCOLS_STR, protocols);
    library.easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    library.easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(limit));
    library.easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    library.easy_setopt(curl, CURLOPT_WRITEFUNCTION, count_answer);
    library.easy_setopt(curl, CURLOPT_WRITEDATA, &heard);
  }

  Status perform(const std::string& name) const {
    const CURLcode done = library.easy_perform(handle.get());
    if (done == CURLE_OK) return ok();
    return Error{ErrorCode::Unavailable, name + ": " + library.easy_strerror(done)};
  }
};

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

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

}  // namespace

Status post_webhook(const config::NotifyConfig& target, const Message& message) {
  const Result<curl::Library>& library = curl::library();
  if (!library) return Error{ErrorCode::Unavailable, name_of(target) + ": " + library.error().detail};
  Transfer transfer(*library, target, target.target, "http,https");
  const List headers(library->slist_append(nullptr, "Content-Type: application/json"), library->slist_free_all);
  if (transfer.handle == nullptr || headers == nullptr) {
    return Error{ErrorCode::Unavailable, name_of(target) + ": out of memory"};
  }
  CURL* curl = transfer.handle.get();
  library->easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  library->easy_setopt(curl, CURLOPT_USERAGENT, "countersign");
  library->easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(message.json.size()));
  library->easy_setopt(curl, CURLOPT_POSTFIELDS, message.json.c_str());
  RETURN_IF_ERROR(transfer.perform(name_of(target)));
  long status = 0;
  library->easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 200 && status < 300) return ok();
  return Error{ErrorCode::Unavailable, name_of(target) + " answered " + std::to_string(status)};
}

Status send_mail(const config::NotifyConfig& target, const Message& message) {
  const Result<curl::Library>& library = curl::library();
  if (!library) return Error{ErrorCode::Unavailable, name_of(target) + ": " + library.error().detail};
  Transfer transfer(*library, target, target.smtp, "smtp,smtps");
  const List recipients(library->slist_append(nullptr, target.target.c_str()), library->slist_free_all);
  if (transfer.handle == nullptr || recipients == nullptr) {
    return Error{ErrorCode::Unavailable, name_of(target) + ": out of memory"};
  }
  const std::string sender = "countersign@" + host_name();
  // Name and severity are words of our own table, so nothing here can add a header.
  const std::string text =
      "From: Countersign <" + sender + ">\r\nTo: <" + target.target + ">\r\nSubject: [countersign] " +
      message.severity + ": " + message.name +
      "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
      mail_lines(message.json);
  std::string_view rest = text;
  CURL* curl = transfer.handle.get();
  library->easy_setopt(curl, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_TRY));
  library->easy_setopt(curl, CURLOPT_MAIL_FROM, sender.c_str());
  library->easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients.get());
  library->easy_setopt(curl, CURLOPT_READFUNCTION, give_text);
  library->easy_setopt(curl, CURLOPT_READDATA, &rest);
  library->easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  return transfer.perform(name_of(target));
}

}  // namespace countersign::notifier
