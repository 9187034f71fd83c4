// Wraps a command, or a call that a framework shaped, in a program of its own:
//   guarded_tool GATE SIGNER TRUST [--approval FILE]… -- CMD…
//   guarded_tool GATE SIGNER TRUST [--approval FILE]… --call ADAPTER CALL.json
// The command runs, or the call is made, only after a signed allow for exactly it, and once. Exit 3 where it was not
// allowed; stderr says why and, where approvals are missing, how to approve.
#include <countersign/guarded_gate.h>

#include <fstream>
#include <iostream>
#include <sstream>

using namespace countersign::guard;

namespace {

// Who acts, from where: the program's own knowledge, never the model's.
const std::string kContext = R"({"identity":"ops-agent@company.example","workspace":"/srv","risk_class":"low"})";

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

int said(const Outcome& done) {
  if (done.ran) return done.status < 0 ? 0 : done.status;
  std::cerr << "not run: " << done.code << ": " << done.message << "\n";
  if (!done.approve.empty()) std::cerr << done.approve << "\n";
  return 3;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 5) return 6;
  Gate gate({.gate = words[0], .signer = words[1], .trust = words[2]});
  Request request;
  std::size_t at = 3;
  for (; at + 1 < words.size() && words[at] == "--approval"; at += 2) {
    request.approvals.push_back(text_of(words[at + 1]));
  }
  if (words[at] == "--call" && at + 2 < words.size()) {
    request.intent = intent_of_call(words[at + 1], text_of(words[at + 2]), kContext);
    return said(gate.call(request, [] { std::cout << "the tool was called\n"; }));
  }
  const std::vector<std::string> command(words.begin() + static_cast<std::ptrdiff_t>(at) + 1, words.end());
  request.intent = intent_of_command("sh.echo", command, kContext);
  return said(gate.run(command, request));
}
