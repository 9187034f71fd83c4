#include "signer/transport/event_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace countersign::transport {
namespace {

using std::chrono::milliseconds;

struct Pair {
  Pair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0); }
  std::array<int, 2> ends{-1, -1};
};

void say(int descriptor, std::string_view text) {
  ASSERT_EQ(::write(descriptor, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

TEST(EventLoop, RunsWhatOtherThreadsPostInTheirOrder) {
  EventLoop loop;
  std::vector<int> seen;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) {
      loop.post([&seen, &loop, i] {
        seen.push_back(i);
        if (i == 999) loop.stop();
      });
    }
  });
  loop.run();
  other.join();
  ASSERT_EQ(seen.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(EventLoop, EndsATurnAfterWhatWasReadyAndPosted) {
  EventLoop loop;
  Pair first;
  Pair second;
  say(first.ends[1], "a");
  say(second.ends[1], "b");
  std::string order;
  const auto watch = [&](int descriptor, char name) {
    return std::make_unique<ReadWatch>(loop, descriptor, [&loop, &order, descriptor, name] {
      char byte = 0;
      if (::read(descriptor, &byte, 1) != 1) return;
      order += name;
      loop.after_this_turn([&order] { order += '.'; });
      loop.post([&order] { order += 'p'; });
    });
  };
  const auto one = watch(first.ends[0], '1');
  const auto two = watch(second.ends[0], '2');
  loop.after(milliseconds(20), [&loop] { loop.stop(); });
  loop.run();
  EXPECT_EQ(order, "12pp..");
  ::close(first.ends[1]);
  ::close(second.ends[1]);
}

TEST(EventLoop, CallsTimersWhenTheyAreDueAndPeriodicOnesAgain) {
  EventLoop loop;
  std::string order;
  int ticks = 0;
  loop.after(milliseconds(30), [&] { order += 'c'; });
  loop.after(milliseconds(2), [&] { order += 'a'; });
  loop.after(milliseconds(10), [&] { order += 'b'; });
  loop.every(milliseconds(1), [&] {
    if (++ticks >= 3 && order.size() == 3) loop.stop();
  });
  loop.run();
  EXPECT_EQ(order, "abc");
  EXPECT_GE(ticks, 3);
}

TEST(EventLoop, TellsNothingOfAWatchThatAnotherEndedInTheSameTurn) {
  EventLoop loop;
  Pair first;
  Pair second;
  say(first.ends[1], "a");
  say(second.ends[1], "b");
  std::array<std::unique_ptr<ReadWatch>, 2> watches;
  int calls = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    watches[i] = std::make_unique<ReadWatch>(loop, i == 0 ? first.ends[0] : second.ends[0], [&] {
      ++calls;
      watches[0].reset();  // also the one that is running
      watches[1].reset();
      loop.post([&loop] { loop.stop(); });
    });
  }
  loop.run();
  EXPECT_EQ(calls, 1);
  ::close(first.ends[1]);
  ::close(second.ends[1]);
}

TEST(EventLoop, TakesANewDescriptorForItselfWhereAnEndedOneHadItsNumber) {
  EventLoop loop;
  Pair old;
  say(old.ends[1], "x");
  std::optional<Pair> fresh;
  std::unique_ptr<ReadWatch> second;
  std::string order;
  std::unique_ptr<ReadWatch> first = std::make_unique<ReadWatch>(loop, old.ends[0], [&] {
    order += '1';
    const int number = old.ends[0];
    first.reset();
    fresh.emplace();
    EXPECT_EQ(fresh->ends[0], number);
    second = std::make_unique<ReadWatch>(loop, fresh->ends[0], [&] {
      order += '2';
      loop.stop();
    });
    say(fresh->ends[1], "y");
  });
  loop.run();
  EXPECT_EQ(order, "12");
  ::close(old.ends[1]);
  ::close(fresh->ends[1]);
}

TEST(Stream, SendsAndReceivesMoreThanTheKernelTakesAtOnce) {
  EventLoop loop;
  Pair pair;
  const std::string sent(std::size_t{4} << 20, 'x');
  std::size_t received = 0;
  Stream left(
      loop, pair.ends[0], [](std::string_view) {}, [] {});
  Stream right(
      loop, pair.ends[1],
      [&](std::string_view bytes) {
        received += bytes.size();
        if (received == sent.size()) loop.stop();
      },
      [] {});
  left.outgoing() += sent;
  left.flush_soon();
  loop.run();
  EXPECT_EQ(received, sent.size());
}

TEST(Stream, TellsOnceThatThePeerIsGoneAndMayBeDestroyedThen) {
  EventLoop loop;
  Pair pair;
  int closed = 0;
  std::string seen;
  std::unique_ptr<Stream> stream = std::make_unique<Stream>(
      loop, pair.ends[0], [&](std::string_view bytes) { seen += bytes; },
      [&] {
        ++closed;
        stream.reset();
        loop.post([&loop] { loop.stop(); });
      });
  say(pair.ends[1], "last words");
  ::close(pair.ends[1]);
  loop.run();
  EXPECT_EQ(closed, 1);
  EXPECT_EQ(seen, "last words");
}

TEST(Stream, EndsWhereThePeerReadsNothing) {
  EventLoop loop;
  Pair pair;
  bool closed = false;
  Stream stream(
      loop, pair.ends[0], [](std::string_view) {},
      [&] {
        closed = true;
        loop.stop();
      },
      1000);
  stream.outgoing() += std::string(std::size_t{4} << 20, 'x');
  stream.flush_soon();
  loop.run();
  EXPECT_TRUE(closed);
  ::close(pair.ends[1]);
}

}  // namespace
}  // namespace countersign::transport
