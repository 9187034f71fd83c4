// What tests of the front's rules share: a ledger on a clock set by hand, and a configuration to fill.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "signer/config/config.h"
#include "signer/ledger/sqlite_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temporary_folder.h"

namespace countersign::daemon {

class RulesFixture : public testing::Test {
 protected:
  RulesFixture() {
    auto store = ledger::SqliteStore::create(folder_ / "ledger.db", clock_);
    if (!store) throw std::runtime_error(store.error().detail);
    store_ = *std::move(store);
  }

  // Commits a record that `fill` says more about.
  template <typename Fill>
  void commit(Fill fill) {
    ledger::Item item;
    item.record.kind = "test";
    item.record.at = clock_.now();
    item.record.body = "{}";
    item.record.body_digest = sha256(item.record.body);
    fill(item);
    const auto done = store_->commit({&item, 1});
    ASSERT_TRUE(done) << done.error().detail;
    ASSERT_TRUE(done->front()) << done->front().error().detail;
  }
  void add_approver(const std::string& identity, const std::string& ssh_key, std::uint32_t uid,
                    std::vector<std::string> scopes) {
    config_.approvers.push_back({identity, identity, ssh_key, uid, std::move(scopes), std::nullopt});
  }

  test::TemporaryFolder folder_;
  test::FakeClock clock_;
  std::unique_ptr<ledger::SqliteStore> store_;
  config::Config config_;
};

}  // namespace countersign::daemon
