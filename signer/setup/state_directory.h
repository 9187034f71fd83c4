// What the two first setups share (`init` for trying out, `establish` at the end of a first ceremony): the state
// directory, the mark of one that is not finished, and the first publication.
#pragma once

#include <string>

#include "common/result.h"
#include "keymgmt/key_set.h"
#include "signer/config/config.h"
#include "signer/ledger/store.h"

namespace countersign::setup {

// What cannot be looked at counts as there: nothing is made in its place.
bool is_there(const std::string& path);

// Says, while it is there, that keys without a ledger are an unfinished setup of ours and not a lost ledger.
class UnfinishedMark {
 public:
  explicit UnfinishedMark(const std::string& state) : path_(state + "/setup-unfinished") {}
  bool set() const { return is_there(path_); }
  Status put() const;
  Status remove() const;

 private:
  std::string path_;
};

// The ledger's keys, written to the publication directory where there is one.
Result<keymgmt::KeySet> publish(const ledger::Store& store, const config::Config& config, UtcTime now);

}  // namespace countersign::setup
