// A client that costs little: one thread, epoll, requests prepared in advance. Prints one JSON object.
//   bench_load http SOCKET REQUEST_FILE CONNECTIONS SECONDS   POST /v1/sign, /v1/sign-batch, or of a gate
//                                                             /v1/evaluate; "@@@@@@@@@@@@@@@@" in the body is replaced
//                                                             by 16 hex digits that never repeat
//   bench_load agent SOCKET CONNECTIONS SECONDS               ssh-agent: SSH_AGENTC_SIGN_REQUEST with its first key
//   bench_load idle SOCKET CONNECTIONS                        opens connections, prints a line, waits for end of input
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "common/durable_file.h"
#include "common/json.h"

namespace {

using countersign::Json;
using SteadyClock = std::chrono::steady_clock;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "bench_load: %s\n", what.c_str());
  std::exit(1);
}

int connect_to(const std::string& path) {
  const int socket_descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) die("socket path too long");
  std::memcpy(address.sun_path, path.c_str(), path.size());
  if (connect(socket_descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    die("cannot connect to " + path + ": " + std::strerror(errno));
  }
  return socket_descriptor;
}

// One request to send again and again, and how long an answer is.
class Protocol {
 public:
  virtual ~Protocol() = default;
  virtual const std::string& next_request() = 0;
  // The length of the whole answer at the start of `bytes`, 0 if it is not whole yet; `good` says whether it is a
  // signature.
  virtual std::size_t answer_length(std::string_view bytes, bool& good) = 0;
  virtual std::uint64_t signatures_per_answer() const { return 1; }
};

class Http : public Protocol {
 public:
  explicit Http(const std::string& body) {
    const bool batch = body.starts_with("{\"requests\"");
    const bool question = body.starts_with("{\"intent\"");
    request_ = std::string("POST ") +
               (question ? "/v1/evaluate"
                : batch  ? "/v1/sign-batch"
                         : "/v1/sign") +
               " HTTP/1.1\r\nHost: signer\r\nContent-Type: application/json\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n";
    const std::size_t head = request_.size();
    request_ += body;
    for (std::size_t at = request_.find(kMark, head); at != std::string::npos; at = request_.find(kMark, at + 16)) {
      marks_.push_back(at);
    }
    per_answer_ = batch ? std::max<std::size_t>(marks_.size(), 1) : 1;
    counter_ = static_cast<std::uint64_t>(SteadyClock::now().time_since_epoch().count());
  }
  const std::string& next_request() override {
    char digits[17];
    for (const std::size_t at : marks_) {
      std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(++counter_));
      std::memcpy(request_.data() + at, digits, 16);
    }
    return request_;
  }
  std::size_t answer_length(std::string_view bytes, bool& good) override {
    const std::size_t head = bytes.find("\r\n\r\n");
    if (head == std::string_view::npos) return 0;
    const std::string_view name = "Content-Length: ";
    const std::size_t field = bytes.find(name);
    if (field == std::string_view::npos || field > head) die("an answer without Content-Length");
    const std::size_t length = head + 4 + std::strtoull(bytes.data() + field + name.size(), nullptr, 10);
    if (bytes.size() < length) return 0;
    good = bytes.substr(9, 3) == "200" && bytes.find("\"ok\":false") == std::string_view::npos;
    if (!good && !complained_) {
      complained_ = true;
      std::fprintf(stderr, "bench_load: %.*s\n", static_cast<int>(std::min<std::size_t>(length, 1200)), bytes.data());
    }
    return length;
  }
  std::uint64_t signatures_per_answer() const override { return per_answer_; }

 private:
  static constexpr std::string_view kMark = "@@@@@@@@@@@@@@@@";
  std::string request_;
  std::vector<std::size_t> marks_;
  std::uint64_t counter_ = 0;
  std::size_t per_answer_ = 1;
  bool complained_ = false;
};

// draft-miller-ssh-agent §4: u32 length, byte type, contents.
class Agent : public Protocol {
 public:
  explicit Agent(const std::string& path) {
    const int agent = connect_to(path);
    send_all(agent, framed(std::string(1, 11)));
    const std::string answer = receive(agent);
    close(agent);
    if (answer.size() < 13 || answer[0] != 12) die("the agent lists no keys");
    const std::size_t blob_length = number_at(answer, 5);
    const std::string blob = answer.substr(9, blob_length);
    std::string sign(1, 13);
    append_text(sign, blob);
    append_text(sign, std::string(32, 'm'));
    sign += std::string(4, '\0');
    request_ = framed(sign);
  }
  const std::string& next_request() override { return request_; }
  std::size_t answer_length(std::string_view bytes, bool& good) override {
    if (bytes.size() < 4) return 0;
    const std::size_t length = 4 + number_at(bytes, 0);
    if (bytes.size() < length) return 0;
    good = bytes[4] == 14;
    return length;
  }

