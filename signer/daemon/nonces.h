// The challenges approvers sign: random, single use, five minutes, in memory (a restart only asks for new ones).
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>

#include "common/clock.h"
#include "common/result.h"

namespace countersign::daemon {

class Nonces {
 public:
  static constexpr std::chrono::minutes kLifetime{5};
  static constexpr std::size_t kMost = 4096;
  static constexpr std::size_t kMostOfOne = 256;  // outstanding, of one uid

  struct Nonce {
    std::string text;  // base64url of 24 random bytes
    UtcTime expires_at;
  };

  // Fails with OverLimit, reason "nonce_limit".
  Result<Nonce> issue(std::uint32_t uid, UtcTime now);
  bool knows(const std::string& nonce, UtcTime now) const;
  // True once for each nonce that is known and not expired.
  bool use(const std::string& nonce, UtcTime now);

 private:
  struct Entry {
    std::uint32_t uid = 0;
    UtcTime expires_at;
  };
  void forget(std::unordered_map<std::string, Entry>::iterator entry);
  std::unordered_map<std::string, Entry> known_;
  std::unordered_map<std::uint32_t, std::size_t> outstanding_;
  std::deque<std::string> by_age_;  // also names of those already used
};

}  // namespace countersign::daemon
