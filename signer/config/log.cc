// The section `log`: the transparency log, and how much the journal says.
#include <algorithm>
#include <array>
#include <set>

#include "signer/config/sections.h"

namespace countersign::config {
namespace {

constexpr std::array<std::string_view, 4> kLogLevels = {"debug", "info", "warning", "error"};
constexpr std::chrono::milliseconds kShortest{100};
constexpr std::chrono::seconds kLongest{1};

// The name of a key in signed notes (C2SP signed-note), as the holder of the role `log` takes it.
bool is_origin(std::string_view text) {
  return !text.empty() && text.size() <= 255 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~' && c != '+'; });
}

void read_witnesses(Reading& reading, YamlFields& fields) {
  Findings& findings = reading.findings;
  LogConfig& log = reading.config.log;
  if (const YamlNode* list = fields.take("witnesses")) {
    if (list->kind != YamlNode::Kind::Sequence) findings.error("log.witnesses", "must be a list" + at_line(*list));
    for (const YamlNode& node : list->sequence) {
      YamlFields row(node, "log.witnesses");
      LogConfig::Witness witness;
      witness.key = findings.keep(row.required_text("key"));
      witness.socket = reading.absolute(findings.keep(row.required_text("socket")));
      findings.keep(row.finish());
      log.witnesses.push_back(std::move(witness));
    }
  }
  const auto most = static_cast<std::int64_t>(log.witnesses.size());
  log.witnesses_required = findings.keep(fields.integer("witnesses_required", most, 0, most), most);
}

}  // namespace

void read_log(Reading& reading, YamlFields& document) {
  static const YamlNode kNothing;
  Findings& findings = reading.findings;
  Config& config = reading.config;
  LogConfig& log = config.log;
  const YamlNode* node = document.take("log");
  YamlFields fields(node == nullptr ? kNothing : *node, "log");

  config.log_level = findings.keep(fields.text("level", config.log_level), config.log_level);
  if (std::find(kLogLevels.begin(), kLogLevels.end(), config.log_level) == kLogLevels.end()) {
    findings.error("log.level", "must be debug, info, warning or error");
  }
  log.origin = findings.keep(fields.text("origin", log.origin), log.origin);
  if (!is_origin(log.origin)) {
    findings.error("log.origin", "must be printable ASCII without spaces and \"+\"", "a URL without its scheme");
  }
  log.directory = reading.absolute(findings.keep(fields.text("directory", "")));
  if (log.directory.empty()) log.directory = config.state + "/log";
  log.publish_every = findings.keep(fields.duration("publish_every", log.publish_every));
  if (log.publish_every < kShortest || log.publish_every > kLongest) {
    findings.error("log.publish_every", "must be 100ms to 1s: the log lags by no more");
  }
  read_witnesses(reading, fields);
  if (config.role(keymgmt::Role::Log) != nullptr && log.origin == LogConfig::kDefaultOrigin) {
    findings.warning("log.origin", "is the default",
                     "give the log a name of its own before others keep its checkpoints");
  }
  findings.keep(fields.finish());
}

}  // namespace countersign::config
