// How somebody who mints a token proves to the signer who they are.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "command/line/arguments.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "signer/client/signer_client.h"

namespace countersign::command {

inline constexpr Flag kSshKeyFlag = {"ssh-key", Flag::Kind::Text, "FILE",
                                     "the key that proves it ($COUNTERSIGN_APPROVER_KEY, else ssh-agent's only key)"};
inline constexpr Flag kProofFlag = {"proof", Flag::Kind::Text, "KIND", "ssh or unix_user; ssh where a key is found"};

// The request's member `proof`: an SSH signature in `name_space` over `message` of a fresh nonce of the signer, or the
// unix user. Fails with Invalid where no key is found that --proof ssh needs.
Result<Json> proof_of(const Arguments& arguments, client::SignerClient& signer, std::string_view name_space,
                      const std::function<std::string(std::string_view nonce, UtcTime expires_at)>& message);

}  // namespace countersign::command
