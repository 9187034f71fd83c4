// bench-budgets: what commands and requests take, against the budgets that gate a release.
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/padded.h"
#include "command/upkeep/commands.h"
#include "command/upkeep/runtime_budget.h"
#include "command/upkeep/trial_appliance.h"
#include "common/clock.h"
#include "common/durable_file.h"
#include "common/text.h"
#include "gate/client/gate_connection.h"
#include "signer/process/child_program.h"

namespace countersign::command {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Words = std::vector<std::string>;

constexpr std::string_view kDefaultBudgets = "docs/slo/runtime_slo_budgets.json";
constexpr std::chrono::seconds kLongest{60};  // of one command; beyond it is an error

constexpr Flag kFlags[] = {
    {"budgets", Flag::Kind::Text, "FILE", "the budgets (docs/slo/runtime_slo_budgets.json)"},
    {"repeats", Flag::Kind::Integer, "N", "measurements of each class, from 1 to 10000 (40)"},
    {"out", Flag::Kind::Text, "FILE", "where the report goes (bench_budgets.json)"},
    {"report", Flag::Kind::Text, "FILE", "measure nothing: judge that report again"},
};

// Each class of intents that gait budgets, as one target.
struct EndpointClass {
  std::string_view name;
  std::string_view kind;
  std::string_view operation;
  std::string_view value;
  std::string_view endpoint_class;
  std::string_view verdict;  // what destroys needs an approval
  int exit_code;
};
constexpr EndpointClass kEndpointClasses[] = {
    {"fs_read", "path", "read", "/srv/a.txt", "fs.read", "allow", 0},
    {"fs_write", "path", "write", "/srv/a.txt", "fs.write", "allow", 0},
    {"fs_delete", "path", "delete", "/srv/a.txt", "fs.delete", "require_approval", 4},
    {"proc_exec", "other", "exec", "make", "proc.exec", "require_approval", 4},
    {"net_http", "url", "read", "https://api.example/v1", "net.http", "allow", 0},
    {"net_dns", "host", "read", "api.example", "net.dns", "allow", 0},
};

constexpr std::string_view kPolicy = R"(schema_id: gait.gate.policy
schema_version: 1.0.0
default_verdict: allow
rules:
  - {name: stopped, priority: 1, effect: block, match: {tool_names: [never.this]}}
  - {name: delegated, priority: 2, effect: allow, match: {tool_names: [db.read], require_delegation: true}}
)";

Json intent_of(const EndpointClass& each) {
  const std::string tool = "tool." + std::string(each.name);
  return Json::object(
      {{"tool_name", tool},
       {"args", Json::object({{"value", each.value}})},
       {"targets", Json::Array{Json::object({{"kind", each.kind},
                                             {"value", each.value},
                                             {"operation", each.operation},
                                             {"endpoint_class", each.endpoint_class}})}},
       {"context",
        Json::object({{"identity", "agent@company.example"}, {"workspace", "/srv"}, {"risk_class", "low"}})}});
}

Json delegated_intent() {
  const Json link = Json::object(
      {{"delegator_identity", "alice@company.example"}, {"delegate_identity", "agent-1"}, {"scope_class", "write"}});
  return Json::object(
      {{"tool_name", "db.read"},
       {"context", Json::object({{"identity", "zoe@company.example"}, {"workspace", "/srv"}, {"risk_class", "low"}})},
       {"delegation",
        Json::object({{"requester_identity", "agent-1"}, {"scope_class", "write"}, {"chain", Json::Array{link}}})}});
}

// A class that is a command, with its flags; `%n` is the number of the measurement.
struct CommandClass {
  std::string name;
  Words words;
  int exit_code = 0;  // any other is an error
};

std::vector<CommandClass> command_classes() {
  std::vector<CommandClass> out{
      {"demo", {"demo", "--json"}},
      {"verify", {"verify", "run_demo", "--json"}},
      {"guard_pack", {"guard", "pack", "--run", "run_demo", "--out", "pack_%n.zip", "--json"}},
      {"guard_verify", {"guard", "verify", "pack_0.zip", "--json"}},
  };
  for (const EndpointClass& each : kEndpointClasses) {
    const std::string name(each.name);
    out.push_back({"gate_eval_" + name,
                   {"gate", "eval", "--policy", "policy.yaml", "--intent", name + ".json", "--trace-out",
                    "trace_%n.json", "--json"},
                   each.exit_code});
  }
  out.push_back({"gate_eval_delegation_verify",
                 {"gate", "eval", "--policy", "policy.yaml", "--intent", "delegated.json", "--delegation-token",
                  "delegation.json", "--delegation-audit-out", "delegation_audit.json", "--trace-out",
                  "delegated_trace.json", "--json"}});
  out.push_back({"trace_verify", {"trace", "verify", "trace_0.json", "--json"}});
  out.push_back({"verify_chain", {"verify", "chain", "--run", "run_demo", "--json"}});
  out.push_back({"delegate_verify",
                 {"delegate", "verify", "--token", "delegation.json", "--delegator", "alice@company.example",
                  "--delegate", "agent-1", "--scope", "write", "--json"}});
  return out;
}

