// What people read of the broker: its lists and its records.
#include "command/broker/service/broker_service.h"
#include "common/json_fields.h"

namespace countersign::command {
namespace {

constexpr std::size_t kMostFiles = 8;
constexpr std::int64_t kMostEntries = 1'000'000'000;

Json json_of(const broker::AgentLists& lists) {
  return Json::object({{"allow", Json::array(lists.allow)},
                       {"deny", Json::array(lists.deny)},
                       {"servers", Json::array(lists.servers)}});
}

}  // namespace

Result<Json> BrokerService::lists(const BrokerCaller& caller) {
  RETURN_IF_ERROR(require_person(caller));
  Json agents = Json::object({{"default", json_of(config_.everybodys)}});
  for (const auto& [name, agent] : config_.agents) agents.set(name, json_of(agent.lists));
  return Json::object({{"agents", std::move(agents)}, {"allowed", store_.allowed()}, {"grants", store_.grants()}});
}

Result<Json> BrokerService::audit(const BrokerCaller& caller, std::uint64_t first, std::size_t most, bool verify) {
  RETURN_IF_ERROR(require_person(caller));
  if (verify) {
    ASSIGN_OR_RETURN(const broker::AuditVerification seen, store_.verify());
    return Json::object({{"ok", true}, {"records", seen.records}, {"head", seen.head.hex()}});
  }
  Json::Array rows;
  RETURN_IF_ERROR(store_.settle());
  for (const broker::AuditRecord& record : store_.audit(first, most)) {
    ASSIGN_OR_RETURN(Json row, Json::parse(record.body));
    row.set("hash", record.hash.hex());
    rows.push_back(std::move(row));
  }
  return Json::object({{"records", std::move(rows)}, {"size", store_.size()}});
}

Result<std::string> BrokerService::audit_lines(const BrokerCaller& caller, std::uint64_t first, std::size_t most) {
  RETURN_IF_ERROR(require_person(caller));
  RETURN_IF_ERROR(store_.settle());
  std::string lines;
  for (const broker::AuditRecord& record : store_.audit(first, most)) {
    // It is an object with members, in its canonical form: another one is put before its last brace.
    lines.append(record.body, 0, record.body.size() - 1);
    lines += ",\"hash\":\"" + record.hash.hex() + "\"}\n";
  }
  if (lines.empty() && first < store_.size()) {
    return Error{ErrorCode::Unavailable, "the broker's records cannot be read", "broker_store_failed"};
  }
  return lines;
}

Result<Json> BrokerService::note_import(const BrokerCaller& caller, const Json& body) {
  RETURN_IF_ERROR(require_person(caller));
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const Json::Array* files, fields.array("files"));
  RETURN_IF_ERROR(fields.finish());
  if (files->empty() || files->size() > kMostFiles) return fields.wrong("files", "names no file, or more than 8");
  Json::Array rows;
  for (const Json& each : *files) {
    JsonFields members(each, "files");
    ASSIGN_OR_RETURN(const std::string name, members.text("name"));
    ASSIGN_OR_RETURN(const std::string hex, members.text("sha256"));
    ASSIGN_OR_RETURN(const Digest digest, Digest::parse(hex));
    ASSIGN_OR_RETURN(const std::int64_t entries, members.integer("entries", 0, kMostEntries));
    RETURN_IF_ERROR(members.finish());
    rows.push_back(Json::object({{"name", name.substr(0, 64)}, {"sha256", digest.hex()}, {"entries", entries}}));
  }
  RETURN_IF_ERROR(store_.record({"imported", {{"files", std::move(rows)}, {"uid", std::int64_t{caller.uid}}}}));
  return Json::object({{"ok", true}});
}

}  // namespace countersign::command
