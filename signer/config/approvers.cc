// Section `approvers`.
#include <pwd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "common/durable_file.h"
#include "common/text.h"
#include "signer/config/approval_limits.h"
#include "signer/config/operation.h"
#include "signer/config/sections.h"

namespace countersign::config {
namespace {

constexpr std::array<std::string_view, 5> kKeyTypes = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa",
                                                       "sk-ssh-ed25519@openssh.com",
                                                       "sk-ecdsa-sha2-nistp256@openssh.com"};

// The blob of a public key line, whose first string repeats the type (RFC 4253 §6.6). The supervisor reads the
// configuration too, so nothing here may start a crypto library; the holder judges the key itself.
Result<std::string> key_blob(std::string_view line) {
  const std::size_t first = line.find(' ');
  if (first == std::string_view::npos) return Error{ErrorCode::Invalid, "is no OpenSSH public key line"};
  const std::string_view type = line.substr(0, first);
  if (std::find(kKeyTypes.begin(), kKeyTypes.end(), type) == kKeyTypes.end()) {
    return Error{ErrorCode::Invalid, "has a key of an unsupported type: " + std::string(type)};
  }
  const std::string_view rest = line.substr(first + 1);
  const Result<Bytes> blob = from_base64(rest.substr(0, rest.find(' ')));
  std::string wanted = {0, 0, 0, static_cast<char>(type.size())};
  wanted += type;
  if (!blob || blob->size() <= wanted.size() || !text_of(*blob).starts_with(wanted)) {
    return Error{ErrorCode::Invalid, "is no OpenSSH public key line"};
  }
  return std::string(text_of(*blob));
}

// A literal line, or a file ending in .pub that holds one.
Result<std::string> key_line(const Reading& reading, const std::string& text) {
  if (!text.ends_with(".pub") || text.find(' ') != std::string::npos) return std::string(trimmed(text));
  const Result<std::string> content = read_file(reading.absolute(text), 16 * 1024);
  if (!content) return Error{ErrorCode::Invalid, "cannot be read: " + content.error().detail};
  const std::string line(trimmed(*content));
  if (line.find('\n') != std::string::npos) return Error{ErrorCode::Invalid, "names a file with more than one line"};
  return line;
}

void read_proof(Reading& reading, ApproverConfig& approver, const YamlNode& node, const std::string& path) {
  Findings& findings = reading.findings;
  YamlFields fields(node, path);
  if (fields.has("ssh_key") == fields.has("unix_user")) {
    findings.error(path, "must be exactly one of ssh_key and unix_user" + at_line(node));
  }
  if (fields.has("ssh_key")) {
    const Result<std::string> line = key_line(reading, findings.keep(fields.text("ssh_key", "")));
    const Result<std::string> blob = line ? key_blob(*line) : Result<std::string>(line.error());
    if (!blob) {
      findings.error(path + ".ssh_key", blob.error().detail + at_line(node),
                     "the line of ~/.ssh/id_ed25519.pub, or its path");
    } else {
      approver.ssh_key = *line;
    }
  }
  if (fields.has("unix_user")) {
    const std::string name = findings.keep(fields.text("unix_user", ""));
    const passwd* entry = getpwnam(name.c_str());
    if (entry == nullptr) {
      findings.error(path + ".unix_user", "names no user of this system: " + name + at_line(node));
    } else {
      approver.unix_uid = entry->pw_uid;
      findings.warning(path + ".unix_user",
                       "proves an approver by the kernel's word alone: whoever runs as " + name + " approves as " +
                           approver.identity,
                       "prefer ssh_key, best one in hardware");
    }
  }
  findings.keep(fields.finish());
}

ApproverConfig read_approver(Reading& reading, const YamlNode& node, const std::string& path) {
  Findings& findings = reading.findings;
  ApproverConfig approver;
  YamlFields fields(node, path);
  approver.identity = findings.keep(fields.required_text("identity"));
  const Result<std::string> key = identity_key(approver.identity);
  if (!key) {
    findings.error(path + ".identity", "is no identity: " + key.error().detail + at_line(node));
  } else {
    approver.identity_key = *key;
  }
  if (const YamlNode* proof = fields.take("proof")) {
    read_proof(reading, approver, *proof, path + ".proof");
  } else {
    findings.error(path + ".proof", "is missing" + at_line(node), "proof: {ssh_key: LINE}");
  }
  for (const std::string& scope : findings.keep(fields.texts("scopes"))) {
    const Status judged = check_scope(scope, true);
    if (!judged) {
      findings.error(path + ".scopes", judged.error().detail + at_line(node));
    } else if (std::find(approver.scopes.begin(), approver.scopes.end(), scope) != approver.scopes.end()) {
      findings.error(path + ".scopes", "names " + scope + " twice" + at_line(node));
    } else {
      approver.scopes.push_back(scope);
    }
    if (scope == "tool:*") findings.warning(path + ".scopes", "lets them approve every tool");
  }
  if (approver.scopes.empty()) findings.error(path + ".scopes", "must list at least one scope" + at_line(node));
  if (fields.has("max_ttl")) approver.max_ttl = findings.keep(fields.duration("max_ttl", std::chrono::hours(1)));
  findings.keep(fields.finish());
  return approver;
}

// Two entries for one person would make one person count as two.
void find_shared_proofs(Reading& reading) {
  const std::vector<ApproverConfig>& approvers = reading.config.approvers;
  for (std::size_t i = 0; i < approvers.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const ApproverConfig& one = approvers[i];
      const ApproverConfig& other = approvers[j];
      const std::string path = "approvers[" + std::to_string(i) + "]";
      const std::string of_other = " approvers[" + std::to_string(j) + "]";
      if (!one.identity_key.empty() && one.identity_key == other.identity_key) {
        reading.findings.error(path + ".identity", "is, after normalisation, the identity of" + of_other);
      }
      if (!one.ssh_key.empty() && !other.ssh_key.empty() && *key_blob(one.ssh_key) == *key_blob(other.ssh_key)) {
        reading.findings.error(path + ".proof.ssh_key", "is the key of" + of_other);
      }
      if (one.unix_uid && one.unix_uid == other.unix_uid) {
        reading.findings.error(path + ".proof.unix_user", "is the user of" + of_other);
      }
    }
  }
}

}  // namespace

