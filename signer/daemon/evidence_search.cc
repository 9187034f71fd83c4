#include "signer/daemon/evidence_search.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/json_fields.h"

namespace countersign::daemon {
namespace {

constexpr std::size_t kRecordsLooked = 4096;                   // by one request
constexpr std::size_t kRecordsRead = 512;                      // at once
constexpr std::size_t kAnswerFull = std::size_t{4} << 20;      // bytes of documents after which an answer ends
constexpr std::string_view kKinds[] = {"signed", "executed"};  // of the records that are evidence
constexpr std::string_view kMembers[] = {"run_id", "trace_id", "intent_digest", "token_id", "trace"};

struct Wanted {
  std::uint64_t from = 0;
  std::vector<std::pair<std::string_view, std::set<std::string, std::less<>>>> match;

  static Result<Wanted> parse(const Json& body) {
    Wanted out;
    JsonFields fields(body, "");
    ASSIGN_OR_RETURN(const std::int64_t from, fields.integer("from", 0, std::numeric_limits<std::int64_t>::max()));
    out.from = static_cast<std::uint64_t>(from);
    ASSIGN_OR_RETURN(const Json* match, fields.required("match"));
    RETURN_IF_ERROR(fields.finish());
    JsonFields members(*match, "match");
    for (const std::string_view member : kMembers) {
      if (match->find(member) == nullptr) continue;
      ASSIGN_OR_RETURN(const std::vector<std::string> values, members.texts(member));
      out.match.emplace_back(member, std::set<std::string, std::less<>>(values.begin(), values.end()));
    }
    RETURN_IF_ERROR(members.finish());
    if (out.match.empty()) return Error{ErrorCode::Invalid, "match must name a member"};
    return out;
  }

  bool matches(const Json& document) const {
    return std::ranges::any_of(
        match, [&document](const auto& each) { return each.second.contains(document.text(each.first)); });
  }
};

Json row_of(std::uint64_t index, const ledger::Record& record, Json document) {
  return Json::object({{"index", static_cast<std::int64_t>(index)},
                       {"at", record.at.rfc3339()},
                       {"kind", record.kind},
                       {"type", record.type},
                       {"role", record.role},
                       {"kid", record.kid},
                       {"peer_uid", std::int64_t{record.peer_uid}},
                       {"document", std::move(document)}});
}

Result<Json> look(const ledger::Store& store, const Wanted& wanted) {
  Json::Array found;
  std::size_t bytes = 0;
  std::uint64_t next = wanted.from;
  const std::uint64_t end = store.head().size;
  while (next < end && next - wanted.from < kRecordsLooked && bytes < kAnswerFull) {
    ASSIGN_OR_RETURN(const std::vector<ledger::Record> records, store.records(next, kRecordsRead));
    if (records.empty()) return Error{ErrorCode::Internal, "a record before the ledger's end is missing"};
    for (const ledger::Record& record : records) {
      const std::uint64_t index = next++;
      if (std::ranges::find(kKinds, record.kind) == std::end(kKinds)) continue;
      ASSIGN_OR_RETURN(Json document, Json::parse(record.body));
      if (!wanted.matches(document)) continue;
      bytes += record.body.size();
      found.push_back(row_of(index, record, std::move(document)));
    }
  }
  Json answer = Json::object({{"records", std::move(found)}});
  if (next < end) answer.set("next", static_cast<std::int64_t>(next));
  return answer;
}

}  // namespace

void EvidenceSearch::find(const Json& body, Done done) {
  Result<Wanted> wanted = Wanted::parse(body);
  if (!wanted) return done(wanted.error());
  if (waiting_ >= kMostWaiting) {
    return done(Error{ErrorCode::Unavailable, "the ledger is being searched for others", "search_busy",
                      "Ask again in a second."});
  }
  ++waiting_;
  thread_.run([this, wanted = std::make_shared<const Wanted>(*std::move(wanted)), done = std::move(done)] {
    auto answer = std::make_shared<const Result<Json>>(look(store_, *wanted));
    loop_.post([this, answer, done] {
      --waiting_;
      done(*answer);
    });
  });
}

}  // namespace countersign::daemon
