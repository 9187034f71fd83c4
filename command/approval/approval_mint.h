// One approver's consent, minted by the approval key once the signer has seen who they are.
#pragma once

#include "command/line/arguments.h"
#include "common/json.h"
#include "common/result.h"
#include "signer/client/signer_client.h"
#include "signer/statement/statement.h"

namespace countersign::command {

// The token as the signer signed it. `arguments` say how the approver proves it (kSshKeyFlag, kProofFlag). Fails as the
// signer refuses: not of the roster, beyond scope or time, the requester, nothing that waits.
Result<Json> mint_approval(const Arguments& arguments, client::SignerClient& signer,
                           const statement::ApprovalTokenFields& fields);

}  // namespace countersign::command
