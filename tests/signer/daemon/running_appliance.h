// A whole appliance in a throw-away folder: real SoftHSM tokens, real holders, the real supervisor, front and notifier.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/json.h"
#include "signer/client/signer_client.h"
#include "signer/config/config.h"
#include "signer/transport/http_client.h"
#include "tests/support/child_process.h"
#include "tests/support/soft_token.h"
#include "tests/support/temporary_folder.h"

namespace countersign::test {

struct Shape {
  int trace_holders = 1;
  bool trace_p256 = false;                    // beside Ed25519, which is the default
  std::string peers = "";                     // more rows under `peers`
  std::string extra = "";                     // more of the configuration
  std::vector<std::string> environment = {};  // "NAME=value", of front and holders
};

// Looks again and again until `seen`, at most `limit`.
bool eventually(const std::function<bool()>& seen, std::chrono::milliseconds limit = std::chrono::seconds(30));

class RunningAppliance {
 public:
  // Makes tokens, keys and ledger, and starts it. Throws if it does not become ready.
  explicit RunningAppliance(const Shape& shape = {});
  ~RunningAppliance();

  // Until it is ready, or only until it answers.
  void start(bool until_ready = true);
  // What a start says that is expected to fail.
  Outcome start_failing();
  void stop();

  std::string path(const std::string& name) const { return folder_ / name; }
  std::string socket(const std::string& name = "sign") const { return path("run/" + name + ".sock"); }
  config::Config config() const;
  client::SignerClient client() const { return client::SignerClient(socket()); }
  transport::HttpClient http(const std::string& name = "sign") const { return transport::HttpClient(socket(name)); }
  Json status() const;
  // Pids of the holders of a role.
  std::vector<pid_t> holders(const std::string& role) const;

  // OpenSSH's own tool signs with the test-only key `name` ("alice", "bob", "mallory").
  Json ssh_proof(const std::string& name, const Json& token_fields) const;

 private:
  void make_key(const std::string& name) const;
  void make_role(const std::string& role, const std::vector<keymgmt::Algorithm>& algorithms);
  std::vector<std::string> argv() const;  // of whole_daemon
  TemporaryFolder folder_;
  std::vector<std::string> environment_;
  std::vector<std::unique_ptr<SoftToken>> tokens_;
  std::vector<keymgmt::PublishedKey> keys_;
  std::unique_ptr<ChildProcess> process_;
};

// What the user 65534 gets, "STATUS BODY", asked by a child that becomes that user: needs root.
std::string as_other_uid(const RunningAppliance& appliance, const std::string& method, const std::string& target,
                         const std::string& body);

// Statements as a gate would send them. `seed` makes the intent; every test uses its own.
inline constexpr const char* kPolicy = "482a34a80e02e7cbe523d30aa8d5024c9aeaf008263cb76964e2f99881cbc473";
Json digest_form(const std::string& seed);
Digest intent_digest(const std::string& seed);
Json trace_fields(const std::string& seed, const std::string& verdict, int required_approvals = 0);
Json token_fields(const std::string& seed, const std::string& approver, int ttl_seconds = 600);

}  // namespace countersign::test
