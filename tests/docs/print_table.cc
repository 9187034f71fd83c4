// print_table NAME: a Markdown table of the docs, from the table that the product goes by. tests/docs/pages.py holds
// the pages against it.
#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "common/error_codes.h"
#include "keymgmt/ceremony/comparison.h"
#include "keymgmt/ceremony/intent.h"
#include "keymgmt/lifecycle.h"
#include "signer/config/events.h"
#include "signer/config/operation.h"
#include "signer/statement/statement.h"

namespace countersign {
namespace {

using Row = std::vector<std::string>;

std::string code(std::string_view word) {
  return "`" + std::string(word) + "`";
}

std::string yes_no(bool claim) {
  return claim ? "yes" : "no";
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "–" : text;
}

// "POST /v1/sign, /v1/sign-batch" with each path in code marks.
std::string requests(std::string_view text) {
  std::vector<std::string> each;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(", ", begin), text.size());
    each.push_back(code(text.substr(begin, end - begin)));
    begin = end + 2;
  }
  return listed(each);
}

std::string_view name_of(config::Socket socket) {
  switch (socket) {
    case config::Socket::Sign:
      return "sign";
    case config::Socket::Admin:
      return "admin";
    case config::Socket::Public:
      return "public";
  }
  return "";
}

std::vector<Row> errors() {
  std::vector<Row> rows = {{"code", "HTTP status", "exit code"}};
  for (const ErrorCodeRow& row : error_codes()) {
    rows.push_back({code(row.name), std::to_string(row.http_status), std::to_string(row.exit_code)});
  }
  return rows;
}

std::vector<Row> operations() {
  std::vector<Row> rows = {{"word in `peers[].may`", "what it permits", "served on", "who may ask"}};
  for (const config::OperationRow& row : config::operations()) {
    std::vector<std::string> sockets;
    for (const config::Socket socket : row.sockets) sockets.emplace_back(name_of(socket));
    rows.push_back({code(row.may), requests(row.request), listed(sockets),
                    row.anyone ? "whoever can connect" : "peers with the word"});
  }
  return rows;
}

std::vector<Row> events() {
  std::vector<Row> rows = {{"event", "severity", "told once in", "what happened"}};
  for (const config::EventRow& row : config::events()) {
    const auto window = std::chrono::floor<std::chrono::minutes>(row.window);
    rows.push_back({code(row.name), std::string(config::name_of(row.severity)), std::to_string(window.count()) + " min",
                    std::string(row.text)});
  }
  return rows;
}

std::vector<Row> states() {
  std::vector<Row> rows = {{"state", "NIST SP 800-57", "signs", "published", "its signatures count", "may become"}};
  for (const keymgmt::StateRow& row : keymgmt::key_states()) {
    std::vector<std::string> next;
    for (const keymgmt::StateRow& other : keymgmt::key_states()) {
      if (keymgmt::may_become(row.state, other.state)) next.push_back(code(other.name));
    }
    rows.push_back({code(row.name), std::string(row.nist), yes_no(row.signs), yes_no(row.published),
                    yes_no(row.verifies), listed(next)});
  }
  return rows;
}

std::vector<Row> key_events() {
  std::vector<Row> rows = {{"event", "from", "to", "only when", "else"}};
  for (const keymgmt::Transition& each : keymgmt::transitions()) {
    const std::string reason(each.guard->reason);
    rows.push_back({code(keymgmt::name_of(each.event)), code(keymgmt::name_of(each.from)),
                    code(keymgmt::name_of(each.to)), std::string(each.guard->name),
                    reason.empty() ? "–" : code(reason)});
  }
  return rows;
}

std::vector<Row> statements() {
  std::vector<Row> rows = {{"type", "role that signs", "format", "schema_id", "algorithms"}};
  for (const statement::StatementRow& row : statement::statement_rows()) {
    std::vector<std::string> algorithms = {code(keymgmt::name_of(keymgmt::Algorithm::Ed25519))};
    if (row.p256) algorithms.push_back(code(keymgmt::name_of(keymgmt::Algorithm::P256)));
    rows.push_back({code(row.name), std::string(keymgmt::name_of(row.role)), std::string(name_of(row.format)),
                    code(row.schema_id), listed(algorithms)});
  }
  return rows;
}

std::vector<Row> ceremony_steps() {
  std::vector<Row> rows = {{"step", "does", "opens a token", "asks the signer"}};
  for (const ceremony::StepRow& row : ceremony::step_rows()) {
    rows.push_back({code(row.name), std::string(row.does), yes_no(row.token), yes_no(row.signer)});
  }
  return rows;
}

std::vector<Row> ceremony_differences() {
  std::vector<Row> rows = {{"may differ", "because"}};
  for (const ceremony::MayDiffer& row : ceremony::may_differ()) rows.push_back({code(row.path), std::string(row.why)});
  return rows;
}

struct Table {
  std::string_view name;
  std::vector<Row> (*rows)();
};
constexpr Table kTables[] = {
    {"errors", errors},         {"operations", operations},         {"events", events},
    {"key-lifecycle", states},  {"key-events", key_events},

    {"statements", statements}, {"ceremony-steps", ceremony_steps}, {"ceremony-differences", ceremony_differences}};

void print(const Row& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += " " + cell + " |";
  std::puts(line.c_str());
}

int print_table(std::string_view name) {
  for (const Table& table : kTables) {
    if (table.name != name) continue;
    const std::vector<Row> rows = table.rows();
    print(rows.front());
    print(Row(rows.front().size(), "---"));
    std::for_each(rows.begin() + 1, rows.end(), print);
    return 0;
  }
  std::fputs("print_table errors | operations | events | key-lifecycle | key-events | statements\n", stderr);
  return 6;
}

}  // namespace
}  // namespace countersign

int main(int argc, char** argv) {
  return countersign::print_table(argc == 2 ? argv[1] : "");
}
