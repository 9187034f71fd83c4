#include "tests/support/soft_token.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/support/child_process.h"

namespace countersign::test {
namespace {

void write_text(const std::string& path, const std::string& text, mode_t mode) {
  std::ofstream(path) << text;
  if (chmod(path.c_str(), mode) != 0) throw std::runtime_error("cannot write " + path);
}

Outcome softhsm2_util(std::vector<std::string> arguments, const std::map<std::string, std::string>& environment) {
  arguments.insert(arguments.begin(), "softhsm2-util");
  Outcome outcome = run({arguments, environment});
  if (outcome.exit_code != 0) throw std::runtime_error("softhsm2-util: " + outcome.out + outcome.err);
  return outcome;
}

std::string after_colon(const std::string& line) {
  const std::size_t start = line.find_first_not_of(' ', line.find(':') + 1);
  const std::size_t end = line.find_last_not_of(' ');
  return start == std::string::npos ? "" : line.substr(start, end - start + 1);
}

}  // namespace

SoftToken::SoftToken(const std::string& label) : label_(label) {
  std::filesystem::create_directory(tokens());
  write_text(conf(), "directories.tokendir = " + tokens() + "\nobjectstore.backend = file\nlog.level = ERROR\n", 0600);
  write_text(pin_file(), pin() + "\n", 0400);
  serial_ = initialise(label, "--free", "");
}

SecretBytes SoftToken::secret_pin() const {
  const std::string text = pin();
  return SecretBytes(Bytes(text.begin(), text.end()));
}

std::string SoftToken::initialise(const std::string& label, const std::string& where, const std::string& value) {
  std::vector<std::string> arguments = {"--init-token", "--label", label, "--so-pin", so_pin(), "--pin", pin(), where};
  if (!value.empty()) arguments.push_back(value);
  softhsm2_util(arguments, environment());
  return serial_of(label);
}

std::string SoftToken::serial_of(const std::string& label) const {
  std::istringstream lines(softhsm2_util({"--show-slots"}, environment()).out);
  std::string serial;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("Serial number:") != std::string::npos) serial = after_colon(line);
    if (line.find("Label:") != std::string::npos && after_colon(line) == label) return serial;
  }
  throw std::runtime_error("softhsm2-util lists no token " + label);
}

std::string SoftToken::add_token(const std::string& label) {
  return initialise(label, "--free", "");
}

void SoftToken::initialise_again() {
  serial_ = initialise(label_, "--token", label_);
}

std::string SoftToken::token_object() const {
  for (const auto& entry : std::filesystem::directory_iterator(tokens())) {
    // SoftHSM's serial number is the end of the folder's UUID.
    std::string digits;
    for (const char letter : entry.path().filename().string()) {
      if (letter != '-') digits.push_back(letter);
    }
    if (digits.ends_with(serial_)) return entry.path() / "token.object";
  }
  throw std::runtime_error("no folder for the token " + serial_);
}

}  // namespace countersign::test