 private:
  static std::size_t number_at(std::string_view bytes, std::size_t at) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
  }
  static void append_number(std::string& out, std::size_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
  }
  static void append_text(std::string& out, const std::string& text) {
    append_number(out, text.size());
    out += text;
  }
  static std::string framed(const std::string& message) {
    std::string out;
    append_text(out, message);
    return out;
  }
  static void send_all(int socket_descriptor, const std::string& bytes) {
    if (write(socket_descriptor, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) die("agent write");
  }
  static std::string receive(int socket_descriptor) {
    std::string bytes;
    char buffer[65536];
    while (bytes.size() < 4 || bytes.size() < 4 + number_at(bytes, 0)) {
      const ssize_t got = read(socket_descriptor, buffer, sizeof buffer);
      if (got <= 0) die("agent read");
      bytes.append(buffer, static_cast<std::size_t>(got));
    }
    return bytes.substr(4);
  }
  std::string request_;
};

struct Connection {
  int descriptor = -1;
  std::string buffer;
  SteadyClock::time_point sent;
};

int drive(Protocol& protocol, const std::string& path, std::size_t connections, double seconds) {
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> all(connections);
  for (std::size_t i = 0; i < connections; ++i) {
    all[i].descriptor = connect_to(path);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    epoll_ctl(poll, EPOLL_CTL_ADD, all[i].descriptor, &event);
  }
  const auto send = [&](Connection& connection) {
    const std::string& request = protocol.next_request();
    connection.sent = SteadyClock::now();
    std::size_t at = 0;
    while (at < request.size()) {
      const ssize_t wrote = write(connection.descriptor, request.data() + at, request.size() - at);
      if (wrote < 0) die(std::string("write: ") + std::strerror(errno));
      at += static_cast<std::size_t>(wrote);
    }
  };
  const auto warm_end = SteadyClock::now() + std::chrono::milliseconds(200);
  const auto end = warm_end + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  for (Connection& connection : all) send(connection);
  std::vector<float> microseconds;
  std::uint64_t signatures = 0;
  std::uint64_t failures = 0;
  std::uint64_t everything = 0;
  std::size_t open = connections;
  std::vector<epoll_event> events(connections);
  std::vector<char> chunk(std::size_t{1} << 20);
  while (open > 0) {
    const int count = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 30'000);
    if (count <= 0) die("no answer for 30 s");
    for (int i = 0; i < count; ++i) {
      Connection& connection = all[events[static_cast<std::size_t>(i)].data.u64];
      const ssize_t got = read(connection.descriptor, chunk.data(), chunk.size());
      if (got <= 0) die("the peer closed a connection");
      connection.buffer.append(chunk.data(), static_cast<std::size_t>(got));
      bool good = false;
      const std::size_t length = protocol.answer_length(connection.buffer, good);
      if (length == 0) continue;
      connection.buffer.erase(0, length);
      const auto now = SteadyClock::now();
      everything += protocol.signatures_per_answer();
      if (now > warm_end && now <= end) {
        microseconds.push_back(std::chrono::duration<float, std::micro>(now - connection.sent).count());
        (good ? signatures : failures) += protocol.signatures_per_answer();
      }
      if (now < end) {
        send(connection);
      } else {
        close(connection.descriptor);
        --open;
      }
    }
  }
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  const auto in_seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  const double cpu = in_seconds(after.ru_utime) + in_seconds(after.ru_stime) - in_seconds(before.ru_utime) -
                     in_seconds(before.ru_stime);
  std::sort(microseconds.begin(), microseconds.end());
  const auto percentile = [&](std::size_t percent) {
    return microseconds.empty() ? 0.0 : static_cast<double>(microseconds[microseconds.size() * percent / 100]);
  };
  const Json answer =
      Json::object({{"count", Json(signatures)},
                    {"everything", Json(everything)},
                    {"failures", Json(failures)},
                    {"per_second", Json(static_cast<double>(signatures) / seconds)},
                    {"p50_us", Json(percentile(50))},
                    {"p99_us", Json(percentile(99))},
                    {"client_cpu_us", Json(cpu * 1e6 / static_cast<double>(std::max<std::uint64_t>(everything, 1)))}});
  std::printf("%s\n", answer.compact().c_str());
  return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "http" && argc == 6) {
    const auto body = countersign::read_file(argv[3], std::size_t{4} << 20);
    if (!body) die(body.error().detail);
    Http protocol(*body);
    return drive(protocol, argv[2], std::strtoull(argv[4], nullptr, 10), std::atof(argv[5]));
  }
  if (mode == "agent" && argc == 5) {
    Agent protocol(argv[2]);
    return drive(protocol, argv[2], std::strtoull(argv[3], nullptr, 10), std::atof(argv[4]));
  }
  if (mode == "idle" && argc == 4) {
    for (unsigned long i = 0; i < std::strtoul(argv[3], nullptr, 10); ++i) {
      const std::string request = "GET /healthz HTTP/1.1\r\nHost: signer\r\n\r\n";
      const int descriptor = connect_to(argv[2]);
      char answer[4096];
      if (write(descriptor, request.data(), request.size()) < 0 || read(descriptor, answer, sizeof answer) <= 0) {
        die("connection " + std::to_string(i) + " is not served");
      }
    }
    std::printf("open\n");
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
    return 0;
  }
  std::fprintf(stderr,
               "usage: bench_load http SOCKET REQUEST_FILE CONNECTIONS SECONDS | agent SOCKET CONNECTIONS SECONDS | "
               "idle SOCKET CONNECTIONS\n");
  return 6;
}
