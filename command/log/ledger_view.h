// A ledger as the log is held against it: that of the running signer, or a file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "command/line/command.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "signer/client/signer_client.h"

namespace countersign::command {

class LedgerView {
 public:
  virtual ~LedgerView() = default;
  // Has the whole ledger checked (docs/ledger.md), telling how far it is; gives how many records it has. Fails with
  // Refused where it is damaged.
  virtual Result<std::uint64_t> verify(Call& call) = 0;
  // The root over its first `size` records. Fails with NotFound where it has fewer.
  virtual Result<Digest> root_at(std::uint64_t size) = 0;
};

// What the running signer answers over the custodians' socket.
std::unique_ptr<LedgerView> signers_ledger(std::string admin_socket);
// `flag` is "--config" (of an appliance; its anchors are compared as well) or "--ledger": read by countersignd, which
// lies beside this program.
std::unique_ptr<LedgerView> ledger_file(std::string flag, std::string path);

// Where countersignd lies.
std::string countersignd_path();

// Has the running signer check its ledger now, and waits for the end of the round; gives the signer's last answer.
Result<Json> check_by_signer(Call& call, client::SignerClient& signer);

}  // namespace countersign::command
