// Publishes what the ledger says of keys: the role publication signs the online metadata, each signature is recorded,
// the repository is kept in the state directory, and the publication directory is written from it. One publication at a
// time; asked for again meanwhile, it begins again with what is true then.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "keymgmt/publication/directory.h"
#include "signer/config/config.h"
#include "signer/daemon/holder_pool.h"
#include "signer/daemon/key_ring.h"
#include "signer/daemon/recorder.h"
#include "signer/transport/event_loop.h"

namespace countersign::daemon {

class Publisher {
 public:
  using Done = std::function<void(const Status&)>;
  // Somebody changed published files; they were written again.
  using Tampered = std::function<void(const std::vector<std::string>& paths)>;

  Publisher(transport::EventLoop& loop, const config::Config& config, const KeyRing& ring, HolderPool& holders)
      : loop_(loop), config_(config), ring_(ring), holders_(holders) {}

  // Reads the repository, if the role publication is configured and there is one. Fails as Repository::load.
  Status open();
  // From now on there is a recorder.
  void start(Recorder& recorder, Tampered tampered);

  // Null where custodians have signed nothing yet, or the role publication is not configured.
  const publication::Repository* repository() const { return repository_ ? &*repository_ : nullptr; }
  // What custodians signed, checked and stored. To be called before the ledger says that a key of it is published: from
  // then on no timestamp is signed that does not lead to it. Fails as Repository::with, and with Conflict while
  // writing().
  Status accept(const publication::CustodianFiles& files);

  // Publishes the ring's set as it is now. Fails with Refused (check_directory, "unsigned_key" where the custodians
  // have not signed a key that the ledger publishes), with Unavailable as holders and disk.
  void publish(Done done);
  bool publishing() const { return busy_; }
  bool writing() const { return writing_; }
  // Whether the last attempt failed and nothing was published since.
  const std::optional<Error>& trouble() const { return trouble_; }
  // The files as last published, for public.sock; null before.
  std::shared_ptr<const publication::Files> published() const { return published_; }

 private:
  struct Round;
  Status may_publish() const;
  void next_round();
  void begin_again(const std::shared_ptr<Round>& round);
  void sign(const std::shared_ptr<Round>& round, statement::StatementType type, const Json& fields,
            std::string publication::OnlineFiles::*file, std::function<void()> then);
  void write(const std::shared_ptr<Round>& round);
  void finish(const std::shared_ptr<Round>& round, const Status& status);

  transport::EventLoop& loop_;
  const config::Config& config_;
  const KeyRing& ring_;
  HolderPool& holders_;
  Recorder* recorder_ = nullptr;
  Tampered tampered_;
  std::optional<publication::Repository> repository_;
  std::shared_ptr<const publication::Files> published_;
  std::optional<Error> trouble_;
  std::vector<Done> waiting_;
  bool busy_ = false;
  bool writing_ = false;
  std::uint64_t generation_ = 0;
};

}  // namespace countersign::daemon
