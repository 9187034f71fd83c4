#include "keymgmt/ceremony/approval.h"

#include <algorithm>
#include <set>

#include "common/digest.h"
#include "common/json_fields.h"
#include "signer/statement/approval_proof.h"

namespace countersign::ceremony {

std::string_view name_of(Subject subject) {
  return subject == Subject::Plan ? "plan" : "transcript";
}

std::string_view namespace_of(Subject subject) {
  return subject == Subject::Plan ? "ceremony-plan@countersign" : "ceremony-transcript@countersign";
}

std::string root_statement(Subject subject, std::string_view custodian, std::string_view content) {
  return Json::object({{"_type", "countersign-ceremony"},
                       {"about", name_of(subject)},
                       {"custodian", custodian},
                       {"sha256", sha256(content).hex()}})
      .canonical();
}

Json Approval::to_json() const {
  return Json::object(
      {{"custodian", custodian}, {"kind", kind == Kind::Ssh ? "ssh" : "root_key"}, {"signature", signature}});
}

Result<Approval> Approval::from_json(const Json& json) {
  JsonFields fields(json, "approvals");
  Approval approval;
  ASSIGN_OR_RETURN(approval.custodian, fields.text("custodian"));
  ASSIGN_OR_RETURN(const std::string kind, fields.text("kind"));
  if (kind != "ssh" && kind != "root_key") return fields.wrong("kind", "is not ssh or root_key");
  approval.kind = kind == "ssh" ? Kind::Ssh : Kind::RootKey;
  ASSIGN_OR_RETURN(approval.signature, fields.text("signature"));
  RETURN_IF_ERROR(fields.finish());
  return approval;
}

Result<std::vector<Approval>> read_approvals(const Json& json) {
  if (!json.is_array()) return Error{ErrorCode::Invalid, "approvals is not a list"};
  std::vector<Approval> approvals;
  for (const Json& each : json.as_array()) {
    ASSIGN_OR_RETURN(Approval approval, Approval::from_json(each));
    approvals.push_back(std::move(approval));
  }
  return approvals;
}

Json approvals_json(const std::vector<Approval>& approvals) {
  Json::Array listed;
  for (const Approval& approval : approvals) listed.push_back(approval.to_json());
  return Json(std::move(listed));
}

Status verify_approval(const Quorum& quorum, Subject subject, std::string_view content, const Approval& approval) {
  const Custodian* custodian = quorum.find(approval.custodian);
  if (custodian == nullptr) {
    return Error{ErrorCode::Refused, approval.custodian.substr(0, 64) + " is no custodian of this plan",
                 "unknown_custodian"};
  }
  const std::string whose = "the signature of " + custodian->name + " under the " + std::string(name_of(subject)) + " ";
  if (approval.kind == Approval::Kind::RootKey) {
    const Result<Bytes> signature = from_base64(approval.signature);
    const bool good =
        custodian->root_key && signature &&
        custodian->root_key->verify(view_of(root_statement(subject, custodian->name, content)), *signature);
    if (good) return ok();
    return Error{ErrorCode::VerificationFailed, whose + "is not by their root key, or of another file",
                 "approval_invalid", "review the file as it is now, and sign it again"};
  }
  Status last = Error{ErrorCode::VerificationFailed, "they have no SSH key"};
  for (const std::string& line : custodian->ssh_keys) {
    last = statement::verify_ssh_signature(approval.signature, content, namespace_of(subject), line);
    if (last) return ok();
  }
  return Error{ErrorCode::VerificationFailed, whose + "does not verify: " + last.error().detail, "approval_invalid",
               "review the file as it is now, and sign it again"};
}

Result<std::vector<std::string>> approved_by(const Quorum& quorum, Subject subject, std::string_view content,
                                             const std::vector<Approval>& approvals) {
  std::set<std::string> people;  // a second signature by whichever key makes nobody two
  std::vector<std::string> names;
  for (const Approval& approval : approvals) {
    RETURN_IF_ERROR(verify_approval(quorum, subject, content, approval));
    const Custodian* custodian = quorum.find(approval.custodian);
    if (people.insert(custodian->name_key).second) names.push_back(custodian->name);
  }
  if (static_cast<int>(names.size()) >= quorum.threshold) return names;
  std::string signed_by;
  for (const std::string& name : names) signed_by += (signed_by.empty() ? "" : ", ") + name;
  return Error{ErrorCode::Refused,
               "the " + std::string(name_of(subject)) + " is signed by " + std::to_string(names.size()) + " of " +
                   std::to_string(quorum.threshold) + " custodians needed" +
                   (signed_by.empty() ? "" : " (" + signed_by + ")"),
               "under_signed", "countersign ceremony approve DIR --custodian NAME, or ssh-keygen -Y sign"};
}

}  // namespace countersign::ceremony
