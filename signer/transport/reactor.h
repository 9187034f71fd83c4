// Asio behind EventLoop; for this folder alone.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "signer/transport/event_loop.h"

namespace countersign::transport {

inline constexpr std::size_t kReadSize = std::size_t{64} << 10;

struct EventLoop::Reactor {
  boost::asio::io_context context{1};  // one thread runs it
  std::vector<std::unique_ptr<boost::asio::steady_timer>> periodic;
  // What is to be done at the end of this turn; `turn_end_posted` while a handler for it is queued.
  std::vector<std::function<void()>> turn_end;
  std::vector<std::function<void()>> turn_end_running;
  bool turn_end_posted = false;
  // Where every connection reads into before it keeps anything, so that an idle connection owns no buffer.
  std::unique_ptr<char[]> read_buffer = std::make_unique<char[]>(kReadSize);
};

}  // namespace countersign::transport
