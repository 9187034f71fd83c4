// One connection of HttpServer; for this folder alone.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "signer/transport/http_request_head.h"
#include "signer/transport/http_server.h"
#include "signer/transport/readiness.h"

namespace countersign::transport {

class HttpConnection : public Responder::Sink, public std::enable_shared_from_this<HttpConnection> {
 public:
  // Owns `descriptor`.
  HttpConnection(HttpServer::State& server, int descriptor, Peer peer, const HttpServer::Handler& handler);
  ~HttpConnection() override;
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // What the kernel says of the descriptor.
  void became_ready(const Readiness::Event& event);
  void answer(std::uint64_t ticket, HttpResponse response) override;
  void begin(std::uint64_t ticket, const HttpResponse& head) override;
  void part(std::uint64_t ticket, std::string_view bytes) override;
  void end(std::uint64_t ticket) override;
  bool listens() const override { return !closed_ && !ended_; }
  // Looks at the clock of the current phase.
  void tick(std::uint64_t now);
  void close();
  // Ends after what is being answered; at once if there is nothing.
  void close_when_idle();
  // Answers once and closes: for a newcomer without room.
  void turn_away(const Error& error);

  bool idle() const { return unanswered() == 0 && outgoing_.empty() && phase_ == Phase::Idle; }
  bool busy() const { return unanswered() != 0 || !outgoing_.empty(); }
  std::uint64_t idle_since() const { return phase_since_; }
  const Peer& peer() const { return peer_; }
  int descriptor() const { return descriptor_; }

  std::size_t place = 0;  // in the server's list

 private:
  enum class Phase { Idle, Header, Body, Draining };
  struct Slot {
    std::string request_id;
    bool last = false;  // the connection ends after it
    bool http_1_1 = true;
    bool begun = false;  // answered in parts
    bool ready = false;  // answered, and waiting for those before it
    std::string bytes;   // while it waits
  };

  std::size_t unanswered() const { return slots_.size(); }
  bool may_read() const;
  void enter(Phase phase);
  // Reads at once in the turn the kernel tells of bytes; what is left then, or was left before, is read in later turns.
  void read_on();
  void read_later();
  void read();
  void take(std::string_view bytes);
  // Serves whole requests from the front of `bytes`; gives how many bytes were used up.
  std::size_t consume(std::string_view bytes);
  std::optional<Error> objection() const;  // to a whole head
  void dispatch(std::string_view body);
  void refuse(const Error& error, int status);
  void refuse_parse(const boost::beast::error_code& code);
  Slot* slot_of(std::uint64_t ticket);  // null where nothing may be added to it
  // Where the bytes of an answer go now.
  std::string& bytes_of(std::uint64_t ticket, Slot& slot) { return ticket == first_ticket_ ? outgoing_ : slot.bytes; }
  void added_to(std::uint64_t ticket);
  void release_answered();
  void flush_soon();
  void flush();
  void after_flush();

  HttpServer::State* server_;  // null once the server is gone
  int descriptor_;
  Peer peer_;
  const HttpServer::Handler& handler_;

  Phase phase_ = Phase::Idle;
  std::uint64_t phase_since_ = 0;    // ticks
  std::uint64_t writing_since_ = 0;  // ticks; 0 while nothing is stuck
  std::optional<RequestHead> head_;
  std::size_t body_length_ = 0;
  std::string incoming_;  // what came and is not a whole request yet
  std::string outgoing_;
  std::deque<Slot> slots_;          // one for each unanswered request, oldest first
  std::uint64_t first_ticket_ = 0;  // of slots_.front()
  std::size_t drained_ = 0;
  bool readable_ = false;  // there is something to read, or was when we looked last
  bool ended_ = false;     // the peer sends nothing more
  bool read_queued_ = false;
  bool flush_queued_ = false;
  bool waiting_to_write_ = false;
  bool last_request_seen_ = false;  // Connection: close, end of stream or refused: nothing more is parsed
  bool closed_ = false;

  friend struct HttpServer::State;
};

}  // namespace countersign::transport
