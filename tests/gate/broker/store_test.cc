#include "gate/broker/broker_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "common/sqlite/connection.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temporary_folder.h"

namespace countersign::broker {
namespace {

ToolRequest request_of(const std::string& id, const std::string& args = "a") {
  ToolRequest request;
  request.id = id;
  request.agent = "web";
  request.tool = "fs:write";
  request.args = Json::object({{"path", args}});
  request.args_digest = args;
  request.requested_at = *UtcTime::parse("2026-01-01T00:00:00Z");
  request.expires_at = *UtcTime::parse("2026-01-01T01:00:00Z");
  return request;
}

class Store : public testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    store_.reset();
    auto opened = BrokerStore::open(path(), clock_);
    ASSERT_TRUE(opened) << opened.error().detail;
    store_ = *std::move(opened);
  }
  std::string path() const { return folder_.path() + "/broker.db"; }
  void spoil(const char* sql) {
    store_.reset();
    auto connection = sqlite::Connection::open(path(), sqlite::Connection::Access::ReadWrite);
    ASSERT_TRUE(connection && connection->execute(sql));
  }

  test::TemporaryFolder folder_;
  test::FakeClock clock_;
  std::unique_ptr<BrokerStore> store_;
};

TEST_F(Store, KeepsARequestAndItsRecordTogether) {
  ASSERT_TRUE(store_->add(request_of("1"), {"request_opened", {{"request_id", "1"}}}));
  const Status twice = store_->add(request_of("2"), {"request_opened", {{"request_id", "2"}}});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().reason, "request_open");
  EXPECT_TRUE(store_->add(request_of("3", "other"), {"request_opened", {}}));
  open();
  EXPECT_EQ(store_->requests(RequestStatus::Pending).size(), 2U);
  EXPECT_EQ(store_->request("1")->to_json(), request_of("1").to_json());
  EXPECT_EQ(store_->request("2").error().reason, "unknown_request");
  EXPECT_EQ(store_->audit(0, 10).size(), 2U) << "what failed left no record";
  EXPECT_EQ(store_->verify()->records, 2U);
}

TEST_F(Store, WhatIsRecordedSoonIsInTheChainAndOutlivesTheProcess) {
  ASSERT_TRUE(store_->record({"call_started", {}}));
  ASSERT_TRUE(store_->record_soon({"call", {{"outcome", "done"}}}));
  {
    // As another process sees it before anything was synced: after a kill -9.
    auto copy = sqlite::Connection::open(path(), sqlite::Connection::Access::ReadOnly);
    ASSERT_TRUE(copy);
    sqlite::Query row(*copy, "SELECT count(*) FROM audit");
    ASSERT_TRUE(row.next());
    EXPECT_EQ(row.integer(0), 2);
  }
  EXPECT_EQ(store_->audit(0, 10).size(), 2U);
  ASSERT_TRUE(store_->record({"call_started", {}}));
  open();
  EXPECT_EQ(store_->verify()->records, 3U);
}

// A record that a power cut could take back is shown to nobody.
TEST_F(Store, WhatCannotBeSettledIsNotShown) {
  ASSERT_TRUE(store_->record_soon({"call", {{"outcome", "done"}}}));
  const std::string journal = path() + "-wal";
  ASSERT_EQ(rename(journal.c_str(), (journal + ".away").c_str()), 0);
  EXPECT_FALSE(store_->settle());
  EXPECT_FALSE(store_->verify());
  EXPECT_TRUE(store_->audit(0, 10).empty());
  ASSERT_EQ(rename((journal + ".away").c_str(), journal.c_str()), 0);
  EXPECT_TRUE(store_->settle());
  EXPECT_EQ(store_->verify()->records, 1U);
}

