#include "signer/setup/soft_hsm.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/digest.h"
#include "common/durable_file.h"
#include "common/softhsm_conf.h"
#include "signer/setup/ownership.h"

namespace countersign::setup {
namespace {

constexpr std::size_t kPinBytes = 16;  // 32 hex digits, 128 bits

std::string conf_of(const config::TokenConfig& token) {
  const auto found = token.environment.find("SOFTHSM2_CONF");
  return found == token.environment.end() ? "" : found->second;
}

std::string directory_of(const std::string& conf) {
  return (std::filesystem::path(conf).parent_path() / "tokens").string();
}

// The directory an existing configuration names; ours where there is none.
std::string token_directory(const std::string& conf) {
  const Result<std::string> text = read_file(conf);
  const std::string named = text ? softhsm_tokendir(*text) : "";
  return named.empty() ? directory_of(conf) : named;
}

}  // namespace

bool is_soft_hsm(const config::TokenConfig& token) {
  return std::filesystem::path(token.module).filename().string().find("softhsm") != std::string::npos;
}

Status make_soft_hsm_place(const config::TokenConfig& token) {
  const std::string conf = conf_of(token);
  if (conf.empty()) {
    return Error{ErrorCode::Invalid, "token " + token.name + " names no SOFTHSM2_CONF", "",
                 "environment: {SOFTHSM2_CONF: FILE} gives it a directory of its own"};
  }
  const std::string directory = token_directory(conf);
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(directory).parent_path(), error);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error{ErrorCode::Unavailable, "cannot make " + directory + ": " + std::strerror(errno)};
  }
  if (!std::filesystem::exists(conf, error)) {
    RETURN_IF_ERROR(write_durable(conf,
                                  "directories.tokendir = " + directory +
                                      "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n",
                                  0600));
  }
  return give_token_place(token, conf, directory);
}

bool has_tokens(const config::TokenConfig& token) {
  std::error_code error;
  const std::filesystem::directory_iterator entries(token_directory(conf_of(token)), error);
  return !error && entries != std::filesystem::directory_iterator();
}

Status make_pin_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::exists(std::filesystem::symlink_status(path, error))) return ok();
  return write_durable(path, to_hex(random_bytes(kPinBytes)) + "\n", 0400);
}

std::string so_pin_file(const config::Config& config, const config::TokenConfig& token) {
  return config.state + "/so-pins/" + token.name;
}

}  // namespace countersign::setup
