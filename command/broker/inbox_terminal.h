// The broker's queue in the terminal: a list, and words by which a person looks and answers.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "command/broker/broker_desk.h"
#include "command/line/console.h"
#include "common/result.h"

namespace countersign::command {

class InboxTerminal {
 public:
  // `next_line` gives what the person typed, and nothing at the end. All outlive this.
  InboxTerminal(BrokerDesk& desk, Console& console, std::function<std::optional<std::string>()> next_line)
      : desk_(desk), console_(console), next_line_(std::move(next_line)) {}

  // Lists what waits and answers until the person quits. What is refused is told, and goes on. Fails where the broker
  // cannot be asked to begin with.
  Status run();

 private:
  struct Word;
  struct Item {
    std::string id;
    bool proposal = false;
    std::int64_t version = 0;  // of a proposal, as the person saw it last
  };
  Status list();
  void act(const std::string& line);
  // The id that a number of the list, or an id itself, names.
  Result<Item> item_named(std::string_view text) const;
  Result<Json> show(const Item& item);

  Status do_show(std::string_view rest);
  Status do_approve(std::string_view rest);
  Status do_override(std::string_view rest);
  Status do_reject(std::string_view rest);
  Status do_review(std::string_view rest);
  Status do_history(std::string_view rest);
  Status do_list(std::string_view rest);

  BrokerDesk& desk_;
  Console& console_;
  std::function<std::optional<std::string>()> next_line_;
  std::vector<Item> items_;
};

}  // namespace countersign::command
