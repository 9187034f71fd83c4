// A custodian's signature under a plan or a transcript: an OpenSSH signature of the file, or one by their root key of a
// short statement that names the file's digest. Both can be checked by hand, with ssh-keygen or openssl.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "keymgmt/ceremony/quorum.h"

namespace countersign::ceremony {

enum class Subject { Plan, Transcript };
std::string_view name_of(Subject subject);       // "plan", "transcript"
std::string_view namespace_of(Subject subject);  // of ssh-keygen -Y sign -n: "ceremony-plan@countersign", …

// What a root key signs: the canonical JSON {"_type":"countersign-ceremony","about","custodian","sha256"}. TUF metadata
// of ours never has that type.
std::string root_statement(Subject subject, std::string_view custodian, std::string_view content);

struct Approval {
  enum class Kind { Ssh, RootKey };
  std::string custodian;
  Kind kind = Kind::Ssh;
  std::string signature;  // armoured SSHSIG, or base64: 64 bytes of Ed25519, r||s of P-256
  Json to_json() const;   // {"custodian","kind":"ssh"|"root_key","signature"}
  static Result<Approval> from_json(const Json& json);  // strict
};
Result<std::vector<Approval>> read_approvals(const Json& json);  // a list of them
Json approvals_json(const std::vector<Approval>& approvals);

// Fails with Refused (unknown_custodian) where the quorum has no such person, with VerificationFailed
// (approval_invalid) where none of their keys made that signature over `content`.
Status verify_approval(const Quorum& quorum, Subject subject, std::string_view content, const Approval& approval);

// The custodians who signed, each once. Fails as verify_approval does for any of them, and with Refused
// (under_signed), naming who has signed, where they are fewer than the threshold.
Result<std::vector<std::string>> approved_by(const Quorum& quorum, Subject subject, std::string_view content,
                                             const std::vector<Approval>& approvals);

}  // namespace countersign::ceremony
