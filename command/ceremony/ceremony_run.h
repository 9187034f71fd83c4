// One ceremony from its first line to its last, on a console. Every step is written down before it is tried and after
// it is done, and doing a step again that is done changes nothing, so that whatever ends this process (Ctrl-C, kill -9,
// the power), running it again goes on where it was.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command/ceremony/ceremony_binding.h"
#include "command/line/console.h"
#include "keymgmt/ceremony/approval.h"
#include "keymgmt/ceremony/intent.h"
#include "keymgmt/ceremony/transcript.h"
#include "keymgmt/publication/signing_request.h"
#include "signer/channel/holder_custody.h"
#include "signer/client/signer_client.h"
#include "signer/custody/pin_store.h"

namespace countersign::command {

struct RunSettings {
  ceremony::Intent intent;  // as it is written down
  // What the signer gets: the same text, or in a rehearsal one with stand-ins for what a scratch appliance cannot have.
  std::string sent_intent;
  std::vector<ceremony::Approval> approvals;
  std::map<std::string, std::string> stand_ins;  // kid in the plan → kid on the scratch appliance
  Binding binding;
  std::string directory;   // the ceremony's; empty in a rehearsal
  std::string transcript;  // path
  std::string rehearsal;   // path of the transcript to compare with; empty: none
  bool rehearsing = false;
  bool wait = false;                            // for a gate to open, instead of stopping
  std::map<std::string, std::string> initials;  // by name; who is not in it is asked
  std::string accept;                           // why a deviation is accepted; empty: it stops
  std::string backup;                           // where the backup of keys is, for steps that demand one
  std::string configuration;                    // its path, for `countersignd establish`
  std::function<Status()> start_appliance;      // once its ledger is there; a rehearsal's. In earnest a person does it
  bool fresh = false;                           // `run`: there must be no transcript yet; `resume`: there must
};

// Where countersign, countersignd and countersign-holder lie together.
std::string programs_folder();

class CeremonyRun {
 public:
  CeremonyRun(RunSettings settings, Console& console);

  // Fails with ApprovalRequired (cutover_too_early, exit 4) where a gate is still shut, with Refused (deviation) where
  // a step went otherwise than rehearsed, with Unavailable (interrupted) after Ctrl-C; the hint says how to go on.
  Status run();
  const ceremony::Transcript& transcript() const { return transcript_; }

 private:
  Status begin();
  Status look_at_tokens();
  Status take(std::size_t number);
  Result<Json> act(std::size_t number, bool resumed);
  Result<Json> generate(const ceremony::Step& step, bool resumed);
  Result<Json> stage(std::size_t number, const ceremony::Step& step);
  Result<Json> activate(std::size_t number, const ceremony::Step& step);
  Result<Json> halt(std::size_t number, const ceremony::Step& step);
  Result<Json> destroy(std::size_t number, const ceremony::Step& step);
  Result<Json> establish(std::size_t number);
  Result<Json> custodians(std::size_t number, const ceremony::Step& step);
  // Gives `body` what custodians signed of what the signer proposes for `asked`, where what is published has a root;
  // nothing where it has none. Gives what the transcript says of it. Fails with ApprovalRequired (signatures_needed).
  Result<Json> add_publication(std::size_t number, const Json& asked, Json& body);
  Result<Json> signed_publication(std::size_t number, const publication::SigningRequest& proposed, Json& body);
  Status open();
  Result<Json> ask_signer(std::size_t number, Json body);
  Result<Json> on_token(const std::string& token, channel::CustodyRequest request);
  Result<Json> initials();
  Status compare_last();
  Status accept_deviation();
  Status write(std::string_view kind, Json members);
  Status exception(const std::string& what);
  Status end();
  Result<Json> key_named(const std::string& kid);  // of the signer's set
  const Json* made_key(const std::string& label) const;
  std::string sent_kid(const std::string& kid) const;
  std::size_t steps_done() const;

  RunSettings settings_;
  Console& console_;
  ceremony::Transcript transcript_;
  std::optional<ceremony::Transcript> rehearsed_;
  client::SignerClient signer_;
  custody::PinStore pins_;
  std::string plan_;  // digest of what the signer got
};

}  // namespace countersign::command
