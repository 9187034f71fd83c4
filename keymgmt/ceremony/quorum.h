// Who decides about keys: the custodians, and how many of them it takes. A custodian is a person, known by a root key
// of their own and by SSH keys; however many keys of theirs sign, they count once.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "common/strict_yaml.h"
#include "keymgmt/public_key.h"

namespace countersign::ceremony {

struct Custodian {
  std::string name;                            // as people write it
  std::string name_key;                        // two spellings of one person have one (common/text.h)
  std::optional<keymgmt::PublicKey> root_key;  // Ed25519 or P-256: TUF's root and targets, plan and transcript
  std::vector<std::string> ssh_keys;           // public key lines: plan and transcript
};

struct Quorum {
  int threshold = 0;
  std::vector<Custodian> custodians;

  const Custodian* find(std::string_view name) const;  // by any spelling
  // Everybody's; empty where one of them has none: such a quorum signs plans and transcripts, no root.
  std::vector<keymgmt::PublicKey> root_keys() const;
  // {"threshold","custodians":[{"name","root_key" (PEM),"ssh_keys"}]}: also what the YAML of an intent says.
  Json to_json() const;
  std::string digest() const { return to_json().digest().hex(); }
};

// Both strict. Fail with Invalid where a member is unknown, missing or mistyped, where two custodians share a name or a
// key, and with Refused where the rules of a quorum are not kept: "quorum_too_small" (one person alone is none),
// "threshold_not_below_all" (one lost key would end it).
Result<Quorum> read_quorum(const YamlNode& node, const std::string& path);
Result<Quorum> read_quorum(const Json& json);

}  // namespace countersign::ceremony
