#include "signer/transport/http_server.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <map>

#include "common/digest.h"
#include "signer/transport/http_server_state.h"
#include "signer/transport/reactor.h"

namespace countersign::transport {
namespace {

// Accepted at once before others get their turn.
constexpr int kAcceptsPerTurn = 32;
// Newcomers without room that are told so; more are closed without a word.
constexpr std::size_t kTurnedAwayAtOnce = 64;

int spare_descriptor() {
  return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

}  // namespace

HttpServer::State::State(EventLoop& where, const HttpLimits& bounds)
    : loop(where),
      limits(bounds),
      readiness(where, [this](const Readiness::Event& event) { became_ready(event); }),
      request_id_prefix(to_hex(random_bytes(6)) + "-"),
      reserve(spare_descriptor()) {}

HttpServer::State::~State() {
  if (reserve >= 0) ::close(reserve);
}

void HttpServer::State::open(Listener listener, Handler handler) {
  doors.push_back(std::make_unique<Door>(Door{std::move(listener), std::move(handler)}));
  Door& door = *doors.back();
  // Until stop_accepting(), which the server's end calls.
  loop.reactor().watch(door.listener.descriptor(), EPOLLIN, [this, &door](std::uint32_t) { accept_some(door); });
}

void HttpServer::State::accept_some(Door& door) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const int descriptor = ::accept4(door.listener.descriptor(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor >= 0) {
      admit(door, descriptor);
      continue;
    }
    if (errno == EAGAIN) return;
    if (errno == EINTR || errno == ECONNABORTED) continue;
    return survive_exhaustion(door);
  }
}

void HttpServer::State::admit(Door& door, int descriptor) {
  Result<Peer> peer = peer_of(descriptor);
  if (!peer) {
    ::close(descriptor);
    return;
  }
  ++counts.accepted;
  const bool room = connections.size() < limits.connections || make_room();
  if (!room && connections.size() >= limits.connections + kTurnedAwayAtOnce) {
    ++counts.refused;
    ::close(descriptor);
    return;
  }
  if (!readiness.add(descriptor)) {
    ++counts.refused;
    ::close(descriptor);
    return;
  }
  auto connection = std::make_shared<HttpConnection>(*this, descriptor, *std::move(peer), door.handler);
  connection->place = connections.size();
  connections.push_back(connection);
  const auto index = static_cast<std::size_t>(descriptor);
  if (of_descriptor.size() <= index) of_descriptor.resize(index + 1);
  of_descriptor[index] = connection.get();
  if (room) return;
  ++counts.refused;
  connection->turn_away(Error{ErrorCode::Unavailable, "all connections are busy", "too_many_connections"});
}

bool HttpServer::State::make_room() {
  std::map<std::uint32_t, std::size_t> held;
  for (const auto& connection : connections) ++held[connection->peer().uid];
  HttpConnection* victim = nullptr;
  const auto rank = [&](const HttpConnection& c) { return std::pair(held[c.peer().uid], ~c.idle_since()); };
  for (const auto& connection : connections) {
    if (connection->busy()) continue;
    if (victim == nullptr || rank(*connection) > rank(*victim)) victim = connection.get();
  }
  if (victim == nullptr) return false;
  ++counts.evicted;
  victim->close();
  return true;
}

void HttpServer::State::survive_exhaustion(Door& door) {
  if (make_room()) return;  // the wait that follows accepts into the freed descriptor
  if (reserve >= 0) {
    ::close(reserve);
    const int turned_away = ::accept4(door.listener.descriptor(), nullptr, nullptr, SOCK_CLOEXEC);
    if (turned_away >= 0) ::close(turned_away);
    reserve = spare_descriptor();
    ++counts.refused;
    if (turned_away >= 0) return;
  }
  // Nothing can be accepted: trying again before the next tick would only burn the processor.
  door.paused = true;
  loop.reactor().change(door.listener.descriptor(), 0);
}

void HttpServer::State::tick() {
  ++now;
  for (std::size_t i = connections.size(); i-- > 0;) {
    if (i < connections.size()) std::shared_ptr<HttpConnection>(connections[i])->tick(now);
  }
  if (reserve < 0) reserve = spare_descriptor();
  for (const auto& door : doors) {
    if (!door->paused || stopping) continue;
    door->paused = false;
    loop.reactor().change(door->listener.descriptor(), EPOLLIN);
  }
}

void HttpServer::State::became_ready(const Readiness::Event& event) {
  HttpConnection* connection = of_descriptor[static_cast<std::size_t>(event.descriptor)];
  // Closed by what was served before it in the same turn.
  if (connection == nullptr) return;
  connection->shared_from_this()->became_ready(event);
}

void HttpServer::State::forget(HttpConnection& connection) {
  readiness.remove(connection.descriptor());
  of_descriptor[static_cast<std::size_t>(connection.descriptor())] = nullptr;
  const std::size_t place = connection.place;
  if (place >= connections.size() || connections[place].get() != &connection) return;
  std::swap(connections[place], connections.back());
  connections[place]->place = place;
  connections.pop_back();
}

void HttpServer::State::flush_soon(std::shared_ptr<HttpConnection> connection) {
  unflushed.push_back(std::move(connection));
  if (unflushed.size() > 1) return;
  loop.after_this_turn([self = shared_from_this()] {
    self->flushing.swap(self->unflushed);
    for (const auto& each : self->flushing) each->flush();
    self->flushing.clear();
  });
}

HttpServer::HttpServer(EventLoop& loop, const HttpLimits& limits) : state_(std::make_shared<State>(loop, limits)) {
  loop.every(kTick, [weak = std::weak_ptr<State>(state_)] {
    if (const std::shared_ptr<State> state = weak.lock()) state->tick();
  });
}

HttpServer::~HttpServer() {
  stop_accepting();
  while (!state_->connections.empty()) std::shared_ptr<HttpConnection>(state_->connections.back())->close();
}

std::string HttpServer::lost_socket() const {
  for (const auto& door : state_->doors) {
    if (!door->listener.in_place()) return door->listener.path();
  }
  return "";
}

Status HttpServer::serve(Listener listener, Handler handler) {
  RETURN_IF_ERROR(listener.listen());
  const int flags = ::fcntl(listener.descriptor(), F_GETFL);
  ::fcntl(listener.descriptor(), F_SETFL, flags | O_NONBLOCK);
  state_->open(std::move(listener), std::move(handler));
  return ok();
}

void HttpServer::stop_accepting() {
  state_->stopping = true;
  for (const auto& door : state_->doors) state_->loop.reactor().forget(door->listener.descriptor());
  for (std::size_t i = state_->connections.size(); i-- > 0;) {
    if (i < state_->connections.size()) std::shared_ptr<HttpConnection>(state_->connections[i])->close_when_idle();
  }
}

bool HttpServer::idle() const {
  for (const auto& connection : state_->connections) {
    if (connection->busy()) return false;
  }
  return true;
}

HttpCounts HttpServer::counts() const {
  HttpCounts counts = state_->counts;
  counts.connections = state_->connections.size();
  return counts;
}

}  // namespace countersign::transport