TEST_F(Store, RequestsAreReadPageByPage) {
  for (const char* id : {"c", "a", "b"}) ASSERT_TRUE(store_->add(request_of(id, id), {"request_opened", {}}));
  const auto ids = [](const std::vector<ToolRequest>& requests) {
    std::string all;
    for (const ToolRequest& each : requests) all += each.id;
    return all;
  };
  const auto page_after = [&](const char* id) {
    std::string all;
    for (const std::string& each : store_->requests_after(id, 2)) all += Json::parse(each)->text("id");
    return all;
  };
  EXPECT_EQ(page_after(""), "ca") << "as they were opened";
  EXPECT_EQ(page_after("a"), "b");
  EXPECT_EQ(page_after("b"), "");
  EXPECT_EQ(page_after("unknown"), "");
  EXPECT_EQ(ids(store_->newest_ended(9)), "");
  for (const char* id : {"a", "c"}) {
    ToolRequest request = *store_->request(id);
    request.status = RequestStatus::Used;
    request.mode = id[0] == 'c' ? GrantMode::BreakGlass : GrantMode::Once;
    Grant grant;
    grant.id = request.id;
    grant.request = request.id;
    grant.args_digest = id[0] == 'c' ? "" : request.args_digest;
    grant.expires_at = request.expires_at;
    ASSERT_TRUE(store_->add(grant, request, {"approved", {}}));
  }
  EXPECT_EQ(ids(store_->newest_ended(9)), "ac");
  EXPECT_EQ(ids(store_->newest_ended(1)), "a");
  EXPECT_EQ(store_->last_used(request_of("b"))->id, "a") << "of one moment, the one opened later";
  EXPECT_EQ(store_->last_used(request_of("a"))->id, "c");
  ToolRequest others = request_of("b");
  others.agent = "other";
  EXPECT_FALSE(store_->last_used(others));
  EXPECT_EQ(ids(store_->unreviewed()), "c");
  ToolRequest seen = *store_->request("c");
  seen.review = Json::object({{"reason", "looked"}});
  ASSERT_TRUE(store_->update(seen, {"break_glass_reviewed", {}}));
  EXPECT_EQ(ids(store_->unreviewed()), "");
}

// A broker of before has none of them.
TEST_F(Store, AnOldDatabaseGetsItsIndexes) {
  ASSERT_TRUE(store_->add(request_of("1"), {"request_opened", {}}));
  spoil("DROP INDEX requests_by_status; DROP INDEX used_requests; DROP INDEX emergencies");
  open();
  EXPECT_EQ(store_->requests(RequestStatus::Pending).size(), 1U);
  store_->read([](sqlite::Connection& connection) {
    sqlite::Query row(connection,
                      "EXPLAIN QUERY PLAN SELECT document FROM requests WHERE status = 'pending' ORDER BY at, id");
    ASSERT_TRUE(row.next());
    EXPECT_NE(row.text(3).find("requests_by_status"), std::string_view::npos) << row.text(3);
  });
}

TEST_F(Store, ChangesARequestOnlyAsItWasRead) {
  ASSERT_TRUE(store_->add(request_of("1"), {"request_opened", {{"request_id", "1"}}}));
  ToolRequest first = *store_->request("1");
  ToolRequest second = *store_->request("1");
  first.status = RequestStatus::Rejected;
  second.status = RequestStatus::Approved;
  ASSERT_TRUE(store_->update(first, {"rejected", {{"request_id", "1"}}}));
  const Status late = store_->update(second, {"approved", {{"request_id", "1"}}});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().reason, "request_changed");
  EXPECT_EQ(store_->request("1")->status, RequestStatus::Rejected);
  EXPECT_EQ(store_->audit(0, 10).size(), 2U) << "what failed left no record";
}

TEST_F(Store, AClosedRequestMakesRoomForTheNext) {
  ToolRequest request = request_of("1");
  ASSERT_TRUE(store_->add(request, {"request_opened", {}}));
  request = *store_->request("1");
  request.status = RequestStatus::Rejected;
  ASSERT_TRUE(store_->update(request, {"rejected", {}}));
  EXPECT_EQ(store_->open_requests("web"), 0);
  EXPECT_TRUE(store_->add(request_of("2"), {"request_opened", {}}));
  EXPECT_EQ(store_->newest("web", "fs:write", "a")->id, "2");
}

// The clock of the machine was ahead when the first one came.
TEST_F(Store, TheNewestRequestIsTheLastThatCame) {
  ToolRequest request = request_of("1");
  request.requested_at = request.requested_at + std::chrono::hours(24);
  ASSERT_TRUE(store_->add(request, {"request_opened", {}}));
  request = *store_->request("1");
  request.status = RequestStatus::Expired;
  ASSERT_TRUE(store_->update(request, {"request_expired", {}}));
  ASSERT_TRUE(store_->add(request_of("2"), {"request_opened", {}}));
  EXPECT_EQ(store_->newest("web", "fs:write", "a")->id, "2");
}

TEST_F(Store, AGrantIsSpentOnceEach) {
  ToolRequest request = request_of("1");
  ASSERT_TRUE(store_->add(request, {"request_opened", {}}));
  request = *store_->request("1");
  request.status = RequestStatus::Used;
  const Grant grant{"g", "1", "web", "fs:write", "a", "d", "p", 2, clock_.now() + std::chrono::hours(1)};
  ASSERT_TRUE(store_->add(grant, request, {"approved", {}}));
  EXPECT_FALSE(*store_->use_grant("web", "fs:write", "b", "d", "p")) << "other arguments";
  EXPECT_FALSE(*store_->use_grant("web", "fs:write", "a", "e", "p")) << "another definition";
  EXPECT_FALSE(*store_->use_grant("web", "fs:write", "a", "d", "q")) << "another policy";
  EXPECT_FALSE(*store_->use_grant("bot", "fs:write", "a", "d", "p")) << "another agent";
  EXPECT_TRUE(*store_->use_grant("web", "fs:write", "a", "d", "p"));
  EXPECT_TRUE(*store_->use_grant("web", "fs:write", "a", "d", "p"));
  EXPECT_FALSE(*store_->use_grant("web", "fs:write", "a", "d", "p")) << "none left";
}

