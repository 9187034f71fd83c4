// replay_moves: reads a simulation of rotation.pml and asks the product's transition function each question that the
// model answered. Exit 0 if both always say the same; the last line says how many questions there were, by event.
#include <cstdio>
#include <iostream>
#include <map>
#include <string>

#include "keymgmt/lifecycle.h"

namespace countersign::keymgmt {
namespace {

constexpr int kRefused = 99;

struct Move {
  int key = 0;
  char event[16] = {};
  int from = 0;
  int now = 0;
  int gate = 0;
  int other_active = 0;
  int until = 0;
  int compromised = 0;
  int to = 0;
};

bool read(const std::string& line, Move& move) {
  const std::size_t at = line.find("MOVE ");
  return at != std::string::npos &&
         std::sscanf(line.c_str() + at,
                     "MOVE key=%d event=%15s from=%d now=%d gate=%d other=%d until=%d compromised=%d to=%d", &move.key,
                     move.event, &move.from, &move.now, &move.gate, &move.other_active, &move.until, &move.compromised,
                     &move.to) == 9;
}

UtcTime moment(int tick) {
  return UtcTime::from_unix(1'800'000'000 + tick);
}

int answer_of_the_product(const Move& move, KeyEvent event) {
  KeyFacts facts;
  facts.now = moment(move.now);
  facts.proven = true;
  facts.published = move.from >= static_cast<int>(KeyState::Staged);
  facts.gate_opens = moment(move.gate);
  facts.other_active = move.other_active != 0;
  facts.verify_until = moment(move.until);
  facts.compromised = move.compromised != 0;
  const Result<KeyState> after = next(static_cast<KeyState>(move.from), event, facts);
  return after ? static_cast<int>(*after) : kRefused;
}

int replay() {
  std::map<std::string, int> asked;
  for (std::string line; std::getline(std::cin, line);) {
    Move move;
    if (line.find("MOVE") == std::string::npos) continue;
    if (!read(line, move)) {
      std::printf("unreadable: %s\n", line.c_str());
      return 1;
    }
    const std::optional<KeyEvent> event = key_event_named(move.event);
    const int said = event ? answer_of_the_product(move, *event) : -1;
    if (said != move.to) {
      std::printf("the product says %d: %s\n", said, line.c_str());
      return 1;
    }
    ++asked[std::string(move.event) + (move.to == kRefused ? " refused" : "")];
  }
  for (const auto& [what, count] : asked) std::printf("%s: %d; ", what.c_str(), count);
  std::printf("\n");
  return 0;
}

}  // namespace
}  // namespace countersign::keymgmt

int main() {
  return countersign::keymgmt::replay();
}
