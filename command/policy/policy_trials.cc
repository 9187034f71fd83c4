// policy test, policy simulate: policies tried on intents, with nothing signed and nothing written.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/policy/commands.h"
#include "command/policy/policy_file.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/document/optional_members.h"
#include "gate/document/paths.h"
#include "gate/document/verdict.h"
#include "gate/explanation/policy_trial.h"

namespace countersign::command {
namespace {

using gate::put;

constexpr Flag kSimulateFlags[] = {
    {"policy", Flag::Kind::Text, "FILE", "the policy to be introduced"},
    {"baseline", Flag::Kind::Text, "FILE", "the policy in force"},
    {"fixtures", Flag::Kind::Text, "PATHS", "intents to try both on: files and folders, separated by commas"},
};

Result<gate::Intent> read_intent(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_input("intent", path));
  return gate::Intent::parse(text);
}

Result<int> test(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() != 2) {
    return Error{ErrorCode::Invalid, "expected <policy.yaml> <intent_fixture.json>"};
  }
  const std::string& path = arguments.positionals()[0];
  const Result<gate::Policy> policy = read_policy(path);
  if (!policy) return refuse_policy(call, "policy test", policy.error(), path);
  ASSIGN_OR_RETURN(const gate::Intent intent, read_intent(arguments.positionals()[1]));
  ASSIGN_OR_RETURN(const gate::PolicyTrial trial, gate::tried(*policy, intent, SystemClock().now()));
  const std::string summary = gate::trial_summary(trial.decision);
  if (call.json) {
    Json answer = Json::object({{"ok", true},
                                {"schema_id", "gait.policytest.result"},
                                {"schema_version", "1.0.0"},
                                {"created_at", intent.fields().created_at.rfc3339()}});
    put(answer, "policy_digest", policy->policy_digest().hex());
    put(answer, "intent_digest", trial.intent_digest.hex());
    put(answer, "verdict", statement::name_of(trial.decision.verdict));
    put(answer, "reason_codes", trial.decision.reason_codes);
    put(answer, "violations", trial.decision.violations);
    put(answer, "matched_rule", trial.decision.matched_rule);
    put(answer, "summary", summary);
    answer_as_gait(call, std::move(answer));
  } else {
    call.console.answer(summary + "\n");
  }
  return gate::exit_code_of(trial.decision.verdict);
}

// Files as they are, folders with every .json below them; each once, in order.
Result<std::vector<std::string>> intents_of(std::string_view list) {
  namespace fs = std::filesystem;
  const auto is_json = [](const fs::path& path) { return lowered(path.extension().string()) == ".json"; };
  std::set<std::string> paths;
  bool any = false;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string given(trimmed(list.substr(0, comma)));
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (given.empty()) continue;
    any = true;
    std::error_code failure;
    const fs::file_status status = fs::status(given, failure);
    if (!fs::exists(status))
      return Error{ErrorCode::Invalid, "fixtures path: stat " + given + ": no such file or directory"};
    if (fs::is_directory(status)) {
      for (auto entry = fs::recursive_directory_iterator(given, failure); !failure && entry != fs::end(entry);
           entry.increment(failure)) {
        if (entry->is_regular_file() && is_json(entry->path()))
          paths.insert(gate::cleaned_path(entry->path().string()));
      }
      if (failure) return Error{ErrorCode::Invalid, "walk fixtures directory: " + given + ": " + failure.message()};
      continue;
    }
    const std::string path = gate::cleaned_path(given);
    if (!is_json(path)) return Error{ErrorCode::Invalid, "fixture file must be .json: " + path};
    paths.insert(path);
  }
  if (!any) return Error{ErrorCode::Invalid, "missing required --fixtures <csv files/dirs>"};
  if (paths.empty()) return Error{ErrorCode::Invalid, "no intent fixtures discovered from --fixtures"};
  return std::vector<std::string>(paths.begin(), paths.end());
}

// One intent that the two policies answer differently.
struct Change {
  std::string path;
  gate::PolicyTrial baseline;
  gate::PolicyTrial candidate;

  Json json() const {
    Json out = Json::object({{"fixture_path", path},
                             {"intent_digest", baseline.intent_digest.hex()},
                             {"baseline_verdict", Json(statement::name_of(baseline.decision.verdict))},
                             {"candidate_verdict", Json(statement::name_of(candidate.decision.verdict))},
                             {"changed", true}});
    put(out, "baseline_reason_codes", baseline.decision.reason_codes);
    put(out, "candidate_reason_codes", candidate.decision.reason_codes);
    put(out, "baseline_violations", baseline.decision.violations);
    put(out, "candidate_violations", candidate.decision.violations);
    put(out, "baseline_matched_rule", baseline.decision.matched_rule);
    put(out, "candidate_matched_rule", candidate.decision.matched_rule);
    return out;
  }
};

