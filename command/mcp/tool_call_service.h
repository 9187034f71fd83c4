// What `mcp serve` answers: the verdict on one tool call, as `mcp proxy` gives it, with the signed documents.
#pragma once

#include <memory>

#include "command/decision/gate_answers.h"
#include "command/decision/served_policies.h"
#include "command/line/arguments.h"
#include "command/mcp/call_folders.h"

namespace countersign::command {

class ToolCallService final : public GateAnswers {
 public:
  // `settings` as of ServedPolicies. Fails with Invalid where a setting or the policy cannot be used.
  static Result<std::unique_ptr<GateAnswers>> load(const Arguments& settings);

  // {"call", "adapter"?, "run_id"?, "session_id"?, "approval_tokens"?, "delegation_tokens"?} and FileWishes; strictly:
  // other members are Invalid. Answers the members of `mcp proxy --json`, `exit_code`, and the signed documents; files
  // are written as the folders of `settings` say (call_folders.h). Nothing is executed.
  Result<Json> evaluate(const Json& request, std::uint32_t uid, client::SignerClient& signer) override;
  Status reload() override { return policies_.reload(); }
  Json policies() const override { return policies_.document(); }

 private:
  ToolCallService(const Arguments& settings, CallFolders folders)
      : settings_(settings), folders_(std::move(folders)), policies_(settings) {}

  const Arguments& settings_;
  const CallFolders folders_;
  ServedPolicies policies_;
};

}  // namespace countersign::command
