#include "signer/daemon/peer_policy.h"

namespace countersign::daemon {
namespace {

std::uint32_t bit(config::Operation operation) {
  return std::uint32_t{1} << static_cast<unsigned>(operation);
}

}  // namespace

PeerPolicy::PeerPolicy(const config::Config& config) {
  for (const config::PeerConfig& peer : config.peers) {
    Grant grant{peer.uid, peer.gid, 0};
    for (const std::string& word : peer.may) {
      // `config` let no unknown word through; one that slipped past it permits nothing.
      if (const auto operation = config::operation_named(word)) grant.operations |= bit(*operation);
    }
    // A grant that names neither would match nobody, never everybody.
    if (grant.uid || grant.gid) grants_.push_back(grant);
  }
}

bool PeerPolicy::may(const transport::Peer& peer, config::Operation operation) const {
  if (config::row_of(operation).anyone) return true;
  for (const Grant& grant : grants_) {
    if ((grant.operations & bit(operation)) == 0) continue;
    if (grant.uid && *grant.uid != peer.uid) continue;
    if (grant.gid && !peer.in_group(*grant.gid)) continue;
    return true;
  }
  return false;
}

Error not_permitted(const transport::Peer& peer, config::Operation operation) {
  const std::string word(config::row_of(operation).may);
  return Error{ErrorCode::Refused, "uid " + std::to_string(peer.uid) + " may not " + word, "peer_not_permitted",
               "Grant `" + word + "` under `peers` in the configuration, or ask as a user who has it."};
}

Result<AuthorizedRequest> PeerPolicy::authorize(SignRequest request, const transport::Peer& peer,
                                                std::string_view request_id) const {
  const auto operation = config::sign_operation(statement::row_of(request.type).role);
  if (!operation) return Error{ErrorCode::Refused, "nobody may ask for this type of statement", "peer_not_permitted"};
  const bool pack_only =
      request.type == statement::StatementType::EvidencePack && may(peer, config::Operation::SignPack);
  if (!pack_only && !may(peer, *operation)) return not_permitted(peer, *operation);
  // Signing a permit and spending it are two rights, also in one request.
  if (request.execute && !may(peer, config::Operation::Executed)) {
    return not_permitted(peer, config::Operation::Executed);
  }
  return AuthorizedRequest(std::move(request), Caller{peer.uid, std::string(request_id)});
}

}  // namespace countersign::daemon
