// The last event in a key's life (key_custody.h). The token comes first: what the ledger calls destroyed is gone.
#include "signer/config/role_marks.h"
#include "signer/config/rotation_times.h"
#include "signer/daemon/key_custody.h"

namespace countersign::daemon {

using keymgmt::Keys;
using keymgmt::PublishedKey;

Status KeyCustody::may_destroy(std::string_view kid) const {
  const Keys& keys = ring_.set().keys();
  const PublishedKey* key = keymgmt::key_of_kid(keys, kid);
  if (key == nullptr) {
    return Error{ErrorCode::NotFound, "no key is called " + std::string(kid.substr(0, 64)), "unknown_key"};
  }
  RETURN_IF_ERROR(store_.time_guard().check());
  RETURN_IF_ERROR(keymgmt::moved(*key, keymgmt::KeyEvent::Destroy, keymgmt::facts_about(*key, keys, {}, now()), keys,
                                 {}, config::rotation_times(config_)));
  return ok();
}

Result<KeyCustody::Change> KeyCustody::destroy_plan(const std::string& kid, const std::string& reason,
                                                    const Caller& caller) const {
  RETURN_IF_ERROR(may_destroy(kid));
  const Keys& keys = ring_.set().keys();
  const PublishedKey& key = *keymgmt::key_of_kid(keys, kid);
  Change change;
  ASSIGN_OR_RETURN(PublishedKey destroyed, keymgmt::moved(key, keymgmt::KeyEvent::Destroy,
                                                          keymgmt::facts_about(key, keys, {}, now().whole_seconds()),
                                                          keys, {}, config::rotation_times(config_)));
  change.steps.push_back(std::move(destroyed));
  change.why.peer_uid = caller.uid;
  change.why.request_id = caller.request_id;
  change.why.reason = reason;
  // A holder that found it at its start would go on believing it is there.
  if (key.token == config::serving_token(config_, key.role)) change.end_holders.insert(key.role);
  return change;
}

void KeyCustody::destroy(const std::string& kid, const std::string& reason, const Caller& caller, Done done) {
  carry_out([this, kid, reason, caller] { return destroy_plan(kid, reason, caller); },
            [this, kid](const Keys&) {
              return Json::object({{"destroyed", kid}, {"key_set_version", ring_.set().version()}});
            },
            std::move(done));
}

}  // namespace countersign::daemon
