// mcp verify: whether a policy's mcp_trust lets calls of risk high go to a server (reference: gait-formats §17).
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/mcp/commands.h"
#include "command/mcp/trust_snapshot.h"
#include "command/policy/policy_file.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/call/mcp_trust.h"
#include "gate/document/optional_members.h"
#include "gate/document/verdict.h"

namespace countersign::command {
namespace {

constexpr std::string_view kRiskClass = "high";  // as gait judges it

constexpr Flag kFlags[] = {
    {"policy", Flag::Kind::Text, "FILE", "the policy, YAML, with mcp_trust"},
    {"server", Flag::Kind::Text, "FILE", "the server, JSON: {\"server_id\",\"server_name\",\"publisher\",\"source\"}"},
};

struct Verdict {
  statement::Verdict verdict = statement::Verdict::Allow;
  Json members;
  std::string notice;
};

Verdict judge(const std::optional<gate::McpTrust>& demanded, const gate::McpServer& server) {
  Verdict out;
  if (!demanded || !demanded->enabled) {
    gate::put(out.members, "server_id", server.server_id);
    gate::put(out.members, "server_name", server.server_name);
    return out;
  }
  ReadSnapshot read = read_trust_snapshot(*demanded);
  const gate::TrustFinding finding = gate::trust_in(*demanded, &server, kRiskClass, read.given, SystemClock().now());
  out.notice = std::move(read.notice);
  gate::put(out.members, "server_id", finding.server.server_id);
  gate::put(out.members, "server_name", finding.server.server_name);
  gate::put(out.members, "reason_codes", finding.reason_codes);
  out.members.set("mcp_trust", finding.members);
  gate::put(out.members, "trust_model", "local_snapshot");
  gate::put(out.members, "snapshot_path", demanded->snapshot);
  if (!finding.enforced) return out;
  out.verdict = demanded->action;
  gate::put(out.members, "violations", std::vector<std::string>{"mcp_trust_policy"});
  return out;
}

Result<int> verify(Call& call, const Arguments& arguments) {
  const std::string policy_path(trimmed(arguments.text("policy")));
  const std::string server_path(trimmed(arguments.text("server")));
  if (policy_path.empty() || server_path.empty() || !arguments.positionals().empty()) {
    return Error{ErrorCode::Invalid, "expected --policy <policy.yaml> and --server <server.json>"};
  }
  const Result<gate::Policy> policy = read_policy(policy_path);
  if (!policy) return refuse_policy(call, "mcp verify", policy.error(), policy_path);
  ASSIGN_OR_RETURN(const std::string text, read_input("server description", server_path));
  ASSIGN_OR_RETURN(const gate::McpServer server, gate::McpServer::parse(text));
  Verdict judged = judge(policy->mcp_trust(), server);
  const int exit_code = gate::exit_code_of(judged.verdict);
  if (!judged.notice.empty()) call.console.tell(judged.notice);
  if (!call.json) {
    call.console.answer("mcp verify: verdict=" + std::string(statement::name_of(judged.verdict)) + "\n");
    return exit_code;
  }
  judged.members.set("ok", exit_code == 0);
  judged.members.set("verdict", statement::name_of(judged.verdict));
  answer_as_gait(call, std::move(judged.members));
  return exit_code;
}

}  // namespace

Command mcp_verify_command() {
  return {"mcp verify",
          "--policy FILE --server FILE",
          "Says whether a policy's mcp_trust lets calls of risk high go to a server",
          "Judged by the snapshot that the policy names, which a scanner or registry wrote; nothing is fetched.\n"
          "Exits 0 where the server is trusted or the policy asks for no trust at risk high, otherwise 3 or 4 by\n"
          "mcp_trust.action.",
          "countersign mcp verify --policy policy.yaml --server server.json --json",
          kFlags,
          Positionals::Anywhere,
          Shape::Gait,
          verify};
}

}  // namespace countersign::command
