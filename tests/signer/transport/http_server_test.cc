#include "signer/transport/http_server.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <vector>

#include "signer/transport/http_client.h"
#include "tests/signer/transport/served.h"

namespace countersign::transport {
namespace {

using test::post_of;
using test::RawClient;
using test::Served;

void echo(const HttpRequest& request, Responder responder) {
  HttpResponse response;
  response.body = std::string(request.body);
  response.content_type = "text/plain";
  responder.send(std::move(response));
}

TEST(HttpServer, KeepsAConnectionForManyRequests) {
  Served served(echo);
  HttpClient client(served.path());
  for (int i = 0; i < 100; ++i) {
    const std::string body = "{\"n\":" + std::to_string(i) + "}";
    const Result<HttpAnswer> answer = client.post("/echo", body, HttpClient::Repeat::Unsafe);
    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, body);
    EXPECT_FALSE(answer->request_id.empty());
  }
  EXPECT_EQ(served.counts().accepted, 1u);
}

TEST(HttpServer, TakesABodyOfExactlyTheLimit) {
  HttpLimits limits;
  Served served(echo, limits);
  HttpClient client(served.path());
  const std::string body(limits.body, 'x');
  const Result<HttpAnswer> answer = client.post("/echo", body, HttpClient::Repeat::Unsafe);
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->body.size(), body.size());
}

struct BadRequest {
  const char* name;
  std::string bytes;
  const char* status;
  const char* code;
};

class Malformed : public testing::TestWithParam<BadRequest> {};