Status check_scope(std::string_view scope, bool wildcard_tool) {
  if (scope == "tool:*" && wildcard_tool) return ok();
  if (scope.find('*') != std::string_view::npos) {
    return Error{ErrorCode::Invalid, "holds a wildcard that is not permitted: " + std::string(scope)};
  }
  if (scope == "phase:plan" || scope == "phase:apply" || scope == "destructive:apply") return ok();
  // An approver may also be given words to delegate, and tools whose scripts they approve.
  std::string_view name;
  if (scope.starts_with("tool:")) name = scope.substr(5);
  if (wildcard_tool && scope.starts_with(kDelegateScope)) name = scope.substr(kDelegateScope.size());
  if (wildcard_tool && scope.starts_with(kScriptScope)) name = scope.substr(kScriptScope.size());
  if (name.empty() || name != trimmed(name) || lowered(name) != name || name.find(',') != std::string_view::npos) {
    return Error{ErrorCode::Invalid, "holds no scope of the form tool:NAME (lower case), phase:apply" +
                                         std::string(wildcard_tool ? ", delegate:WORD, script:TOOL" : "") +
                                         " or destructive:apply: " + std::string(scope)};
  }
  return ok();
}

void read_approvers(Reading& reading, YamlFields& document) {
  const YamlNode* approvers = document.take("approvers");
  if (approvers == nullptr) {
    return reading.findings.warning("approvers", "is missing: nobody can approve anything");
  }
  if (approvers->kind != YamlNode::Kind::Sequence) {
    return reading.findings.error("approvers", "must be a list" + at_line(*approvers));
  }
  for (std::size_t i = 0; i < approvers->sequence.size(); ++i) {
    reading.config.approvers.push_back(
        read_approver(reading, approvers->sequence[i], "approvers[" + std::to_string(i) + "]"));
  }
  find_shared_proofs(reading);
  const bool reachable =
      std::any_of(reading.config.peers.begin(), reading.config.peers.end(), [](const PeerConfig& peer) {
        return std::find(peer.may.begin(), peer.may.end(), row_of(Operation::SignApproval).may) != peer.may.end();
      });
  if (!reachable && !reading.config.approvers.empty()) {
    reading.findings.warning("peers", "give nobody sign:approval: no approver can reach the signer");
  }
}

}  // namespace countersign::config
