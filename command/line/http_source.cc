#include "command/line/http_source.h"

#include <chrono>
#include <memory>

#include "common/curl/transfer.h"

namespace countersign::command {
namespace {

constexpr std::chrono::seconds kLongestWait(30);  // for one file
constexpr long kNotFound = 404;
constexpr long kForbidden = 403;
constexpr long kOk = 200;

}  // namespace

HttpSource::HttpSource(std::string base, std::string authorities)
    : base_(std::move(base)), authorities_(std::move(authorities)) {
  while (base_.ends_with('/')) base_.pop_back();
}

Result<std::string> HttpSource::fetch(const std::string& path, std::size_t limit) {
  const std::string address = base_ + "/" + path;
  std::string body;
  ASSIGN_OR_RETURN(
      const std::unique_ptr<curl::Transfer> transfer,
      curl::Transfer::to(address, {.time = kLongestWait, .answer = limit, .authorities = authorities_, .kept = &body}));
  const Status done = transfer->perform();
  if (transfer->was_too_long()) {
    return Error{ErrorCode::TooLarge, address + " is longer than " + std::to_string(limit) + " bytes",
                 "endless_data_attack"};
  }
  if (!done) return Error{ErrorCode::Unavailable, address + ": " + done.error().detail};
  const long status = transfer->status();
  if (status == kNotFound || status == kForbidden) return Error{ErrorCode::NotFound, address + " is not there"};
  if (status != kOk) return Error{ErrorCode::Unavailable, address + " answered " + std::to_string(status)};
  return body;
}

bool is_url(std::string_view from) {
  return from.starts_with("http://") || from.starts_with("https://");
}

}  // namespace countersign::command
