// One bounded exchange over libcurl: peers verified, no redirections, one scheme, an answer that is counted, and thrown
// away unless somebody keeps it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "common/curl/curl_library.h"
#include "common/result.h"

namespace countersign::curl {

class Transfer {
 public:
  struct Bounds {
    std::chrono::nanoseconds time{};                 // of the whole exchange
    std::size_t answer = std::size_t{64} << 10;      // bytes; one more ends it
    const std::atomic<bool>* interrupted = nullptr;  // ends it soon where it becomes true; outlives it
    std::string authorities{};                       // PEM file; empty: the system's
    std::string* kept = nullptr;                     // gets the answer; outlives it
  };
  // Nothing but the url's own scheme is spoken. Fails with Unavailable where libcurl is not there.
  static Result<std::unique_ptr<Transfer>> to(const std::string& url, Bounds bounds);

  template <typename Value>
  void set(CURLoption option, Value value) {
    library_.easy_setopt(handle_.get(), option, value);
  }
  // A line of the headers, or a recipient: what `option` takes as a list. Added before perform().
  Status add(CURLoption option, const std::string& line);

  // Fails with Unavailable: the peer is not who it should be, does not answer in time, says too much.
  Status perform();
  long status() const;  // of HTTP
  bool was_too_long() const { return heard_ > bounds_.answer; }

 private:
  using List = std::unique_ptr<curl_slist, decltype(Library::slist_free_all)>;
  Transfer(const Library& library, Bounds bounds)
      : library_(library),
        bounds_(std::move(bounds)),
        handle_(library.easy_init(), library.easy_cleanup),
        list_(nullptr, library.slist_free_all) {}
  static std::size_t count(char* bytes, std::size_t size, std::size_t items, void* transfer);
  static int look(void* transfer, curl_off_t, curl_off_t, curl_off_t, curl_off_t);

  const Library& library_;
  Bounds bounds_;
  std::unique_ptr<CURL, decltype(Library::easy_cleanup)> handle_;
  List list_;
  std::size_t heard_ = 0;
};

}  // namespace countersign::curl
