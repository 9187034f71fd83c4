#include "signer/transport/rate_limiter.h"

#include <algorithm>

namespace countersign::transport {

Status RateLimiter::admit(std::uint32_t uid, Moment now) {
  const auto [found, fresh] = buckets_.try_emplace(uid, Bucket{burst_, 0, now});
  Bucket& bucket = found->second;
  const double passed = std::chrono::duration<double>(now - bucket.filled).count();
  bucket.tokens = std::min(burst_, bucket.tokens + passed * per_second_);
  bucket.filled = now;
  if (bucket.in_flight >= in_flight_) {
    return Error{ErrorCode::OverLimit, "uid " + std::to_string(uid) + " has too many requests at once",
                 "in_flight_limit", "Wait for answers; limits.in_flight sets the bound."};
  }
  if (bucket.tokens < 1) {
    return Error{ErrorCode::OverLimit, "uid " + std::to_string(uid) + " asks too often", "rate_limit",
                 "Ask again later; limits.requests_per_second and limits.burst set the bound."};
  }
  bucket.tokens -= 1;
  ++bucket.in_flight;
  return ok();
}

void RateLimiter::release(std::uint32_t uid) {
  const auto found = buckets_.find(uid);
  if (found != buckets_.end() && found->second.in_flight > 0) --found->second.in_flight;
}

void RateLimiter::sweep(Moment now) {
  std::erase_if(buckets_, [&](const auto& entry) {
    const Bucket& bucket = entry.second;
    const double passed = std::chrono::duration<double>(now - bucket.filled).count();
    return bucket.in_flight == 0 && bucket.tokens + passed * per_second_ >= burst_;
  });
}

}  // namespace countersign::transport
