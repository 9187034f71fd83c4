// status: what the signer says of itself, its findings first.
#include <chrono>
#include <thread>

#include "command/line/command.h"
#include "command/line/padded.h"
#include "command/line/signer_address.h"
#include "command/upkeep/commands.h"
#include "common/clock.h"
#include "signer/client/signer_client.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"wait", Flag::Kind::Text, "SPAN", "wait so long for the signer to be ready, \"15s\"; exit 7 if it is not"},
    kSignerFlag,
    kAdminFlag,
};

// Between two looks at a signer that is starting.
constexpr std::chrono::milliseconds kPause{20};

std::string scalar(const Json& value) {
  return value.is_string() ? value.as_string() : value.compact();
}

bool is_scalar(const Json& value) {
  return !value.is_object() && !value.is_array();
}

bool all_scalar(const Json& value) {
  if (!value.is_array()) return false;
  for (const Json& element : value.as_array()) {
    if (!is_scalar(element)) return false;
  }
  return true;
}

// One line a value, nested members indented: readable for any status the signer of today or tomorrow gives.
void render(const Json& object, std::size_t depth, std::string& text) {
  for (const auto& [name, value] : object.as_object()) {
    std::string label(depth * 2, ' ');
    label += name;
    if (is_scalar(value) || all_scalar(value)) {
      text += padded(label, 24);
      if (is_scalar(value)) {
        text += scalar(value);
      } else {
        for (const Json& element : value.as_array()) text += scalar(element) + " ";
      }
      text += "\n";
      continue;
    }
    text += label + "\n";
    if (value.is_object()) {
      render(value, depth + 1, text);
      continue;
    }
    for (const Json& element : value.as_array()) {
      if (element.is_object()) {
        render(element, depth + 1, text);
        text += "\n";
      } else {
        text += std::string(depth * 2 + 2, ' ') + element.compact() + "\n";
      }
    }
  }
}

bool is_ready(client::SignerClient& signer) {
  const Result<std::string> body = signer.get("/readyz");
  if (!body) return false;
  const Result<Json> document = Json::parse(*body);
  const Json* ready = document ? document->find("ready") : nullptr;
  return ready != nullptr && ready->is_bool() && ready->as_bool();
}

Status wait_until_ready(client::SignerClient& signer, const SignerAddress& address, std::string_view span) {
  const Result<std::chrono::nanoseconds> limit = parse_duration(span);
  if (!limit) return Error{ErrorCode::Invalid, "invalid --wait, expected a duration such as 15s"};
  const auto end = std::chrono::steady_clock::now() + *limit;
  while (!is_ready(signer)) {
    if (std::chrono::steady_clock::now() >= end) {
      return Error{ErrorCode::Unavailable,
                   "the signer at " + address.path + " was not ready within " + std::string(span), "not_ready",
                   "its journal says what it waits for"};
    }
    std::this_thread::sleep_for(kPause);
  }
  return ok();
}

Result<int> status(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "status takes no arguments"};
  const SignerAddress address = signer_address(arguments);
  client::SignerClient signer(address.path);
  if (arguments.given("wait")) {
    RETURN_IF_ERROR(wait_until_ready(signer, address, arguments.text("wait")));
  }
  client::SignerClient admin(admin_address(arguments));
  ASSIGN_OR_RETURN(const std::string body, admin.get("/v1/status"));
  ASSIGN_OR_RETURN(Json document, Json::parse(body));
  if (!document.is_object()) return Error{ErrorCode::Internal, "the signer's status is no object"};
  if (call.json) {
    if (document.find("ok") == nullptr) document.set("ok", true);
    call.console.answer(document.compact() + "\n");
    return 0;
  }
  std::string text;
  if (const Json* findings = document.find("findings"); findings != nullptr && findings->is_array()) {
    for (const Json& finding : findings->as_array()) {
      text += "finding: " + std::string(finding.text("what")) + "\n";
      if (const std::string_view fix = finding.text("fix"); !fix.empty()) text += "  fix: " + std::string(fix) + "\n";
    }
    if (!findings->as_array().empty()) text += "\n";
  }
  document.erase("findings");
  render(document, 0, text);
  call.console.answer(text);
  return 0;
}

}  // namespace

Command status_command() {
  return {"status",
          "",
          "Shows the signer's health, separation and confinement, each finding with its fix",
          "",
          "countersign status",
          kFlags,
          Positionals::Anywhere,
          Shape::Ours,
          status};
}

}  // namespace countersign::command