using VerdictCounts = std::map<std::string_view, std::int64_t>;

Json json_of(const VerdictCounts& counts) {
  Json::Array out;
  for (const auto& [verdict, count] : counts) {
    out.push_back(Json::object({{"verdict", Json(verdict)}, {"count", Json(count)}}));
  }
  return Json(std::move(out));
}

// A policy that would newly allow something is watched first; one that would newly block goes by approvals first.
std::string_view recommendation(const std::vector<Change>& changes) {
  using statement::Verdict;
  const auto becomes = [&changes](Verdict verdict) {
    return std::ranges::any_of(changes, [verdict](const Change& change) {
      return change.baseline.decision.verdict != verdict && change.candidate.decision.verdict == verdict;
    });
  };
  if (becomes(Verdict::Allow)) return "observe";
  return becomes(Verdict::Block) ? "require_approval" : "enforce";
}

Result<int> simulate(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "unexpected positional arguments"};
  const std::string candidate_path(trimmed(arguments.text("policy")));
  const std::string baseline_path(trimmed(arguments.text("baseline")));
  if (candidate_path.empty()) return Error{ErrorCode::Invalid, "missing required --policy <candidate_policy.yaml>"};
  if (baseline_path.empty()) return Error{ErrorCode::Invalid, "missing required --baseline <baseline_policy.yaml>"};
  ASSIGN_OR_RETURN(const std::vector<std::string> paths, intents_of(arguments.text("fixtures")));
  const Result<gate::Policy> candidate = read_policy(candidate_path);
  if (!candidate) return refuse_policy(call, "policy simulate", candidate.error(), candidate_path);
  const Result<gate::Policy> baseline = read_policy(baseline_path);
  if (!baseline) return refuse_policy(call, "policy simulate", baseline.error(), baseline_path);
  const UtcTime now = SystemClock().now();
  std::vector<Change> changes;
  VerdictCounts before;
  VerdictCounts after;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const gate::Intent intent, read_intent(path));
    ASSIGN_OR_RETURN(gate::PolicyTrial old_answer, gate::tried(*baseline, intent, now));
    ASSIGN_OR_RETURN(gate::PolicyTrial new_answer, gate::tried(*candidate, intent, now));
    Change change{path, std::move(old_answer), std::move(new_answer)};
    ++before[statement::name_of(change.baseline.decision.verdict)];
    ++after[statement::name_of(change.candidate.decision.verdict)];
    if (!change.baseline.same_as(change.candidate)) changes.push_back(std::move(change));
  }
  const std::string advice(recommendation(changes));
  const std::string summary = "policy simulate fixtures=" + std::to_string(paths.size()) +
                              " changed=" + std::to_string(changes.size()) + " recommendation=" + advice;
  if (!call.json) {
    call.console.answer(summary + "\n");
    return 0;
  }
  Json answer = Json::object({{"ok", true}});
  put(answer, "baseline_policy_digest", baseline->policy_digest().hex());
  put(answer, "candidate_policy_digest", candidate->policy_digest().hex());
  put(answer, "fixtures_total", static_cast<std::int64_t>(paths.size()));
  put(answer, "changed_fixtures", static_cast<std::int64_t>(changes.size()));
  answer.set("baseline_verdicts", json_of(before));
  answer.set("candidate_verdicts", json_of(after));
  put(answer, "recommendation", advice);
  put(answer, "summary", summary);
  Json::Array changed;
  for (const Change& change : changes) changed.push_back(change.json());
  if (!changed.empty()) answer.set("changed", Json(std::move(changed)));
  answer_as_gait(call, std::move(answer));
  return 0;
}

}  // namespace

Command policy_test_command() {
  return {"policy test",
          "POLICY INTENT",
          "Says what a policy decides about one intent",
          "Exits 0 for allow and dry_run, 3 for block, 4 for require_approval. Nothing is signed or counted.",
          "countersign policy test policy.yaml intent.json --json",
          {},
          Positionals::Anywhere,
          Shape::Gait,
          test};
}

Command policy_simulate_command() {
  return {"policy simulate",
          "--policy FILE --baseline FILE --fixtures PATHS",
          "Compares two policies on intents and says how to introduce the new one",
          "Recommends observe where something would newly be allowed, require_approval where something would newly be\n"
          "blocked, enforce otherwise.",
          "countersign policy simulate --policy new.yaml --baseline policy.yaml --fixtures ./intents --json",
          kSimulateFlags,
          Positionals::Anywhere,
          Shape::Gait,
          simulate};
}

}  // namespace countersign::command
