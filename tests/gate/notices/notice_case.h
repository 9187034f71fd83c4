// A broker's store with a clock set by hand, for tests of notices.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "gate/broker/broker_store.h"
#include "gate/notices/outbox.h"
#include "gate/notices/reply_codes.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temporary_folder.h"

namespace countersign::notices {

class NoticeCase : public testing::Test {
 protected:
  void SetUp() override {
    broker::ChannelConfig ops;
    ops.name = "ops";
    ops.target = broker::FileTarget{folder_ / "ops.jsonl"};
    ops.kinds = {broker::notice_kinds().begin(), broker::notice_kinds().end()};
    config_.channels = {ops};
    config_.socket = broker::kUsualSocket;
    open();
  }
  // As after a restart, or a crash: nothing in memory outlives it.
  void open() {
    codes_.reset();
    outbox_.reset();
    store_.reset();
    auto store = broker::BrokerStore::open(folder_ / "broker.db", clock_);
    ASSERT_TRUE(store) << store.error().detail;
    store_ = *std::move(store);
    auto outbox = Outbox::open(*store_, config_, clock_);
    ASSERT_TRUE(outbox) << outbox.error().detail;
    outbox_ = *std::move(outbox);
    auto codes = ReplyCodes::open(*store_, folder_ / "reply.key", config_.reply_attempts, clock_);
    ASSERT_TRUE(codes) << codes.error().detail;
    codes_ = *std::move(codes);
  }

  std::optional<Delivery> due(const std::string& channel = "ops") const {
    std::vector<Delivery> found = outbox_->due(channel, 0);
    return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
  }

  broker::ToolRequest request_of(const std::string& id, Json args = Json::object({{"path", "a"}})) {
    broker::ToolRequest request;
    request.id = id;
    request.agent = "web";
    request.tool = "fs:write";
    request.action_class = "write";
    request.args_digest = args.digest().hex();
    request.args = std::move(args);
    request.requested_at = clock_.now();
    request.expires_at = clock_.now() + std::chrono::hours(1);
    return request;
  }
  broker::ToolRequest ask(const std::string& id, Json args = Json::object({{"path", "a"}})) {
    EXPECT_TRUE(store_->add(request_of(id, std::move(args)), {"request_opened", {{"request_id", id}}}));
    return *store_->request(id);
  }
  void settle(broker::ToolRequest request, broker::RequestStatus status, broker::AuditEvent event) {
    request.status = status;
    ASSERT_TRUE(store_->update(request, std::move(event)));
  }
  std::vector<std::string> events() const {
    std::vector<std::string> names;
    for (const broker::AuditRecord& record : store_->audit(0, 1000)) {
      names.emplace_back(Json::parse(record.body)->text("event"));
    }
    return names;
  }
  std::size_t gathered() {
    const Result<std::size_t> added = outbox_->gather();
    EXPECT_TRUE(added);
    return added ? *added : 0;
  }

  test::TemporaryFolder folder_;
  test::FakeClock clock_;
  broker::NotifyConfig config_;
  std::unique_ptr<broker::BrokerStore> store_;
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<ReplyCodes> codes_;
};

}  // namespace countersign::notices