double since(Clock::time_point began) {
  return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
}

class Bench {
 public:
  Bench(Call& call, std::int64_t repeats) : call_(call), repeats_(repeats) {}

  // Everything, in the folder it is in. Fails with Unavailable where there is no appliance to be had.
  Result<Json> measure(const std::string& folder);

 private:
  Status prepare();
  Json commands(const CommandClass& each);
  Result<Json> requests(const EndpointClass& each);
  Result<process::Finished> run(const Words& words) const {
    Words argv{program_};
    argv.insert(argv.end(), words.begin(), words.end());
    return process::run_confined(argv, "", {environment_, kLongest, std::size_t{1} << 20});
  }

  Call& call_;
  std::int64_t repeats_;
  std::string program_;
  Words environment_;
};

Status Bench::prepare() {
  RETURN_IF_ERROR(write_output("policy.yaml", kPolicy));
  for (const EndpointClass& each : kEndpointClasses) {
    RETURN_IF_ERROR(write_output(std::string(each.name) + ".json", intent_of(each).compact()));
  }
  RETURN_IF_ERROR(write_output("delegated.json", delegated_intent().compact()));
  ASSIGN_OR_RETURN(const process::Finished minted,
                   run({"delegate", "mint", "--delegator", "alice@company.example", "--delegate", "agent-1", "--scope",
                        "write", "--ttl", "1h", "--out", "delegation.json", "--json"}));
  if (minted.exit_code == 0) return ok();
  return Error{ErrorCode::Unavailable, "no delegation was minted: " + minted.output};
}

Json Bench::commands(const CommandClass& each) {
  Measurements measured{each.name, {}, 0};
  for (std::int64_t n = 0; n < repeats_; ++n) {
    Words words = each.words;
    for (std::string& word : words) {
      if (const std::size_t at = word.find("%n"); at != std::string::npos) word.replace(at, 2, std::to_string(n));
    }
    const Clock::time_point began = Clock::now();
    const Result<process::Finished> done = run(words);
    const double spent = since(began);
    if (done && done->exit_code == each.exit_code) {
      measured.milliseconds.push_back(spent);
    } else if (measured.errors++ == 0) {
      call_.console.tell(each.name + ": " +
                         (done ? "exit " + std::to_string(done->exit_code) + " " + done->output : done.error().detail));
    }
  }
  return measured_json(std::move(measured));
}

Result<Json> Bench::requests(const EndpointClass& each) {
  Measurements measured{"gate_serve_" + std::string(each.name), {}, 0};
  gate::client::GateConnection gate("gate.sock", kLongest);
  const Json question = Json::object({{"intent", intent_of(each)}});
  for (std::int64_t n = 0; n < repeats_; ++n) {
    const Clock::time_point began = Clock::now();
    const Result<Json> answer = gate.evaluate(question);
    const double spent = since(began);
    if (answer && answer->text("verdict") == each.verdict) {
      measured.milliseconds.push_back(spent);
    } else {
      ++measured.errors;
    }
  }
  return measured_json(std::move(measured));
}

Result<Json> Bench::measure(const std::string& folder) {
  ASSIGN_OR_RETURN(const std::string programs, program_folder());
  program_ = programs + "/countersign";
  call_.console.tell("bench-budgets: starting an appliance on SoftHSM in " + folder);
  ASSIGN_OR_RETURN(const std::unique_ptr<TrialAppliance> appliance, TrialAppliance::start(folder));
  environment_ = trial_environment(appliance->socket());
  RETURN_IF_ERROR(prepare());
  Json::Array rows;
  for (const CommandClass& each : command_classes()) rows.push_back(commands(each));

  ASSIGN_OR_RETURN(const std::unique_ptr<RunningProgram> served,
                   RunningProgram::start({program_, "gate", "serve", "--socket", "gate.sock", "--policy", "policy.yaml",
                                          "--requests-per-second", "60000", "--signer", appliance->socket()},
                                         "gate.log"));
  const Clock::time_point patience = Clock::now() + kLongest;
  gate::client::GateConnection gate("gate.sock", std::chrono::seconds(5));
  while (!gate.evaluate(Json::object({{"intent", intent_of(kEndpointClasses[0])}}))) {
    if (Clock::now() > patience) return Error{ErrorCode::Unavailable, "the gate does not answer", "trial_appliance"};
  }
  for (const EndpointClass& each : kEndpointClasses) {
    ASSIGN_OR_RETURN(Json row, requests(each));
    rows.push_back(std::move(row));
  }
  return Json::object({{"schema_id", "countersign.runtime_slo_report"},
                       {"schema_version", "1.0.0"},
                       {"created_at", SystemClock().now().rfc3339()},
                       {"producer_version", COUNTERSIGN_VERSION},
                       {"repeats", repeats_},
                       {"classes", std::move(rows)}});
}

