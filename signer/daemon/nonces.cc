#include "signer/daemon/nonces.h"

#include "common/bytes.h"
#include "common/digest.h"

namespace countersign::daemon {

void Nonces::forget(std::unordered_map<std::string, Entry>::iterator entry) {
  const auto count = outstanding_.find(entry->second.uid);
  if (--count->second == 0) outstanding_.erase(count);
  known_.erase(entry);
}

Result<Nonces::Nonce> Nonces::issue(std::uint32_t uid, UtcTime now) {
  while (!by_age_.empty()) {
    const auto oldest = known_.find(by_age_.front());
    if (oldest != known_.end()) {
      if (oldest->second.expires_at > now) break;
      forget(oldest);
    }
    by_age_.pop_front();
  }
  const auto held = outstanding_.find(uid);
  if (known_.size() >= kMost || (held != outstanding_.end() && held->second >= kMostOfOne)) {
    return Error{ErrorCode::OverLimit, "too many challenges are waiting to be used", "nonce_limit",
                 "Use those asked for, or wait five minutes."};
  }
  if (by_age_.size() >= 2 * kMost) {
    std::erase_if(by_age_, [this](const std::string& name) { return !known_.contains(name); });
  }
  Nonce nonce{to_base64url(random_bytes(24)), now + kLifetime};
  known_.emplace(nonce.text, Entry{uid, nonce.expires_at});
  ++outstanding_[uid];
  by_age_.push_back(nonce.text);
  return nonce;
}

bool Nonces::knows(const std::string& nonce, UtcTime now) const {
  const auto found = known_.find(nonce);
  return found != known_.end() && now < found->second.expires_at;
}

bool Nonces::use(const std::string& nonce, UtcTime now) {
  const auto found = known_.find(nonce);
  if (found == known_.end()) return false;
  const bool fresh = now < found->second.expires_at;
  forget(found);
  return fresh;
}

}  // namespace countersign::daemon
