#include "signer/channel/holder_custody.h"

#include <algorithm>

#include "common/json_fields.h"

namespace countersign::channel {
namespace {

struct ActRow {
  CustodyRequest::Act act;
  std::string_view name;
};
constexpr ActRow kActs[] = {{CustodyRequest::Act::Inspect, "inspect"},
                            {CustodyRequest::Act::Generate, "generate"},
                            {CustodyRequest::Act::Destroy, "destroy"}};

}  // namespace

Json CustodyRequest::to_json() const {
  return Json::object({{"module", module},
                       {"label", label},
                       {"serial", serial},
                       {"profile", profile},
                       {"trust", trust},
                       {"act", std::ranges::find(kActs, act, &ActRow::act)->name},
                       {"role", name_of(role)},
                       {"algorithm", name_of(algorithm)},
                       {"id", id},
                       {"key_label", key_label},
                       {"resumed", resumed}});
}

Result<CustodyRequest> CustodyRequest::from_json(const Json& json) {
  JsonFields fields(json, "");
  CustodyRequest request;
  ASSIGN_OR_RETURN(request.module, fields.text("module"));
  ASSIGN_OR_RETURN(request.label, fields.text("label"));
  ASSIGN_OR_RETURN(request.serial, fields.text("serial"));
  ASSIGN_OR_RETURN(request.profile, fields.text("profile"));
  ASSIGN_OR_RETURN(request.trust, fields.text("trust"));
  ASSIGN_OR_RETURN(const std::string act, fields.text("act"));
  const ActRow* row = std::ranges::find(kActs, act, &ActRow::name);
  if (row == std::end(kActs)) return fields.wrong("act", "is none");
  request.act = row->act;
  ASSIGN_OR_RETURN(const std::string role, fields.text("role"));
  const std::optional<keymgmt::Role> known = keymgmt::role_named(role);
  if (!known) return fields.wrong("role", "is not a role");
  request.role = *known;
  ASSIGN_OR_RETURN(const std::string algorithm, fields.text("algorithm"));
  const std::optional<keymgmt::Algorithm> named = keymgmt::algorithm_named(algorithm);
  if (!named) return fields.wrong("algorithm", "is not ed25519 or p256");
  request.algorithm = *named;
  ASSIGN_OR_RETURN(request.id, fields.text("id"));
  ASSIGN_OR_RETURN(request.key_label, fields.text("key_label"));
  ASSIGN_OR_RETURN(request.resumed, fields.boolean("resumed"));
  RETURN_IF_ERROR(fields.finish());
  if (request.act != Act::Inspect && request.id.size() != 32) return fields.wrong("id", "is not 32 hex digits");
  return request;
}

}  // namespace countersign::channel
