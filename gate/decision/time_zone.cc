#include "gate/decision/time_zone.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <limits>

namespace countersign::gate {
namespace {

constexpr std::string_view kDatabase = "/usr/share/zoneinfo/";
constexpr std::size_t kHeaderSize = 44;
constexpr std::size_t kLargestFile = 1 << 20;
constexpr std::int64_t kEarliest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kLatest = std::numeric_limits<std::int64_t>::max();

// A name inside the database: no way out of its folder.
bool is_zone_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || name.front() == '/' || name.find("..") != std::string_view::npos)
    return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '_' ||
           c == '-' || c == '+';
  });
}

std::int64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  if (bytes.size() == 4) return static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
  return static_cast<std::int64_t>(value);
}

// The counts of a TZif header (RFC 8536 §3.1).
struct Header {
  std::size_t utc_flags, standard_flags, leaps, times, types, characters;
  std::size_t body(std::size_t time_size) const {
    return times * (time_size + 1) + types * 6 + characters + leaps * (time_size + 4) + standard_flags + utc_flags;
  }
};

bool read_header(std::string_view file, Header& out) {
  if (file.size() < kHeaderSize || !file.starts_with("TZif") || file[4] < '2') return false;
  std::size_t* counts[] = {&out.utc_flags, &out.standard_flags, &out.leaps, &out.times, &out.types, &out.characters};
  for (std::size_t i = 0; i < std::size(counts); ++i) {
    const std::int64_t count = big_endian(file.substr(20 + i * 4, 4));
    if (count < 0 || count > 1 << 16) return false;
    *counts[i] = static_cast<std::size_t>(count);
  }
  return out.types > 0;
}

}  // namespace

Result<TimeZone> TimeZone::named(std::string_view name) {
  TimeZone zone;
  if (name == "UTC") return zone;
  const Error unknown{ErrorCode::NotFound, "no time zone of that name in the system's database"};
  if (!is_zone_name(name) || name == "Local") return unknown;
  std::ifstream stream(std::string(kDatabase) + std::string(name), std::ios::binary);
  if (!stream) return unknown;
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (text.size() > kLargestFile) return unknown;
  std::string_view file = text;

  Header header{};
  if (!read_header(file, header)) return unknown;
  const std::size_t first_block = kHeaderSize + header.body(4);
  if (file.size() < first_block) return unknown;
  file.remove_prefix(first_block);
  if (!read_header(file, header) || file.size() < kHeaderSize + header.body(8)) return unknown;
  file.remove_prefix(kHeaderSize);

  const std::string_view times = file.substr(0, header.times * 8);
  const std::string_view indices = file.substr(header.times * 8, header.times);
  const std::string_view types = file.substr(header.times * 9, header.types * 6);
  const auto offset_of = [&types](std::size_t type) { return big_endian(types.substr(type * 6, 4)); };
  zone.first_offset_ = offset_of(0);
  for (std::size_t i = 0; i < header.times; ++i) {
    const auto type = static_cast<unsigned char>(indices[i]);
    if (type >= header.types) return unknown;
    zone.transitions_.push_back({big_endian(times.substr(i * 8, 8)), offset_of(type)});
  }
  // The footer is a rule for later years; one with a comma changes clocks every year.
  std::string_view footer = file.substr(header.body(8));
  zone.open_ended_ = footer.find(',') == std::string_view::npos;
  if (footer.size() >= 2 && footer.front() == '\n' && footer.back() == '\n') {
    zone.rule_ = ZoneRule::parse(footer.substr(1, footer.size() - 2));
  }
  return zone;
}

std::vector<ZoneChange> TimeZone::changes_around(std::int64_t unix_seconds) const {
  if (!rule_ || (!transitions_.empty() && unix_seconds < transitions_.back().at)) return transitions_;
  const std::chrono::sys_seconds moment{std::chrono::seconds(unix_seconds)};
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(moment));
  std::vector<ZoneChange> out;
  if (!transitions_.empty()) out.push_back(transitions_.back());
  // A year's first change may be of the year before or after in UTC.
  for (int year = static_cast<int>(date.year()) - 1; year <= static_cast<int>(date.year()) + 1; ++year) {
    for (const ZoneChange& change : rule_->changes_in(year)) {
      if (out.empty() || change.at > out.back().at) out.push_back(change);
    }
  }
  return out;
}

TimeZone::Span TimeZone::span_at(std::int64_t unix_seconds) const {
  const std::vector<ZoneChange> changes = changes_around(unix_seconds);
  const auto next = std::upper_bound(changes.begin(), changes.end(), unix_seconds,
                                     [](std::int64_t moment, const ZoneChange& at) { return moment < at.at; });
  Span span{kEarliest, kLatest, first_offset_};
  if (next != changes.end()) span.end = next->at;
  if (next != changes.begin()) {
    span.start = std::prev(next)->at;
    span.offset = std::prev(next)->offset;
  }
  return span;
}

Result<UtcTime> TimeZone::moment_of(std::string_view local) const {
  constexpr std::size_t kLength = 19;  // YYYY-MM-DDThh:mm:ss
  if (local.size() != kLength) return Error{ErrorCode::Invalid, "a local time must read YYYY-MM-DDThh:mm:ss"};
  ASSIGN_OR_RETURN(const UtcTime as_utc, UtcTime::parse(std::string(local) + "Z"));
  const std::int64_t reading = as_utc.unix_seconds();
  if (!open_ended_ && !rule_ && (transitions_.empty() || reading > transitions_.back().at)) {
    return Error{ErrorCode::Invalid, "the zone database does not reach that year"};
  }
  const Span span = span_at(reading);
  std::int64_t moment = reading - span.offset;
  if (moment < span.start || moment >= span.end) moment = reading - span_at(moment).offset;
  return UtcTime::from_unix(moment);
}

}  // namespace countersign::gate
