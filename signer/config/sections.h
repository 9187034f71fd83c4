// The sections of countersign.yaml, each read by the file of its name. Internal to this folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/strict_yaml.h"
#include "signer/config/config.h"

namespace countersign::config {

// Collects what is wrong instead of stopping at the first.
class Findings {
 public:
  void error(std::string path, std::string message, std::string hint = {});
  void warning(std::string path, std::string message, std::string hint = {});

  // The value, or `otherwise` and an error finding.
  template <typename T>
  T keep(Result<T> result, T otherwise = {}) {
    if (result) return *std::move(result);
    add(result.error());
    return otherwise;
  }
  void keep(const Status& status) {
    if (!status) add(status.error());
  }

  const std::vector<Finding>& all() const { return all_; }

 private:
  void add(const Error& error);  // of YamlFields, whose detail begins with the path
  std::vector<Finding> all_;
};

// What every section needs to know of the file.
struct Reading {
  Config& config;
  Findings& findings;
  std::string folder;  // of the file; relative paths start here

  std::string absolute(const std::string& path) const;  // empty stays empty
};

std::string at_line(const YamlNode& node);  // " (line 12)"

// Each takes the members of its section out of the document's fields.
std::optional<process::ProcessUser> read_user(Reading& reading, YamlFields& fields, std::string_view member);
void read_users(Reading& reading, YamlFields& document);  // after read_tokens
void read_tokens(Reading& reading, YamlFields& document);
void read_roles(Reading& reading, YamlFields& document);
void read_peers(Reading& reading, YamlFields& document);
void read_approvers(Reading& reading, YamlFields& document);
void read_approvals(Reading& reading, YamlFields& document);  // and `policies`
void read_security_owner(Reading& reading, YamlFields& document);
void read_limits(Reading& reading, YamlFields& document);
void read_log(Reading& reading, YamlFields& document);

// A scope an approver may be given: "tool:NAME", "phase:plan|apply", "destructive:apply", lower case; with
// `wildcard_tool` also "tool:*", "delegate:WORD" and "script:TOOL". Fails with Invalid.
Status check_scope(std::string_view scope, bool wildcard_tool);

// Precondition: `document` is a mapping or null. The sections in the order of the file, then what concerns several.
void read_document(Reading& reading, const YamlNode& document);

}  // namespace countersign::config
