// How many calls of one server may be under way at once; more wait for their turn.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

namespace countersign::broker {

class CallSlots {
 public:
  explicit CallSlots(int most) : most_(most) {}

  // One of them, while it lives.
  class Slot {
   public:
    explicit Slot(CallSlots& slots) : slots_(&slots) {}
    Slot(Slot&& other) noexcept : slots_(std::exchange(other.slots_, nullptr)) {}
    Slot& operator=(Slot&& other) noexcept {
      std::swap(slots_, other.slots_);
      return *this;
    }
    ~Slot() {
      if (slots_ != nullptr) slots_->leave();
    }

   private:
    CallSlots* slots_;
  };
  // Waits until there is one.
  Slot take();
  void wait_for_one();
  std::optional<Slot> take_now();  // nothing where there is none
  // Waits until no call is under way.
  void wait_idle();
  bool idle() const;

 private:
  void leave();
  const int most_;
  mutable std::mutex mutex_;
  std::condition_variable fewer_;
  int under_way_ = 0;  // guarded by mutex_
};

}  // namespace countersign::broker
