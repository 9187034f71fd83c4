// POSTs to one tool server, over libcurl: HTTP/1.1, no redirect, no proxy, bounded in bytes and in time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/result.h"

namespace countersign::broker {

class HttpPost {
 public:
  struct Answer {
    long status = 0;
    bool events = false;  // it was a stream, and its events were told
    std::string session;  // of its Mcp-Session-Id
    std::string body;     // where it was no stream
  };
  // With the data of each event of a stream; true ends the reading.
  using OnEvent = std::function<bool(const std::string& data)>;

  // `ca` is a PEM file with who may certify the server; empty for the system's.
  HttpPost(std::string url, std::string ca);
  HttpPost(HttpPost&&) noexcept;
  ~HttpPost();

  // Fails with Unavailable: reason "not_sent" where nothing was sent, "no_answer" where it was; with TooLarge. The
  // connection is kept, and libcurl repeats a POST that meets a kept one which has died: what must not be repeated goes
  // through a new HttpPost.
  Result<Answer> post(const std::vector<std::string>& headers, const std::string& body,
                      std::chrono::milliseconds within, const OnEvent& on_event);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace countersign::broker
