#include "command/dispatch.h"

#include <algorithm>

#include "command/command_table.h"
#include "command/evidence/automatic_incident.h"
#include "command/line/key_files.h"
#include "command/line/padded.h"

namespace countersign::command {
namespace {

constexpr Flag kEveryFlag[] = {
    {"json", Flag::Kind::Switch, "", "one JSON value on stdout, nothing else there"},
    {"help", Flag::Kind::Switch, "", "this text"},
    {"h", Flag::Kind::Switch, "", ""},
};

std::vector<std::string_view> words_of(const Command& command) {
  std::vector<std::string_view> words;
  for (std::string_view rest = command.words; !rest.empty();) {
    const std::size_t space = std::min(rest.find(' '), rest.size());
    words.push_back(rest.substr(0, space));
    rest.remove_prefix(std::min(space + 1, rest.size()));
  }
  return words;
}

// The command with the most words that begin `arguments`; null where none does.
const Command* command_for(std::span<const std::string> arguments) {
  const Command* best = nullptr;
  std::size_t most = 0;
  for (const Command& command : all_commands()) {
    const std::vector<std::string_view> words = words_of(command);
    if (words.size() > most && words.size() <= arguments.size() &&
        std::ranges::equal(words, arguments.first(words.size()))) {
      best = &command;
      most = words.size();
    }
  }
  return best;
}

// What was asked for, with its second word where the first one begins commands.
std::string name_of_unknown(std::span<const std::string> words) {
  const bool begins = std::ranges::any_of(all_commands(), [&](const Command& each) {
    return words_of(each).size() > 1 && words_of(each).front() == words[0];
  });
  return begins && words.size() > 1 && !words[1].starts_with('-') ? words[0] + " " + words[1] : words[0];
}

std::string help_of(const Command& command) {
  std::string text = "countersign " + std::string(command.words) + " " + std::string(command.synopsis) + "\n\n" +
                     std::string(command.summary) + ".\n";
  if (!command.manual.empty()) text += "\n" + std::string(command.manual) + "\n";
  text += "\n";
  const auto add = [&text](const Flag& flag) {
    if (flag.meaning.empty()) return;
    const std::string value = flag.value.empty() ? std::string() : " " + std::string(flag.value);
    text += padded("  --" + std::string(flag.name) + value + " ", 34) + std::string(flag.meaning) + "\n";
  };
  std::ranges::for_each(command.flags, add);
  for (const Flag& flag : key_file_flags(command.words)) {
    if (std::ranges::find(command.flags, flag.name, &Flag::name) == command.flags.end()) add(flag);
  }
  std::ranges::for_each(kEveryFlag, add);
  return text + "\nExample:\n  " + std::string(command.example) + "\n";
}

std::string overview() {
  std::string text =
      "countersign: asks for verdicts, approvals and signatures of a Countersign appliance.\n\n"
      "usage: countersign COMMAND [flags]      (countersign COMMAND --help tells more)\n\n";
  for (const Command& command : all_commands()) {
    text += padded("  " + std::string(command.words) + " ", 20) + std::string(command.summary) + "\n";
  }
  return text +
         "\nThe signer is found by --signer or $COUNTERSIGN_SIGNER, else at /run/countersign/sign.sock.\n"
         "Exit codes: 0 done, allow; 1 internal; 2 verification failed; 3 block, refused; 4 approval required;\n"
         "5 not found; 6 invalid input; 7 signer unavailable.\n";
}

// gait's `--explain`: one sentence about the command, and nothing is done.
bool is_explained(const Command& command, std::span<const std::string> words, bool json) {
  if (command.shape != Shape::Gait || std::ranges::find(words, "--explain") == words.end()) return false;
  return !json || std::ranges::find(command.flags, "explain", &Flag::name) == command.flags.end();
}

// Whether gait has read `--json` when it meets the word it refuses; before that it speaks plain text.
bool json_was_read(std::span<const Flag> flags, Positionals positionals, std::span<const std::string> words) {
  for (std::size_t read = words.size(); read-- > 0;) {
    const Result<Arguments> before = Arguments::parse(flags, positionals, words.first(read));
    if (before) return before->is_on("json");
  }
  return false;
}

int fail(Call& call, Shape shape, std::string_view words, const Error& error) {
  call.failure = error;
  if (call.json) {
    if (shape == Shape::Gait) {
      answer_as_gait(call, gait_error(error));
    } else {
      call.console.answer(our_error(error).compact() + "\n");
    }
  }
  tell_refusal(call, words, error);
  if (!error.hint.empty()) call.console.tell("hint: " + error.hint);
  return row_of(error.code).exit_code;
}

}  // namespace

int dispatch(std::vector<std::string> argv, Console& console) {
  Call call{std::move(argv), console};
  const std::span<const std::string> words = std::span(call.argv).subspan(call.argv.empty() ? 0 : 1);
  if (words.empty() || words[0] == "help" || words[0] == "--help" || words[0] == "-h" || words[0] == "-help") {
    const Command* asked = words.size() > 1 ? command_for(words.subspan(1)) : nullptr;
    console.answer(asked == nullptr ? overview() : help_of(*asked));
    return words.empty() ? 6 : 0;
  }
  call.json = asks_for_json(words);
  const Command* command = command_for(words);
  if (command == nullptr) {
    return fail(call, Shape::Ours, "countersign",
                Error{ErrorCode::Invalid, "there is no command \"" + name_of_unknown(words) + "\"", "unknown_command",
                      "`countersign help` lists the commands"});
  }

  if (is_explained(*command, words, call.json)) {
    console.answer(
        (command->explanation.empty() ? std::string(command->summary) + "." : std::string(command->explanation)) +
        "\n");
    return 0;
  }
  std::vector<Flag> flags(command->flags.begin(), command->flags.end());
  flags.insert(flags.end(), std::begin(kEveryFlag), std::end(kEveryFlag));
  const std::span<const Flag> key_flags = key_file_flags(command->words);
  flags.insert(flags.end(), key_flags.begin(), key_flags.end());
  const std::span<const std::string> rest = words.subspan(words_of(*command).size());
  const Result<Arguments> arguments = Arguments::parse(flags, command->positionals, rest);
  if (!arguments && command->shape == Shape::Gait) call.json = json_was_read(flags, command->positionals, rest);
  if (!arguments) return fail(call, command->shape, command->words, arguments.error());
  if (arguments->is_on("help") || arguments->is_on("h")) {
    console.answer(help_of(*command));
    return 0;
  }
  call.json = arguments->is_on("json");

  const Result<int> acted = command->act(call, *arguments);
  const int exit_code = acted ? *acted : fail(call, command->shape, command->words, acted.error());
  open_incident_of(*command, call, *arguments, exit_code);
  if (!acted) return exit_code;
  if (!console.complete()) {
    // What was asked for is done (a token may be minted), but nobody has the answer.
    console.tell(std::string(command->words) + " error: the answer could not be written to stdout");
    return 1;
  }
  return exit_code;
}

}  // namespace countersign::command
