// Section `limits`.
#include <array>
#include <charconv>

#include "common/clock.h"
#include "signer/config/sections.h"

namespace countersign::config {
namespace {

// "268435456", "256MiB", "1GiB".
Result<std::size_t> read_size(std::string_view text) {
  struct Unit {
    std::string_view suffix;
    std::size_t bytes;
  };
  constexpr std::array<Unit, 3> kUnits = {Unit{"KiB", 1U << 10}, Unit{"MiB", 1U << 20}, Unit{"GiB", 1U << 30}};
  std::size_t unit = 1;
  for (const Unit& known : kUnits) {
    if (!text.ends_with(known.suffix)) continue;
    unit = known.bytes;
    text.remove_suffix(known.suffix.size());
    break;
  }
  std::size_t count = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
  constexpr std::size_t kMost = std::size_t{64} << 30;
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || count > kMost / unit) {
    return Error{ErrorCode::Invalid, "must be a size such as 256MiB"};
  }
  return count * unit;
}

constexpr std::chrono::seconds kShortestStart{1};
constexpr std::chrono::minutes kShortestWindow{1};
constexpr std::chrono::hours kLongestWindow{24 * 90};

}  // namespace

void read_limits(Reading& reading, YamlFields& document) {
  static const YamlNode kNothing;
  const YamlNode* node = document.take("limits");
  YamlFields fields(node == nullptr ? kNothing : *node, "limits");
  Findings& findings = reading.findings;
  LimitsConfig& limits = reading.config.limits;
  const auto number = [&](std::string_view name, std::int64_t otherwise, std::int64_t least, std::int64_t most) {
    return findings.keep(fields.integer(name, otherwise, least, most), otherwise);
  };
  limits.requests_per_second = static_cast<double>(
      number("requests_per_second", static_cast<std::int64_t>(limits.requests_per_second), 1, 1'000'000));
  limits.burst = static_cast<double>(number("burst", static_cast<std::int64_t>(limits.burst), 1, 1'000'000));
  limits.in_flight = static_cast<int>(number("in_flight", limits.in_flight, 1, 65536));
  limits.connections = static_cast<int>(number("connections", limits.connections, 1, 65536));
  limits.batch_items =
      static_cast<std::uint64_t>(number("batch_items", static_cast<std::int64_t>(limits.batch_items), 1, 4096));
  limits.header_timeout = findings.keep(fields.duration("header_timeout", limits.header_timeout));
  limits.body_timeout = findings.keep(fields.duration("body_timeout", limits.body_timeout));
  limits.idle_timeout = findings.keep(fields.duration("idle_timeout", limits.idle_timeout));
  limits.write_timeout = findings.keep(fields.duration("write_timeout", limits.write_timeout));
  limits.sign_deadline = findings.keep(fields.duration("sign_deadline", limits.sign_deadline));
  limits.start_deadline = findings.keep(fields.duration("start_deadline", limits.start_deadline));
  if (limits.start_deadline < kShortestStart) {
    findings.error("limits.start_deadline", "must be at least " + duration_text(kShortestStart));
  } else if (limits.start_deadline < LimitsConfig().start_deadline) {
    findings.warning("limits.start_deadline",
                     "is short: a token that is only slow is taken for one that hangs, and its login is cut off");
  }
  limits.clock_step = findings.keep(fields.duration("clock_step", limits.clock_step));
  limits.idempotency_window = findings.keep(fields.duration("idempotency_window", limits.idempotency_window));
  if (limits.idempotency_window < kShortestWindow || limits.idempotency_window > kLongestWindow) {
    findings.error("limits.idempotency_window",
                   "must lie between " + duration_text(kShortestWindow) + " and " + duration_text(kLongestWindow));
  }
  limits.ledger_check_every = findings.keep(fields.duration("ledger_check_every", limits.ledger_check_every));
  if (limits.ledger_check_every < kShortestWindow) {
    findings.error("limits.ledger_check_every", "must be at least " + duration_text(kShortestWindow));
  }
  if (fields.has("holder_memory")) {
    const Result<std::size_t> size = read_size(findings.keep(fields.text("holder_memory", "")));
    if (!size || *size < (std::size_t{32} << 20)) {
      findings.error("limits.holder_memory", "must be a size of at least 32MiB, such as 256MiB");
    } else {
      limits.holder_memory = *size;
    }
  }
  findings.keep(fields.finish());
}

}  // namespace countersign::config