TEST_F(Store, CallersAtOnceSpendNoMoreThanThereIs) {
  constexpr int kUses = 20;
  ToolRequest request = request_of("1");
  ASSERT_TRUE(store_->add(request, {"request_opened", {}}));
  request = *store_->request("1");
  request.status = RequestStatus::Used;
  const Grant grant{"g", "1", "web", "fs:write", "a", "d", "p", kUses, clock_.now() + std::chrono::hours(1)};
  ASSERT_TRUE(store_->add(grant, request, {"approved", {}}));
  const AutoApproval automatic{.pattern = "fs:*", .max_uses = kUses};
  std::atomic<int> granted = 0;
  std::atomic<int> let = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int n = 0; n < kUses; ++n) {
        if (*store_->use_grant("web", "fs:write", "a", "d", "p")) ++granted;
        if (*store_->use_automatic(automatic)) ++let;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(granted, kUses);
  EXPECT_EQ(let, kUses);
}

TEST_F(Store, AGrantEnds) {
  ToolRequest request = request_of("1");
  ASSERT_TRUE(store_->add(request, {"request_opened", {}}));
  request = *store_->request("1");
  const Grant grant{"g", "1", "web", "fs:write", "a", "d", "p", std::nullopt, clock_.now() + std::chrono::hours(1)};
  ASSERT_TRUE(store_->add(grant, request, {"approved", {}}));
  EXPECT_TRUE(*store_->use_grant("web", "fs:write", "a", "d", "p"));
  clock_.advance(std::chrono::hours(1));
  EXPECT_FALSE(*store_->use_grant("web", "fs:write", "a", "d", "p"));
}

TEST_F(Store, AGrantIsRevoked) {
  ToolRequest request = request_of("1");
  ASSERT_TRUE(store_->add(request, {"request_opened", {}}));
  request = *store_->request("1");
  const Grant grant{"g", "1", "web", "fs:write", "a", "d", "p", 2, clock_.now() + std::chrono::hours(1)};
  ASSERT_TRUE(store_->add(grant, request, {"approved", {}}));
  EXPECT_EQ(store_->disallow("web", "fs:read", {"revoked", {}}).error().reason, "unknown_entry");
  EXPECT_EQ(store_->disallow("bot", "fs:write", {"revoked", {}}).error().reason, "unknown_entry");
  EXPECT_TRUE(*store_->use_grant("web", "fs:write", "a", "d", "p"));
  EXPECT_TRUE(store_->disallow("web", "fs:write", {"revoked", {}}));
  EXPECT_FALSE(*store_->use_grant("web", "fs:write", "a", "d", "p"));
  EXPECT_EQ(store_->disallow("web", "fs:write", {"revoked", {}}).error().reason, "unknown_entry") << "it has ended";
}

TEST_F(Store, EveryRecordIsBoundToTheOneBefore) {
  for (const char* event : {"one", "two", "three"}) ASSERT_TRUE(store_->record({event, {}}));
  EXPECT_EQ(store_->verify()->records, 3U);
  spoil("DELETE FROM audit WHERE idx = 0");
  open();
  EXPECT_EQ(store_->verify().error().reason, "audit_broken");
}

TEST_F(Store, AChangedEndIsSeenAtTheStart) {
  for (const char* event : {"one", "two"}) ASSERT_TRUE(store_->record({event, {}}));
  spoil("UPDATE audit SET body = '{}' WHERE idx = 1");
  EXPECT_EQ(BrokerStore::open(path(), clock_).error().reason, "audit_broken");
}

TEST_F(Store, RefusesWhatIsNotItsOwn) {
  EXPECT_EQ(BrokerStore::open(path(), clock_).error().reason, "broker_store_in_use");
  store_.reset();
  ASSERT_EQ(chmod(path().c_str(), 0644), 0);
  EXPECT_EQ(BrokerStore::open(path(), clock_).error().reason, "broker_store_exposed");
  ASSERT_EQ(chmod(path().c_str(), 0600), 0);
  spoil("PRAGMA application_id = 1");
  EXPECT_EQ(BrokerStore::open(path(), clock_).error().reason, "broker_store_foreign");
}

}  // namespace
}  // namespace countersign::broker
