#include "signer/channel/custodian_signing.h"

#include "common/json_fields.h"

namespace countersign::channel {

Json CustodianSigning::to_json() const {
  Json::Array encoded;
  for (const Bytes& message : messages) encoded.emplace_back(to_base64(message));
  return Json::object({{"module", module},
                       {"label", label},
                       {"serial", serial},
                       {"id", id},
                       {"object", object},
                       {"algorithm", name_of(algorithm)},
                       {"messages", std::move(encoded)}});
}

Result<CustodianSigning> CustodianSigning::from_json(const Json& json) {
  JsonFields fields(json, "");
  CustodianSigning request;
  ASSIGN_OR_RETURN(request.module, fields.text("module"));
  ASSIGN_OR_RETURN(request.label, fields.text("label"));
  ASSIGN_OR_RETURN(request.serial, fields.text("serial"));
  ASSIGN_OR_RETURN(request.id, fields.text("id"));
  ASSIGN_OR_RETURN(request.object, fields.text("object"));
  ASSIGN_OR_RETURN(const std::string algorithm, fields.text("algorithm"));
  const std::optional<keymgmt::Algorithm> named = keymgmt::algorithm_named(algorithm);
  if (!named) return fields.wrong("algorithm", "is not ed25519 or p256");
  request.algorithm = *named;
  ASSIGN_OR_RETURN(const std::vector<std::string> encoded, fields.texts("messages"));
  RETURN_IF_ERROR(fields.finish());
  for (const std::string& each : encoded) {
    ASSIGN_OR_RETURN(Bytes message, from_base64(each));
    request.messages.push_back(std::move(message));
  }
  if (request.label.empty() && request.serial.empty()) return fields.wrong("label", "or serial must name the token");
  if (request.id.empty() && request.object.empty()) return fields.wrong("object", "or id must name the key");
  return request;
}

}  // namespace countersign::channel
