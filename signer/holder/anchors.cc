#include "signer/holder/anchors.h"

#include "signer/holder/blocked_signals.h"

namespace countersign::holder {
namespace {

Result<channel::Anchor> anchor_in(const pkcs11::DataObject& object) {
  ASSIGN_OR_RETURN(const Json json, Json::parse(text_of(object.value)));
  return channel::Anchor::from_json(json);
}

}  // namespace

Status write_anchor(const pkcs11::TokenSession& session, const channel::Anchor& anchor) {
  const BlockedSignals blocked;
  ASSIGN_OR_RETURN(std::vector<pkcs11::DataObject> objects, session.list_data_objects(pkcs11::kAnchorLabel));
  // The newest that reads stays beside the new one; what does not read is of no use to anybody.
  auto newest = objects.end();
  UtcTime newest_at;
  for (auto object = objects.begin(); object != objects.end(); ++object) {
    const Result<channel::Anchor> read = anchor_in(*object);
    if (!read || (newest != objects.end() && read->at < newest_at)) continue;
    newest = object;
    newest_at = read->at;
  }
  if (newest != objects.end()) objects.erase(newest);
  return session.write_data_object(pkcs11::kAnchorLabel, view_of(anchor.to_json().compact()), objects);
}

Result<Json> read_anchors(const pkcs11::TokenSession& session) {
  ASSIGN_OR_RETURN(const std::vector<pkcs11::DataObject> objects, session.list_data_objects(pkcs11::kAnchorLabel));
  Json::Array anchors;
  for (const pkcs11::DataObject& object : objects) {
    const Result<channel::Anchor> anchor = anchor_in(object);
    if (anchor) {
      anchors.push_back(anchor->to_json());
      continue;
    }
    const std::string why =
        object.value.empty() ? "is empty: its writing was interrupted" : "does not read: " + anchor.error().detail;
    anchors.push_back(Json::object({{"finding", "an anchor on token " + session.token().label + " " + why}}));
  }
  return Json(std::move(anchors));
}

}  // namespace countersign::holder
