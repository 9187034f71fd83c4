// Goes over a whole ledger while it is in use, the newest records first, on a thread of low priority: what opening it
// did not prove. Once through, it begins again after a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/result.h"
#include "signer/ledger/whole_check.h"

namespace countersign::ledger {

// What one round of the check says of itself.
struct CheckReport {
  enum class State {
    Waiting,  // for its next round
    Running,
    Damaged,  // and not going on
  };
  State state = State::Waiting;
  std::uint64_t size = 0;     // records when the round began
  std::uint64_t checked = 0;  // of them
  std::string doing;          // "records", "tables", …
  std::uint64_t rounds = 0;   // completed since the ledger was opened, without a finding
  std::optional<UtcTime> completed{};
  std::optional<Error> damage{};
  std::string trouble{};  // why the ledger cannot be read at present; the round is tried again
};
std::string_view name_of(CheckReport::State state);

class BackgroundCheck {
 public:
  struct Options {
    std::chrono::nanoseconds every = std::chrono::hours(24);       // after a completed round; 0: only when asked
    std::chrono::nanoseconds try_again = std::chrono::minutes(1);  // after a failure to read
    // Rest after a piece, as a multiple of the time that it took: the half of a core at most.
    double rest = 1.0;
  };
  // Called on the thread of the check, once.
  using Damaged = std::function<void(const Error&)>;

  // `known`: what was proved when the ledger was opened; complete or not, a first round begins at once unless it is.
  BackgroundCheck(std::string path, const Clock& clock, Options options, Coverage known, Damaged damaged);
  ~BackgroundCheck();  // ends the thread at the next piece
  BackgroundCheck(const BackgroundCheck&) = delete;
  BackgroundCheck& operator=(const BackgroundCheck&) = delete;

  // A whole round from now on, without rests. Gives the number of completed rounds (`CheckReport::rounds`) by which it
  // is done: one that is under way is completed first. Nothing is begun after damage was found.
  std::uint64_t again();
  CheckReport report() const;
  // What is proved since the ledger was opened.
  Coverage coverage() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace countersign::ledger
