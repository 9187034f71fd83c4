#include <filesystem>
#include <utility>

#include "signer/config/sections.h"

namespace countersign::config {

void Findings::error(std::string path, std::string message, std::string hint) {
  all_.push_back(Finding{true, std::move(path), std::move(message), std::move(hint)});
}

void Findings::warning(std::string path, std::string message, std::string hint) {
  all_.push_back(Finding{false, std::move(path), std::move(message), std::move(hint)});
}

void Findings::add(const Error& error) {
  const std::size_t end = error.detail.find(' ');
  if (end == std::string::npos) return this->error("", error.detail, error.hint);
  this->error(error.detail.substr(0, end), error.detail.substr(end + 1), error.hint);
}

Json Finding::to_json() const {
  return Json::object(
      {{"severity", error ? "error" : "warning"}, {"path", path}, {"message", message}, {"hint", hint}});
}

std::string Reading::absolute(const std::string& path) const {
  if (path.empty()) return path;
  return (std::filesystem::path(folder) / path).lexically_normal().string();
}

std::string at_line(const YamlNode& node) {
  return " (line " + std::to_string(node.line) + ")";
}

}  // namespace countersign::config
