// How much one uid may ask: requests a second with a burst, and requests at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <unordered_map>

#include "common/result.h"

namespace countersign::transport {

class RateLimiter {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  // A bucket of `burst` requests that fills by `per_second`; at most `in_flight` admitted and not yet released.
  RateLimiter(double per_second, double burst, int in_flight)
      : per_second_(per_second), burst_(burst), in_flight_(in_flight) {}

  // Fails with OverLimit, reason "rate_limit" or "in_flight_limit". What was admitted must be released.
  Status admit(std::uint32_t uid, Moment now);
  void release(std::uint32_t uid);
  // Forgets uids that ask for nothing; call it now and then.
  void sweep(Moment now);

 private:
  struct Bucket {
    double tokens = 0;
    int in_flight = 0;
    Moment filled{};
  };
  double per_second_;
  double burst_;
  int in_flight_;
  std::unordered_map<std::uint32_t, Bucket> buckets_;
};

}  // namespace countersign::transport
