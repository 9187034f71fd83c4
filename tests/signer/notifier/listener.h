// A server on 127.0.0.1 that lets a test see what a client says and decide what it hears.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <future>
#include <stdexcept>
#include <string>

namespace countersign::test {

class Listener {
 public:
  Listener() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(socket_, 4) != 0 ||
        getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("cannot listen");
    }
    port_ = ntohs(address.sin_port);
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() { close(socket_); }

  std::string address(const std::string& scheme) const {
    return scheme + "://127.0.0.1:" + std::to_string(port_) + "/hook";
  }

  // Serves one connection: after each piece of what the client says, `reply` sees everything so far and gives what to
  // send now; an answer of "\0" ends the connection. Gives all that was said; nothing if nobody came.
  std::future<std::string> serve(std::function<std::string(const std::string&)> reply, std::string greeting = {}) {
    return std::async(std::launch::async, [this, reply = std::move(reply), greeting = std::move(greeting)] {
      pollfd wanted{socket_, POLLIN, 0};
      if (poll(&wanted, 1, 20'000) != 1) return std::string();
      const int peer = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      std::string heard;
      say(peer, greeting);
      char buffer[4096];
      for (ssize_t got = 0; (got = read(peer, buffer, sizeof buffer)) > 0;) {
        heard.append(buffer, static_cast<std::size_t>(got));
        const std::string answer = reply(heard);
        if (answer == std::string(1, '\0')) break;
        say(peer, answer);
      }
      close(peer);
      return heard;
    });
  }

 private:
  static void say(int peer, const std::string& text) {
    if (!text.empty()) send(peer, text.data(), text.size(), MSG_NOSIGNAL);
  }
  int socket_;
  int port_ = 0;
};

}  // namespace countersign::test
