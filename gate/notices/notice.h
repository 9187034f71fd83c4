// What people are told: which records of the broker's audit are worth a notice, and what the notice says.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "gate/broker/broker_store.h"
#include "gate/broker/notify_config.h"

namespace countersign::notices {

struct Notice {
  broker::NoticeKind kind{};
  // What it is told for, once on each channel: "request/221cd761fb9455b2".
  std::string key;
  // {"type": "broker.request", "timestamp", "data": {"notice", "summary", "text", …}}: Standard Webhooks' payload.
  // Secrets in arguments and reasons are masked. `text` is for people, several lines; nothing in it that an agent or a
  // server wrote can begin a line, and what is invisible is shown as <U+202E>.
  Json message;
};

// Whether records of that event can become a notice.
bool is_notable(std::string_view event);
// The notice of an audit record (body of the chain); nothing where nobody is told of it. `socket` is the broker's, for
// the lines that people type.
std::optional<Notice> notice_of(const Json& record, const broker::BrokerStore& store, const std::string& socket);
// That a request still waits.
Notice reminder_of(const broker::ToolRequest& request, UtcTime now, const std::string& socket);

// The message of a request with the code that answers it: `reply` and a last line of `text`.
void add_reply(Json& message, const std::string& code);

// Many messages in one, {"id","type": "broker.digest","timestamp","data": {"notice": "digest", "summary", "count",
// "notices": their data, "text"}}: `text` has a few lines for each, with how it is answered. The same messages make the
// same id. Precondition: at least one.
Json digest_of(const std::vector<Json>& messages, UtcTime now);

// Members of the data that say what a notice is about: request_id, proposal_id, tool_id.
Json::Object subject_of(const Json& message);

}  // namespace countersign::notices
