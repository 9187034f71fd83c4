// What the sources of BrokerStore share; for them alone.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "common/locked_file.h"
#include "common/sqlite/connection.h"
#include "gate/broker/broker_store.h"

namespace countersign::broker {

struct BrokerStore::State {
  State(sqlite::Connection opened, LockedFile locked, const Clock& time)
      : connection(std::move(opened)), lock(std::move(locked)), clock(time) {}

  std::mutex mutex;
  sqlite::Connection connection;  // guarded by mutex, as all that follows
  LockedFile lock;                // one broker for a database
  const Clock& clock;
  std::string journal;     // the write-ahead log's file
  bool unsettled = false;  // it holds records that were not synced
  std::uint64_t size = 0;

  Status settle();
  Digest head{};
  std::function<void(std::string_view)> told;
};

}  // namespace countersign::broker
