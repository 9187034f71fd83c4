// Who verifies what the signer signs, and must know a new key before it signs: the file that `publication.roster`
// names.
#pragma once

#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "keymgmt/rotation.h"

namespace countersign::config {

struct Verifier {
  std::string name;
  std::vector<keymgmt::Role> roles;  // whose keys it verifies; empty: all
  std::string ssh_key;               // its own key, which signs its acknowledgements: an OpenSSH line
  std::string pem;                   // or a PEM
};

struct Roster {
  std::vector<Verifier> verifiers;
  std::vector<keymgmt::Role> closed;  // roles whose verifiers are all listed

  const Verifier* find(std::string_view name) const;
  // Everybody who must acknowledge a key of the role; empty where its roster is open.
  std::vector<std::string> closed_for(keymgmt::Role role) const;
  keymgmt::Rosters rosters() const;
  // {"closed","verifiers":[{"name","pem"?,"roles","ssh_key"?}]}, and the hex SHA-256 of its canonical form: what
  // custodians agree to in a ceremony.
  Json to_json() const;
  std::string digest() const { return to_json().digest().hex(); }
};

// Strict. An empty path: every roster is open. Fails with Invalid, naming the file and the member: also two verifiers
// of one name or one key, and a closed role without a verifier.
Result<Roster> read_roster(const std::string& path);

}  // namespace countersign::config
