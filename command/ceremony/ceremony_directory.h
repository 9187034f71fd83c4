// A ceremony's directory: the plan, who signed it, the rehearsal's transcript and the real one, and who signed that.
//   intent.yaml                what is reviewed and signed
//   binding.yaml               the machine's side (ceremony_binding.h)
//   plan-signatures/NAME       OpenSSH signature (ssh-keygen -Y sign) or the JSON of a root key's
//   rehearsal.jsonl            of `ceremony rehearse`
//   transcript.jsonl           of `ceremony run`
//   transcript-signatures/NAME
//   transcript.txt, .html      for reading; made anew from the transcript
#pragma once

#include <string>
#include <vector>

#include "common/locked_file.h"
#include "keymgmt/ceremony/approval.h"
#include "keymgmt/ceremony/intent.h"
#include "keymgmt/ceremony/transcript.h"

namespace countersign::command {

class CeremonyDirectory {
 public:
  explicit CeremonyDirectory(std::string path) : path_(std::move(path)) {}

  std::string intent_file() const { return path_ + "/intent.yaml"; }
  std::string binding_file() const { return path_ + "/binding.yaml"; }
  std::string rehearsal_file() const { return path_ + "/rehearsal.jsonl"; }
  std::string transcript_file() const { return path_ + "/transcript.jsonl"; }
  std::string reading_file(std::string_view ending) const { return path_ + "/transcript." + std::string(ending); }
  std::string signature_file(ceremony::Subject subject, const std::string& custodian) const;

  Result<ceremony::Intent> intent() const;
  // Every signature that lies there. What is no signature fails with Invalid, naming the file.
  Result<std::vector<ceremony::Approval>> signatures(ceremony::Subject subject) const;
  Status add(ceremony::Subject subject, const ceremony::Approval& approval) const;
  // One process at a time runs a ceremony. Fails with Conflict (ceremony_running).
  Result<LockedFile> lock() const;

 private:
  std::string path_;
};

}  // namespace countersign::command
