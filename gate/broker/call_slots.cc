#include "gate/broker/call_slots.h"

namespace countersign::broker {

CallSlots::Slot CallSlots::take() {
  std::unique_lock lock(mutex_);
  fewer_.wait(lock, [this] { return under_way_ < most_; });
  ++under_way_;
  return Slot(*this);
}

void CallSlots::wait_for_one() {
  std::unique_lock lock(mutex_);
  fewer_.wait(lock, [this] { return under_way_ < most_; });
}

std::optional<CallSlots::Slot> CallSlots::take_now() {
  const std::lock_guard lock(mutex_);
  if (under_way_ >= most_) return std::nullopt;
  ++under_way_;
  return Slot(*this);
}

void CallSlots::leave() {
  {
    const std::lock_guard lock(mutex_);
    --under_way_;
  }
  fewer_.notify_all();
}

void CallSlots::wait_idle() {
  std::unique_lock lock(mutex_);
  fewer_.wait(lock, [this] { return under_way_ == 0; });
}

bool CallSlots::idle() const {
  const std::lock_guard lock(mutex_);
  return under_way_ == 0;
}

}  // namespace countersign::broker
