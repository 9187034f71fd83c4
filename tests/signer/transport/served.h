// A server on its own thread, and raw clients that send what no proper client would.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "signer/transport/http_server.h"

namespace countersign::test {

class ScratchFolder {
 public:
  ScratchFolder() {
    char name[] = "/tmp/countersign-transport-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~ScratchFolder() {
    const std::string command = "rm -rf '" + path_ + "'";
    [[maybe_unused]] const int ignored = std::system(command.c_str());
  }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

class Served {
 public:
  explicit Served(transport::HttpServer::Handler handler, transport::HttpLimits limits = {}) {
    server_ = std::make_unique<transport::HttpServer>(loop_, limits);
    Result<transport::Listener> listener = transport::Listener::bind(path(), 0666);
    if (!listener || !server_->serve(*std::move(listener), std::move(handler))) std::abort();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Served() {
    loop_.post([this] {
      server_.reset();
      loop_.stop();
    });
    thread_.join();
  }
  std::string path() const { return folder_.file("sign.sock"); }
  transport::EventLoop& loop() { return loop_; }
  transport::HttpCounts counts() {
    transport::HttpCounts counts;
    std::atomic<bool> done = false;
    loop_.post([&] {
      counts = server_->counts();
      done = true;
      done.notify_one();
    });
    done.wait(false);
    return counts;
  }

 private:
  ScratchFolder folder_;
  transport::EventLoop loop_;
  std::unique_ptr<transport::HttpServer> server_;
  std::thread thread_;
};

class RawClient {
 public:
  explicit RawClient(const std::string& path) {
    const Result<int> connected = transport::connect_to(path, std::chrono::seconds(5));
    descriptor_ = connected ? *connected : -1;
  }
  ~RawClient() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // Everything until the server closes, or `wanted` stands in it; what came so far after ten seconds.
  std::string receive_until(std::string_view wanted = {}) {
    char buffer[65536];
    while (wanted.empty() || received_.find(wanted) == std::string::npos) {
      pollfd waited{descriptor_, POLLIN, 0};
      if (::poll(&waited, 1, 10'000) <= 0) return received_ + "<timeout>";
      const ssize_t got = ::recv(descriptor_, buffer, sizeof(buffer), 0);
      if (got <= 0) break;
      received_.append(buffer, static_cast<std::size_t>(got));
    }
    return received_;
  }

 private:
  int descriptor_ = -1;
  std::string received_;
};

inline std::string post_of(std::string_view body, std::string_view target = "/echo", std::string_view more = "") {
  return "POST " + std::string(target) + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
         std::string(more) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace countersign::test
