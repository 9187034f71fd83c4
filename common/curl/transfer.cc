#include "common/curl/transfer.h"

#include <algorithm>

namespace countersign::curl {

Result<std::unique_ptr<Transfer>> Transfer::to(const std::string& url, Bounds bounds) {
  const Result<Library>& loaded = library();
  if (!loaded) return loaded.error();
  std::unique_ptr<Transfer> transfer(new Transfer(*loaded, std::move(bounds)));
  if (!transfer->handle_) return Error{ErrorCode::Unavailable, "libcurl has no handle"};
  const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(transfer->bounds_.time).count();
  const std::string scheme = url.substr(0, url.find(':'));
  transfer->set(CURLOPT_URL, url.c_str());
  transfer->set(CURLOPT_PROTOCOLS_STR, scheme.c_str());
  transfer->set(CURLOPT_FOLLOWLOCATION, 0L);
  transfer->set(CURLOPT_SSL_VERIFYPEER, 1L);
  transfer->set(CURLOPT_SSL_VERIFYHOST, 2L);
  transfer->set(CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(1, time)));
  transfer->set(CURLOPT_NOSIGNAL, 1L);
  transfer->set(CURLOPT_WRITEFUNCTION, count);
  transfer->set(CURLOPT_WRITEDATA, transfer.get());
  transfer->set(CURLOPT_NOPROGRESS, 0L);
  transfer->set(CURLOPT_XFERINFOFUNCTION, look);
  transfer->set(CURLOPT_XFERINFODATA, transfer.get());
  if (!transfer->bounds_.authorities.empty()) transfer->set(CURLOPT_CAINFO, transfer->bounds_.authorities.c_str());
  return transfer;
}

Status Transfer::add(CURLoption option, const std::string& line) {
  curl_slist* longer = library_.slist_append(list_.get(), line.c_str());
  if (longer == nullptr) return Error{ErrorCode::Unavailable, "out of memory"};
  (void)list_.release();
  list_.reset(longer);
  set(option, list_.get());
  return ok();
}

Status Transfer::perform() {
  const CURLcode done = library_.easy_perform(handle_.get());
  if (done == CURLE_OK) return ok();
  if (was_too_long()) {
    return Error{ErrorCode::Unavailable, "it answers more than " + std::to_string(bounds_.answer) + " bytes"};
  }
  return Error{ErrorCode::Unavailable, library_.easy_strerror(done)};
}

long Transfer::status() const {
  long status = 0;
  library_.easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
  return status;
}

// Returning less than was given ends the exchange.
std::size_t Transfer::count(char* bytes, std::size_t size, std::size_t items, void* transfer) {
  auto& self = *static_cast<Transfer*>(transfer);
  self.heard_ += size * items;
  if (self.was_too_long()) return 0;
  if (self.bounds_.kept != nullptr) self.bounds_.kept->append(bytes, size * items);
  return size * items;
}

int Transfer::look(void* transfer, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const std::atomic<bool>* interrupted = static_cast<Transfer*>(transfer)->bounds_.interrupted;
  return interrupted != nullptr && interrupted->load() ? 1 : 0;
}

}  // namespace countersign::curl
