// What of a ceremony's directory is about the published keys:
//   publication.json                    the step, and what the signer asks custodians to sign for it
//   publication-signatures/NAME.KEYID   their signatures under exactly that
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "keymgmt/ceremony/intent.h"
#include "keymgmt/ceremony/transcript.h"
#include "keymgmt/publication/signing_request.h"

namespace countersign::command {

struct PublicationStep {
  std::int64_t step = 0;
  publication::SigningRequest request;
  std::string digest;  // of the file: signatures of another are passed over
};

class PublicationFolder {
 public:
  explicit PublicationFolder(std::string ceremony) : path_(std::move(ceremony)) {}

  // Nothing where no step waits for signatures. Fails with Invalid where the file does not read.
  Result<std::optional<PublicationStep>> asked() const;
  Status ask(std::int64_t step, const publication::SigningRequest& request) const;
  Result<std::vector<publication::CustodianSignature>> signatures(const std::string& digest) const;
  Status add(const std::string& digest, const publication::CustodianSignature& signature) const;

 private:
  std::string path_;
};

// Who signs root and targets before and after `step` of the plan, and what it may have made by then.
publication::Agreed agreed_at(const ceremony::Intent& intent, const ceremony::Transcript& transcript, std::size_t step);

}  // namespace countersign::command
