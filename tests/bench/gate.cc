// What the gate costs inside a process: nanoseconds for one evaluation, digest, token. Prints one JSON object.
//   bench_gate [MILLISECONDS_PER_ROW]
// Each row is the best of five runs: the machine's other work only ever adds to a run.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <string>

#include "gate/decision/evaluate.h"
#include "gate/evidence/approval.h"
#include "tests/gate/gait_cases.h"

namespace countersign::gate {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Of the size of gait's own benchmark: two rules, a fail-closed gate that is satisfied, one path, provenance.
constexpr std::string_view kPolicy = R"(
schema_id: gait.gate.policy
schema_version: 1.0.0
default_verdict: require_approval
fail_closed: {enabled: true, risk_classes: [high, critical], required_fields: [targets, arg_provenance]}
rules:
- {name: permit-report, priority: 10, effect: allow, reason_codes: [report_permitted],
   match: {tool_names: [report.write], target_kinds: [path], workspace_prefixes: [/srv], provenance_sources: [user]}}
- {name: stop-egress, priority: 20, effect: block, reason_codes: [egress_stopped], violations: [external_egress],
   match: {tool_names: [report.write], target_kinds: [host]}}
)";
constexpr std::string_view kIntent = R"({
  "schema_id": "gait.gate.intent_request", "schema_version": "1.0.0", "created_at": "2026-02-05T00:00:00Z",
  "tool_name": "report.write", "args": {"path": "/srv/out/july.txt", "content": "totals"},
  "targets": [{"kind": "path", "value": "/srv/out/july.txt"}],
  "arg_provenance": [{"arg_path": "$.path", "source": "user"}],
  "context": {"identity": "reporter", "workspace": "/srv/reports", "risk_class": "high"}})";

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "bench_gate: %s\n", what);
  std::exit(1);
}

volatile std::size_t sink = 0;  // keeps the work from being optimised away

double nanoseconds(double milliseconds, const std::function<void()>& work) {
  double best = std::numeric_limits<double>::max();
  for (int run = 0; run < 5; ++run) {
    std::size_t count = 0;
    const auto start = SteadyClock::now();
    const auto end = start + std::chrono::duration_cast<SteadyClock::duration>(
                                 std::chrono::duration<double, std::milli>(milliseconds / 5));
    auto now = start;
    while (now < end) {
      for (int i = 0; i < 16; ++i) work();
      count += 16;
      now = SteadyClock::now();
    }
    best = std::min(best, std::chrono::duration<double, std::nano>(now - start).count() / static_cast<double>(count));
  }
  return best;
}

// A recorded approval of the real gait, and everything it is judged against.
struct RecordedApproval {
  Policy policy;
  JudgedIntent judged;
  Decision decision;
  Json token;
  keymgmt::KeySet keys;
};

RecordedApproval recorded_approval() {
  for (const GaitStep& step : gait_cases().steps) {
    if (step.name != "089_one_approver_ok" || !step.has("--approval-token")) continue;
    Policy policy = *Policy::parse(*step.file_of("--policy"));
    JudgedIntent judged{*Intent::parse(*step.file_of("--intent")), {}};
    Decision decision = *evaluate(policy, judged, {}, step.now());
    const auto token = Json::parse(step.files.at(step.flags.at("--approval-token")), Json::Limits{.gait = true});
    const auto key = keymgmt::PublicKey::from_gait(gait_cases().keys.at("approval_public.key"));
    if (!token || !key) die("the recorded approval cannot be read");
    return {std::move(policy), std::move(judged), std::move(decision), *token,
            keymgmt::KeySet(1, UtcTime(),
                            {{*key, keymgmt::Role::Approval, keymgmt::KeyState::Active, "", "", UtcTime(), UtcTime(),
                              std::nullopt, std::nullopt}})};
  }
  die("no recorded approval");
}

int run(double milliseconds) {
  const Policy policy = *Policy::parse(kPolicy);
  const JudgedIntent judged{*Intent::parse(kIntent), {}};
  const UtcTime now = *UtcTime::parse("2026-11-22T04:30:00Z");
  if (evaluate(policy, judged, {}, now)->verdict != Verdict::Allow) die("the typical evaluation must allow");
  const RecordedApproval approval = recorded_approval();
  const Digest intent_digest = approval.judged.intent.intent_digest();
  const Digest policy_digest = approval.policy.policy_digest();
  const auto judge = [&] {
    return judge_token(approval.token, approval.judged, intent_digest, policy_digest, approval.decision,
                       ApprovalRules{approval.keys}, now);
  };
  if (!judge().valid) die("the recorded approval must be valid");

  Json out{Json::Object{}};
  const auto row = [&](const char* name, const std::function<void()>& work) {
    out.set(name, Json(static_cast<std::int64_t>(nanoseconds(milliseconds, work))));
  };
  row("evaluate", [&] { sink = sink + evaluate(policy, judged, {}, now)->reason_codes.size(); });
  row("read_and_evaluate", [&] {
    const JudgedIntent read{*Intent::parse(kIntent), {}};
    sink = sink + evaluate(policy, read, {}, now)->reason_codes.size();
  });
  row("read_intent", [&] { sink = sink + Intent::parse(kIntent)->fields().targets.size(); });
  row("intent_digest", [&] { sink = sink + judged.intent.intent_digest().bytes()[0]; });
  row("policy_digest", [&] { sink = sink + policy.policy_digest().bytes()[0]; });
  row("parse_policy", [&] { sink = sink + Policy::parse(kPolicy)->rules().size(); });
  row("validate_token", [&] { sink = sink + (judge().valid ? 1 : 0); });
  std::puts(out.compact().c_str());
  return 0;
}

}  // namespace
}  // namespace countersign::gate

int main(int argc, char** argv) {
  const double milliseconds = argc > 1 ? std::strtod(argv[1], nullptr) : 1000;
  return countersign::gate::run(milliseconds > 0 ? milliseconds : 1000);
}