TEST_P(Malformed, IsRefusedWithAReasonBeforeAnyHandlerAndTheConnectionEnds) {
  bool called = false;
  Served served([&](const HttpRequest& request, Responder responder) {
    called = true;
    echo(request, std::move(responder));
  });
  RawClient client(served.path());
  client.send(GetParam().bytes);
  const std::string answer = client.receive_until();
  EXPECT_NE(answer.find(std::string("HTTP/1.1 ") + GetParam().status), std::string::npos) << answer;
  EXPECT_NE(answer.find(GetParam().code), std::string::npos) << answer;
  EXPECT_FALSE(called);
  EXPECT_EQ(served.counts().malformed, 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Requests, Malformed,
    testing::Values(
        BadRequest{"no_http", "hello\r\n\r\n", "400", "bad_request"},
        BadRequest{"binary", std::string("\0\1\2\3\r\n\r\n", 8), "400", "bad_request"},
        BadRequest{"chunked",
                   "POST /e HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", "400",
                   "chunked_body"},
        BadRequest{"length_and_chunked",
                   "POST /e HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\nTransfer-Encoding: "
                   "chunked\r\n\r\n{}",
                   "400", "bad_request"},
        BadRequest{"two_lengths",
                   "POST /e HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: "
                   "3\r\n\r\n{}",
                   "400", "bad_request"},
        BadRequest{"negative_length",
                   "POST /e HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: -2\r\n\r\n{}", "400",
                   "bad_request"},
        BadRequest{"upgrade", "GET /e HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "400",
                   "upgrade_refused"},
        BadRequest{"expect",
                   "POST /e HTTP/1.1\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: "
                   "2\r\n\r\n",
                   "417", "expectation_failed"},
        BadRequest{"no_content_type", "POST /e HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", "415",
                   "unsupported_media_type"},
        BadRequest{"other_content_type", "POST /e HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
                   "415", "unsupported_media_type"},
        BadRequest{"near_content_type",
                   "POST /e HTTP/1.1\r\nContent-Type: application/jsonp\r\nContent-Length: 2\r\n\r\n{}", "415",
                   "unsupported_media_type"},
        BadRequest{"long_header", "GET /e HTTP/1.1\r\nX-Long: " + std::string(9000, 'a') + "\r\n\r\n", "413",
                   "too_large"},
        BadRequest{"endless_header", "GET /e HTTP/1.1\r\nX-Long: " + std::string(200'000, 'a'), "413", "too_large"},
        BadRequest{"long_body", "POST /e HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\n\r\n",
                   "413", "too_large"}),
    [](const testing::TestParamInfo<BadRequest>& info) { return std::string(info.param.name); });

TEST(HttpServer, AnswersPipelinedRequestsInOrderWhateverOrderTheyAreReadyIn) {
  std::vector<std::pair<std::string, Responder>> waiting;
  Served served([&](const HttpRequest& request, Responder responder) {
    waiting.emplace_back(std::string(request.body), std::move(responder));
    if (waiting.size() < 3) return;
    for (const int which : {2, 0, 1}) {
      HttpResponse response;
      response.body = waiting[static_cast<std::size_t>(which)].first;
      waiting[static_cast<std::size_t>(which)].second.send(std::move(response));
    }
  });
  RawClient client(served.path());
  client.send(post_of("first") + post_of("second") + post_of("third"));
  const std::string answers = client.receive_until("third");
  EXPECT_LT(answers.find("first"), answers.find("second"));
  EXPECT_LT(answers.find("second"), answers.find("third"));
}

TEST(HttpServer, ServesAThousandPipelinedRequestsBeyondItsOwnLimitOfUnanswered) {
  Served served(echo);
  RawClient client(served.path());
  std::string all;
  for (int i = 0; i < 1000; ++i) all += post_of("<" + std::to_string(i) + ">");
  std::thread sender([&] { client.send(all); });
  const std::string answers = client.receive_until("<999>");
  sender.join();
  EXPECT_NE(answers.find("<998>"), std::string::npos);
}

TEST(HttpServer, AnswersARequestThatItsHandlerDropped) {
  Served served([](const HttpRequest&, Responder) {});
  HttpClient client(served.path());
  const Result<HttpAnswer> answer = client.get("/");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 500);
}

TEST(HttpServer, EchoesAProperRequestIdAndReplacesAnImproperOne) {
  Served served(echo);
  RawClient proper(served.path());
  proper.send(post_of("{}", "/e", "X-Request-Id: run-7\r\nConnection: close\r\n"));
  EXPECT_NE(proper.receive_until().find("X-Request-Id: run-7\r\n"), std::string::npos);
  RawClient improper(served.path());
  improper.send(post_of("{}", "/e", "X-Request-Id: a\"b\r\nConnection: close\r\n"));
  const std::string answer = improper.receive_until();
  EXPECT_EQ(answer.find("a\"b"), std::string::npos);
  EXPECT_NE(answer.find("X-Request-Id: "), std::string::npos);
}

TEST(HttpServer, AnswersAClientThatShutDownItsSendingSide) {
  Served served(echo);
  RawClient client(served.path());
  client.send(post_of("whole"));
  ::shutdown(client.descriptor(), SHUT_WR);
  EXPECT_NE(client.receive_until().find("whole"), std::string::npos);
}

// Answers in parts what asks for "/parts", once everything has come.
void in_parts(std::vector<Responder>& waiting, const HttpRequest& request, Responder responder) {
  if (request.path != "/parts") return echo(request, std::move(responder));
  HttpResponse head;
  head.content_type = "text/event-stream";
  responder.begin(head);
  responder.part("one");
  responder.part("");
  waiting.push_back(std::move(responder));
}

TEST(HttpServer, AnswersInPartsAndKeepsTheOrderOfAnswers) {
  std::vector<Responder> waiting;
  Served served([&](const HttpRequest& request, Responder responder) {
    in_parts(waiting, request, std::move(responder));
    if (waiting.size() < 2 || request.path == "/parts") return;
    for (Responder& each : waiting) {
      EXPECT_TRUE(each.listens());
      each.part(std::string(300, 'x'));
    }
    waiting[1].end();
    waiting.clear();  // ends the first as well
  });
  RawClient client(served.path());
  client.send(post_of("{}", "/parts") + post_of("{}", "/parts") + post_of("whole", "/echo"));
  const std::string answers = client.receive_until("whole");
  const std::string parts = "3\r\none\r\n12c\r\n" + std::string(300, 'x') + "\r\n0\r\n\r\n";
  const std::size_t first = answers.find(parts);
  ASSERT_NE(first, std::string::npos) << answers;
  EXPECT_NE(answers.find(parts, first + 1), std::string::npos) << answers;
  EXPECT_NE(answers.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
}

TEST(HttpServer, EndsTheConnectionAfterPartsForAClientThatKnowsNoChunks) {
  std::vector<Responder> waiting;
  Served served([&](const HttpRequest& request, Responder responder) {
    in_parts(waiting, request, std::move(responder));
    waiting.clear();
  });
  RawClient client(served.path());
  client.send("GET /parts HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const std::string answer = client.receive_until();
  EXPECT_TRUE(answer.ends_with("\r\n\r\none")) << answer;
}

TEST(HttpServer, KnowsThatAClientLeftWhoWaitsForParts) {
  std::vector<Responder> waiting;
  Served served(
      [&](const HttpRequest& request, Responder responder) { in_parts(waiting, request, std::move(responder)); });
  {
    RawClient client(served.path());
    client.send(post_of("{}", "/parts"));
    EXPECT_NE(client.receive_until("one").find("one"), std::string::npos);
  }
  std::atomic<bool> gone = false;
  served.loop().post([&] {
    served.loop().every(std::chrono::milliseconds(1), [&] {
      if (gone || waiting.front().listens()) return;
      gone = true;
      gone.notify_one();
    });
  });
  gone.wait(false);
  served.loop().post([&] { waiting.clear(); });
}

TEST(HttpServer, HandsOverTheHeadOnlyWhereItIsAskedTo) {
  for (const bool keeps : {false, true}) {
    HttpLimits limits;
    limits.keep_headers = keeps;
    HttpHeaders seen;
    Served served(
        [&](const HttpRequest& request, Responder responder) {
          seen = request.headers;
          echo(request, std::move(responder));
        },
        limits);
    RawClient client(served.path());
    client.send(post_of("{}", "/e", "X-One: 1\r\nx-two: a\r\nX-Two: b\r\nConnection: close\r\n"));
    client.receive_until();
    const Result<std::string> one = header_value(seen, "x-one");
    ASSERT_EQ(one.has_value(), keeps);
    if (keeps) {
      EXPECT_EQ(*one, "1");
      EXPECT_EQ(header_value(seen, "x-two").error().reason, "repeated_header");
    }
    EXPECT_EQ(header_value(seen, "x-three").error().code, ErrorCode::NotFound);
  }
}

HttpLimits quick() {
  HttpLimits limits;
  limits.header_timeout = std::chrono::milliseconds(200);
  limits.body_timeout = std::chrono::milliseconds(200);
  limits.idle_timeout = std::chrono::milliseconds(400);
  limits.write_timeout = std::chrono::milliseconds(200);
  return limits;
}

TEST(HttpServer, CutsSlowHeadersSlowBodiesAndSilenceWhileAnHonestClientIsServed) {
  Served served(echo, quick());
  RawClient silent(served.path());
  RawClient slow_head(served.path());
  RawClient slow_body(served.path());
  slow_head.send("POST /e HT");
  slow_body.send("POST /e HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{");
  std::atomic<bool> stop = false;
  std::atomic<int> served_requests = 0;
  std::thread honest([&] {
    HttpClient client(served.path());
    while (!stop) {
      const Result<HttpAnswer> answer = client.post("/e", "{}", HttpClient::Repeat::Unsafe);
      if (!answer || answer->status != 200) break;
      ++served_requests;
    }
  });
  for (RawClient* slow : {&slow_head, &slow_body}) {
    const std::string answer = slow->receive_until();
    EXPECT_NE(answer.find("HTTP/1.1 408"), std::string::npos) << answer;
    EXPECT_NE(answer.find("request_timeout"), std::string::npos) << answer;
  }
  EXPECT_EQ(silent.receive_until(), "");
  stop = true;
  honest.join();
  EXPECT_GT(served_requests.load(), 50);
}

TEST(HttpServer, CutsAClientThatDoesNotReadItsAnswers) {
  Served served(
      [](const HttpRequest&, Responder responder) {
        HttpResponse response;
        response.body = std::string(std::size_t{1} << 20, 'x');
        responder.send(std::move(response));
      },
      quick());
  RawClient client(served.path());
  client.send("GET / HTTP/1.1\r\n\r\n");
  for (int i = 0; i < 100 && served.counts().timeouts == 0; ++i) {
    pollfd nothing{-1, 0, 0};
    ::poll(&nothing, 1, 50);
  }
  EXPECT_EQ(served.counts().timeouts, 1u);
  EXPECT_EQ(served.counts().connections, 0u);
}

TEST(HttpServer, MakesRoomByClosingTheLongestIdleConnection) {
  HttpLimits limits;
  limits.connections = 4;
  Served served(echo, limits);
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 4; ++i) silent.push_back(std::make_unique<RawClient>(served.path()));
  HttpClient honest(served.path());
  const Result<HttpAnswer> answer = honest.post("/e", "{}", HttpClient::Repeat::Unsafe);
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(served.counts().evicted, 1u);
  EXPECT_EQ(served.counts().connections, 4u);
}

TEST(HttpServer, TellsANewcomerWhenAllConnectionsAreBusy) {
  HttpLimits limits;
  limits.connections = 2;
  std::vector<Responder> unanswered;
  std::atomic<int> arrived = 0;
  Served served(
      [&](const HttpRequest&, Responder responder) {
        unanswered.push_back(std::move(responder));
        ++arrived;
        arrived.notify_one();
      },
      limits);
  RawClient one(served.path());
  RawClient two(served.path());
  one.send(post_of("{}"));
  two.send(post_of("{}"));
  for (int seen = arrived; seen < 2; seen = arrived) arrived.wait(seen);
  RawClient newcomer(served.path());
  const std::string answer = newcomer.receive_until();
  EXPECT_NE(answer.find("HTTP/1.1 503"), std::string::npos);
  EXPECT_NE(answer.find("Retry-After: 1"), std::string::npos);
  EXPECT_NE(answer.find("too_many_connections"), std::string::npos) << answer;
  served.loop().post([&] { unanswered.clear(); });
  EXPECT_NE(one.receive_until("}}").find("500"), std::string::npos);
}

// A process of its own, because it runs out of descriptors.
void serve_without_descriptors(const std::string& path, int ready) {
  EventLoop loop;
  HttpServer server(loop, HttpLimits());
  Result<Listener> listener = Listener::bind(path, 0666);
  if (!listener || !server.serve(*std::move(listener), echo)) ::_exit(2);
  rlimit limit{40, 40};
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (::write(ready, "r", 1) != 1) ::_exit(3);
  loop.run();
  ::_exit(0);
}

TEST(HttpServer, KeepsServingWhenDescriptorsRunOut) {
  test::ScratchFolder folder;
  const std::string path = folder.file("s");
  int ready[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) serve_without_descriptors(path, ready[1]);
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 100; ++i) silent.push_back(std::make_unique<RawClient>(path));
  for (int i = 0; i < 20; ++i) {
    HttpClient honest(path);
    const Result<HttpAnswer> answer = honest.post("/e", "{}", HttpClient::Repeat::Unsafe);
    ASSERT_TRUE(answer) << i << " " << answer.error().detail;
    EXPECT_EQ(answer->status, 200);
  }
  rusage before{};
  ::kill(child, SIGKILL);
  int status = 0;
  ::wait4(child, &status, 0, &before);
  EXPECT_LT(before.ru_utime.tv_sec + before.ru_stime.tv_sec, 2);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(HttpServer, KnowsThePeerFromTheKernel) {
  std::string seen;
  Served served([&](const HttpRequest& request, Responder responder) {
    HttpResponse response;
    response.body = std::to_string(request.peer.uid) + "/" + std::to_string(request.peer.gid) +
                    (request.peer.in_group(4711) ? "/in" : "/out");
    responder.send(std::move(response));
  });
  HttpClient client(served.path());
  const Result<HttpAnswer> own = client.get("/");
  ASSERT_TRUE(own);
  EXPECT_EQ(own->body, std::to_string(::getuid()) + "/" + std::to_string(::getgid()) + "/out");
  if (::getuid() != 0) {
    if (std::getenv("CI") != nullptr) FAIL() << "needs root to become another uid";
    GTEST_SKIP() << "needs root to become another uid";
  }
  // The socket's folder is 0700: the child connects as root would, then is another user only in the kernel's eyes.
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const std::string path = served.path();
  ASSERT_EQ(::chmod(path.substr(0, path.rfind('/')).c_str(), 0755), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const gid_t group = 4711;
    if (::setgroups(1, &group) != 0 || ::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) {
      ::_exit(1);
    }
    HttpClient other(path);
    const Result<HttpAnswer> answer = other.get("/");
    const std::string text = answer ? answer->body : "failed";
    ::_exit(::write(pipe[1], text.data(), text.size()) < 0 ? 1 : 0);
  }
  char text[64] = {};
  ASSERT_GT(::read(pipe[0], text, sizeof(text) - 1), 0);
  EXPECT_STREQ(text, "65534/65534/in");
  ::waitpid(child, nullptr, 0);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

}  // namespace
}  // namespace countersign::transport