// A folder of its own, entered; left and removed at the end.
class Workshop {
 public:
  static Result<Workshop> enter() {
    std::error_code failure;
    const fs::path before = fs::current_path(failure);
    std::string pattern = (fs::temp_directory_path(failure) / "countersign-bench-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) return Error{ErrorCode::Unavailable, "cannot make a folder " + pattern};
    fs::current_path(pattern, failure);
    if (failure) return Error{ErrorCode::Unavailable, "cannot enter " + pattern + ": " + failure.message()};
    return Workshop(before, pattern);
  }
  Workshop(Workshop&& other) noexcept : before_(std::move(other.before_)), folder_(std::exchange(other.folder_, "")) {}
  Workshop& operator=(Workshop&&) = delete;
  ~Workshop() {
    if (folder_.empty()) return;
    std::error_code failure;
    fs::current_path(before_, failure);
    fs::remove_all(folder_, failure);
  }
  std::string path() const { return folder_.string(); }

 private:
  Workshop(fs::path before, fs::path folder) : before_(std::move(before)), folder_(std::move(folder)) {}
  fs::path before_;
  fs::path folder_;
};

Result<Json> measured_in_a_workshop(Call& call, std::int64_t repeats) {
  ASSIGN_OR_RETURN(const Workshop workshop, Workshop::enter());
  return Bench(call, repeats).measure(workshop.path());
}

std::string number(const Json& row, std::string_view name) {
  const Json* value = row.find(name);
  return value == nullptr || !value->is_number() ? "-" : ecmascript_number(std::round(value->as_double() * 100) / 100);
}

std::string text_of(const Json& report) {
  std::string text = padded("class", 30) + padded("p50 ms", 10) + padded("p95 ms", 10) + padded("p99 ms", 10) +
                     padded("errors", 8) + "budget\n";
  for (const Json& row : report.find("classes")->as_array()) {
    const Json* budget = row.find("budget");
    text += padded(std::string(row.text("name")), 30) + padded(number(row, "p50_ms"), 10) +
            padded(number(row, "p95_ms"), 10) + padded(number(row, "p99_ms"), 10) +
            padded(number(row, "error_rate"), 8);
    if (budget != nullptr) {
      text += number(*budget, "p50_ms") + "/" + number(*budget, "p95_ms") + "/" + number(*budget, "p99_ms");
    }
    text += row.find("within")->as_bool() ? "\n" : "  OVER\n";
  }
  return text;
}

Result<int> bench(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "unexpected positional arguments"};
  const std::int64_t repeats = arguments.integer("repeats").value_or(40);
  if (repeats < 1 || repeats > 10000) return Error{ErrorCode::Invalid, "--repeats must be from 1 to 10000"};
  ASSIGN_OR_RETURN(const std::string text,
                   read_input("budgets", std::string(arguments.text("budgets", kDefaultBudgets))));
  ASSIGN_OR_RETURN(const std::vector<Budget> budgets, parse_budgets(text));
  const std::string judged_again(trimmed(arguments.text("report")));
  const std::string out(arguments.text("out", judged_again.empty() ? "bench_budgets.json" : ""));
  if (!out.empty()) {
    RETURN_IF_ERROR(prepare_output("report", out));
  }
  Result<Json> measured =
      judged_again.empty() ? measured_in_a_workshop(call, repeats) : read_document("report", judged_again);
  if (!measured) return std::move(measured).error();
  const Json report = judged_report(*std::move(measured), budgets);
  if (!out.empty()) {
    RETURN_IF_ERROR(write_durable(out, report.gait_file(), 0644));
  }
  call.console.answer(call.json ? report.compact() + "\n" : text_of(report));
  if (report.find("ok")->as_bool()) return 0;
  call.console.tell("over budget: see OVER, and docs/slo/runtime_slo.md for what to do");
  return row_of(ErrorCode::VerificationFailed).exit_code;
}

}  // namespace

Command bench_budgets_command() {
  return {
      "bench-budgets",
      "[--repeats N] [--budgets FILE] [--out FILE] | --report FILE",
      "Measures what commands and requests take, against the budgets",
      "Starts an appliance on SoftHSM of its own and runs each class of commands and requests. Writes the report and\n"
      "exits 0 where every class is within its budget for p50, p95, p99 and error rate, 2 where one is not.",
      "countersign bench-budgets --repeats 100 --json",
      kFlags,
      Positionals::Anywhere,
      Shape::Ours,
      bench};
}

}  // namespace countersign::command
