#include "signer/daemon/anchor_keeper.h"

#include "signer/channel/frame.h"

namespace countersign::daemon {
namespace {

using channel::FrameKind;
using keymgmt::Role;

constexpr int kAnchorHolder = 0;  // config::HolderSettings::anchors

// What the holder read: an array of anchors and {"finding"} objects.
std::vector<ledger::AnchorReading> token_readings(const Result<std::string_view>& payload) {
  std::vector<ledger::AnchorReading> readings;
  const std::string where = "trace token";
  if (!payload) {
    readings.push_back({where, payload.error()});
    return readings;
  }
  const Result<Json> rows = Json::parse(*payload);
  if (!rows || !rows->is_array()) {
    readings.push_back({where, Error{ErrorCode::Invalid, "the holder's answer is no list of anchors"}});
    return readings;
  }
  for (const Json& row : rows->as_array()) {
    if (const Json* finding = row.find("finding")) {
      readings.push_back(
          {where, Error{ErrorCode::Invalid, finding->is_string() ? finding->as_string() : "unreadable"}});
      continue;
    }
    const Result<channel::Anchor> anchor = channel::Anchor::from_json(row);
    if (anchor) {
      readings.push_back({where, ledger::Anchor{anchor->size, anchor->root, anchor->at}});
    } else {
      readings.push_back({where, anchor.error()});
    }
  }
  if (rows->as_array().empty()) {
    readings.push_back({where, Error{ErrorCode::NotFound, "the trace token holds no anchor"}});
  }
  return readings;
}

}  // namespace

void AnchorKeeper::compare(std::function<void(Result<std::vector<std::string>>)> done) {
  const auto judge = [this, done = std::move(done)](const Result<std::string_view>& payload) {
    std::vector<ledger::AnchorReading> readings;
    if (config_.role(Role::Trace) != nullptr) readings = token_readings(payload);
    if (!config_.publication.empty()) {
      readings.push_back({"publication directory", ledger::read_anchor_file(config_.publication)});
    }
    Result<ledger::AnchorReport> report = ledger::check_anchors(store_, readings);
    if (!report) return done(report.error());
    done(std::move(report->findings));
  };
  if (config_.role(Role::Trace) == nullptr) return judge(std::string_view("[]"));
  holders_.ask_holder(Role::Trace, kAnchorHolder, FrameKind::ReadAnchors, "", judge);
}

channel::Anchor AnchorKeeper::present() const {
  const ledger::TreeHead head = store_.head();
  return {head.size, head.root, clock_.now()};
}

void AnchorKeeper::write(Recorder& recorder) {
  const channel::Anchor anchor = present();
  if (anchor.size == written_size_ && finding_.empty()) return;
  written_size_ = anchor.size;
  finding_.clear();
  if (!config_.publication.empty()) {
    // The disk's time is the commit thread's, not the loop's. What fails there is seen by the next start.
    [[maybe_unused]] const Status accepted =
        recorder.perform([directory = config_.publication, anchor](ledger::Store&) {
          [[maybe_unused]] const Status written =
              ledger::write_anchor_file(directory, {anchor.size, anchor.root, anchor.at});
        });
  }
  if (config_.role(Role::Trace) == nullptr) return;
  holders_.ask_holder(Role::Trace, kAnchorHolder, FrameKind::WriteAnchor, anchor.to_json().compact(),
                      [this](const Result<std::string_view>& answer) {
                        if (!answer)
                          finding_ = "the anchor on the trace token was not written: " + answer.error().detail;
                      });
}

void AnchorKeeper::write_last(std::function<void()> done) {
  const channel::Anchor anchor = present();
  if (!config_.publication.empty()) {
    [[maybe_unused]] const Status written =
        ledger::write_anchor_file(config_.publication, {anchor.size, anchor.root, anchor.at});
  }
  if (config_.role(Role::Trace) == nullptr || anchor.size == written_size_) return done();
  holders_.ask_holder(Role::Trace, kAnchorHolder, FrameKind::WriteAnchor, anchor.to_json().compact(),
                      [done = std::move(done)](const Result<std::string_view>&) { done(); });
}

}  // namespace countersign::daemon
