#include "signer/transport/unix_socket.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "signer/transport/http_client.h"
#include "signer/transport/http_server.h"
#include "tests/signer/transport/served.h"

namespace countersign::transport {
namespace {

TEST(Listener, WorksOnPathsLongerThanASocketAddress) {
  test::ScratchFolder folder;
  const std::string deep = folder.file(std::string(150, 'd'));
  ASSERT_EQ(::mkdir(deep.c_str(), 0700), 0);
  const std::string path = deep + "/sign.sock";
  ASSERT_GT(path.size(), 107u);
  Result<Listener> listener = Listener::bind(path, 0600);
  ASSERT_TRUE(listener) << listener.error().detail;
  ASSERT_TRUE(listener->listen());
  const Result<int> connected = connect_to(path, std::chrono::seconds(1));
  ASSERT_TRUE(connected) << connected.error().detail;
  ::close(*connected);
}

TEST(Listener, GivesTheFileItsMode) {
  test::ScratchFolder folder;
  const Result<Listener> listener = Listener::bind(folder.file("s"), 0620);
  ASSERT_TRUE(listener);
  struct stat found {};
  ASSERT_EQ(::stat(folder.file("s").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0620u);
}

TEST(Listener, ReplacesAStaleFileButNeitherALiveSocketNorAnotherFile) {
  test::ScratchFolder folder;
  const std::string path = folder.file("s");
  {
    Result<Listener> first = Listener::bind(path, 0600);
    ASSERT_TRUE(first && first->listen());
    const Result<Listener> second = Listener::bind(path, 0600);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::Conflict);
    // What a crash leaves: the file without the listener.
    ASSERT_EQ(::link(path.c_str(), folder.file("stale").c_str()), 0);
  }
  const Result<Listener> over_stale = Listener::bind(folder.file("stale"), 0600);
  EXPECT_TRUE(over_stale);
  std::ofstream(folder.file("plain")) << "mine";
  const Result<Listener> over_file = Listener::bind(folder.file("plain"), 0600);
  ASSERT_FALSE(over_file);
  EXPECT_EQ(over_file.error().code, ErrorCode::Conflict);
}

TEST(Listener, RemovesItsFileWhenItEnds) {
  test::ScratchFolder folder;
  { ASSERT_TRUE(Listener::bind(folder.file("s"), 0600)); }
  struct stat found {};
  EXPECT_NE(::stat(folder.file("s").c_str(), &found), 0);
}

TEST(Listener, NoticesThatItsFileIsGoneAndLeavesAnothersAlone) {
  test::ScratchFolder folder;
  const std::string path = folder.file("s");
  struct stat found {};
  {
    const Result<Listener> listener = Listener::bind(path, 0600);
    ASSERT_TRUE(listener);
    EXPECT_TRUE(listener->in_place());
    ASSERT_EQ(::unlink(path.c_str()), 0);
    EXPECT_FALSE(listener->in_place());
    std::ofstream(path) << "another's";
    EXPECT_FALSE(listener->in_place());
  }
  EXPECT_EQ(::stat(path.c_str(), &found), 0);
}

TEST(HttpClient, SaysThatNobodyListens) {
  test::ScratchFolder folder;
  HttpClient client(folder.file("none"));
  const Result<HttpAnswer> answer = client.get("/");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::Unavailable);
  EXPECT_EQ(answer.error().reason, "no_connection");
}

TEST(HttpClient, GivesUpWhenNoAnswerComes) {
  std::vector<Responder> unanswered;
  test::Served served([&](const HttpRequest&, Responder responder) { unanswered.push_back(std::move(responder)); });
  HttpClient client(served.path(), {std::chrono::seconds(1), std::chrono::milliseconds(100)});
  const Result<HttpAnswer> answer = client.get("/");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "no_answer");
  served.loop().post([&] { unanswered.clear(); });
}

// A server that answers one request of each connection, takes the next one and hangs up.
struct HangsUp {
  explicit HangsUp(const std::string& path) {
    Result<Listener> bound = Listener::bind(path, 0600);
    if (!bound || !bound->listen()) std::abort();
    listener = std::make_unique<Listener>(*std::move(bound));
    thread = std::thread([this] {
      for (;;) {
        const int connection = ::accept(listener->descriptor(), nullptr, nullptr);
        if (connection < 0) return;
        char buffer[4096];
        if (::recv(connection, buffer, sizeof(buffer), 0) > 0) {
          ++requests;
          constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
          ::send(connection, kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL);
          if (::recv(connection, buffer, sizeof(buffer), 0) > 0) ++requests;
        }
        ::close(connection);
      }
    });
  }
  ~HangsUp() {
    ::shutdown(listener->descriptor(), SHUT_RDWR);
    thread.join();
  }
  std::unique_ptr<Listener> listener;
  std::thread thread;
  std::atomic<int> requests = 0;
};

TEST(HttpClient, RepeatsOnAStaleConnectionOnlyWhatIsSafeToRepeat) {
  test::ScratchFolder folder;
  HangsUp server(folder.file("s"));
  HttpClient client(folder.file("s"));
  ASSERT_TRUE(client.get("/"));
  EXPECT_TRUE(client.get("/"));  // lost on the old connection, repeated on a new one
  EXPECT_EQ(server.requests, 3);
  const Result<HttpAnswer> unsafe = client.post("/", "{}", HttpClient::Repeat::Unsafe);
  ASSERT_FALSE(unsafe);
  EXPECT_EQ(unsafe.error().reason, "no_answer");
  EXPECT_EQ(server.requests, 4);
}

TEST(Loopback, ListensThereAndNowhereElse) {
  for (const char* host : {"127.0.0.1:", "[::1]:"}) {
    Result<Listener> listener = Listener::bind_loopback(std::string(host) + "0");
    ASSERT_TRUE(listener) << listener.error().detail;
    ASSERT_TRUE(listener->listen());
    EXPECT_TRUE(listener->path().starts_with(host));
    EXPECT_FALSE(listener->path().ends_with(":0"));
    EXPECT_EQ(Listener::bind_loopback(listener->path()).error().code, ErrorCode::Conflict);
    Result<Peer> peer = peer_of(listener->descriptor());
    ASSERT_TRUE(peer);
    EXPECT_EQ(peer->uid, Peer::kNobody);
  }
  for (const char* other :
       {"0.0.0.0:0", "[::]:0", "127.0.0.2:0", "localhost:0", "192.0.2.1:80", ":80", "", "127.0.0.1"}) {
    EXPECT_EQ(Listener::bind_loopback(other).error().reason, "not_loopback") << other;
  }
  for (const char* port : {"127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:80 "}) {
    EXPECT_EQ(Listener::bind_loopback(port).error().reason, "bad_port") << port;
  }
}

TEST(QueryValue, DecodesOnceAndRefusesRepetition) {
  EXPECT_EQ(*query_value("a=1&b=x%20y", "b"), "x y");
  EXPECT_EQ(query_value("a=1", "b").error().code, ErrorCode::NotFound);
  EXPECT_EQ(query_value("a=1&a=2", "a").error().code, ErrorCode::Invalid);
  EXPECT_EQ(query_value("a=%zz", "a").error().code, ErrorCode::Invalid);
  EXPECT_EQ(query_value("a=%00", "a").error().code, ErrorCode::Invalid);
}

}  // namespace
}  // namespace countersign::transport
