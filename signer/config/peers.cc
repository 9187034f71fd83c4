// Section `peers`.
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "signer/config/operation.h"
#include "signer/config/sections.h"

namespace countersign::config {
namespace {

PeerConfig read_peer(Reading& reading, const YamlNode& node, const std::string& path) {
  Findings& findings = reading.findings;
  PeerConfig peer;
  YamlFields fields(node, path);
  if (int{fields.has("user")} + int{fields.has("uid")} + int{fields.has("group")} != 1) {
    findings.error(path, "must name exactly one of user, uid and group" + at_line(node));
  }
  if (fields.has("user")) {
    const std::string name = findings.keep(fields.text("user", ""));
    const passwd* entry = getpwnam(name.c_str());
    if (entry == nullptr) {
      findings.error(path + ".user", "names no user of this system: " + name + at_line(node),
                     "adduser --system " + name);
    } else {
      peer.uid = entry->pw_uid;
    }
  }
  if (fields.has("uid")) {
    peer.uid = static_cast<std::uint32_t>(findings.keep(fields.integer("uid", 0, 0, 4294967294)));
  }
  if (fields.has("group")) {
    const std::string name = findings.keep(fields.text("group", ""));
    const group* entry = getgrnam(name.c_str());
    if (entry == nullptr) {
      findings.error(path + ".group", "names no group of this system: " + name + at_line(node),
                     "addgroup --system " + name);
    } else {
      peer.gid = entry->gr_gid;
    }
  }
  for (const std::string& word : findings.keep(fields.texts("may"))) {
    if (!operation_named(word)) {
      findings.error(path + ".may", "names no operation: " + word + at_line(node));
    } else if (std::find(peer.may.begin(), peer.may.end(), word) != peer.may.end()) {
      findings.error(path + ".may", "names " + word + " twice" + at_line(node));
    } else {
      peer.may.push_back(word);
    }
  }
  if (!fields.has("may")) findings.error(path + ".may", "is missing" + at_line(node));
  findings.keep(fields.finish());
  return peer;
}

// The members of a group that this system can list: those of /etc/group and those whose first group it is.
std::set<std::uint32_t> members_of(std::uint32_t gid) {
  std::set<std::uint32_t> members;
  std::set<std::string> names;
  if (const group* entry = getgrgid(gid)) {
    for (char** name = entry->gr_mem; *name != nullptr; ++name) names.insert(*name);
  }
  for (const std::string& name : names) {
    if (const passwd* entry = getpwnam(name.c_str())) members.insert(entry->pw_uid);
  }
  setpwent();
  while (const passwd* entry = getpwent()) {
    if (entry->pw_gid == gid) members.insert(entry->pw_uid);
  }
  endpwent();
  return members;
}

// One uid that may both ask for a trace and mint approvals could approve what it asks for.
void check_separation(Reading& reading) {
  const std::string trace(row_of(Operation::SignTrace).may);
  const std::string approval(row_of(Operation::SignApproval).may);
  std::map<std::string, std::set<std::string>> words;  // "uid 1000" / "gid 50" → everything they may
  for (const PeerConfig& peer : reading.config.peers) {
    std::set<std::string> who;
    if (peer.uid) who.insert("uid " + std::to_string(*peer.uid));
    if (peer.gid) {
      who.insert("gid " + std::to_string(*peer.gid));
      for (const std::uint32_t uid : members_of(*peer.gid)) who.insert("uid " + std::to_string(uid));
    }
    for (const std::string& one : who) words[one].insert(peer.may.begin(), peer.may.end());
  }
  for (const auto& [who, may] : words) {
    if (!may.contains(trace) || !may.contains(approval)) continue;
    const std::string message = "give " + who + " both " + trace + " and " + approval;
    if (reading.config.trial) {
      reading.findings.warning("peers", message + ": in production no one may have both");
    } else {
      reading.findings.error("peers", message, "give them to different users, or set trial: true for trying out");
    }
  }
}

}  // namespace

void read_peers(Reading& reading, YamlFields& document) {
  const YamlNode* peers = document.take("peers");
  if (peers == nullptr || peers->kind != YamlNode::Kind::Sequence || peers->sequence.empty()) {
    return reading.findings.error("peers", "must be a list with at least one peer",
                                  "peers: [{user: gate, may: [sign:trace]}]");
  }
  for (std::size_t i = 0; i < peers->sequence.size(); ++i) {
    reading.config.peers.push_back(read_peer(reading, peers->sequence[i], "peers[" + std::to_string(i) + "]"));
  }
  check_separation(reading);
}

}  // namespace countersign::config
