// One thread beside the loop for what may block: done in the order it was given.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace countersign::daemon {

class BackgroundThread {
 public:
  // Enter the confinement first.
  BackgroundThread();
  ~BackgroundThread();  // finish()
  BackgroundThread(const BackgroundThread&) = delete;
  BackgroundThread& operator=(const BackgroundThread&) = delete;

  void run(std::function<void()> task);
  // Does what was given and ends the thread.
  void finish();

 private:
  void work();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_
  bool finishing_ = false;                   // guarded by mutex_
  std::thread thread_;
};

}  // namespace countersign::daemon
