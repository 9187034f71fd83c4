// Who may ask for what: the peer's uid and groups, from the kernel, against the configuration's `peers`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "signer/config/config.h"
#include "signer/config/operation.h"
#include "signer/daemon/sign_request.h"
#include "signer/transport/unix_socket.h"

namespace countersign::daemon {

// Who asked, as far as records and rules need it.
struct Caller {
  std::uint32_t uid = 0;
  std::string request_id;
};

// A request whose peer may use its role. Only PeerPolicy makes one.
class AuthorizedRequest {
 public:
  const SignRequest& request() const { return request_; }
  const Caller& caller() const { return caller_; }
  SignRequest release() && { return std::move(request_); }

 private:
  friend class PeerPolicy;
  AuthorizedRequest(SignRequest request, Caller caller) : request_(std::move(request)), caller_(std::move(caller)) {}
  SignRequest request_;
  Caller caller_;
};

class PeerPolicy {
 public:
  explicit PeerPolicy(const config::Config& config);

  bool may(const transport::Peer& peer, config::Operation operation) const;
  // Fails with Refused, reason "peer_not_permitted", also where the request executes what it signs and the peer may
  // not.
  Result<AuthorizedRequest> authorize(SignRequest request, const transport::Peer& peer,
                                      std::string_view request_id) const;

 private:
  struct Grant {
    std::optional<std::uint32_t> uid;
    std::optional<std::uint32_t> gid;
    std::uint32_t operations = 0;  // a bit for each config::Operation
  };
  std::vector<Grant> grants_;
};

// The refusal of an operation that the peer's uid has no word for.
Error not_permitted(const transport::Peer& peer, config::Operation operation);

}  // namespace countersign::daemon
