// What a gate on a socket answers with, whatever its questions look like.
#pragma once

#include <cstdint>

#include "common/json.h"
#include "common/result.h"
#include "signer/client/signer_client.h"

namespace countersign::command {

class GateAnswers {
 public:
  virtual ~GateAnswers() = default;

  // The answer to one question, an object with `verdict`, asked by `uid`: signed by the signer, or an error;
  // Unavailable without one. From any thread, each with a signer of its own.
  virtual Result<Json> evaluate(const Json& request, std::uint32_t uid, client::SignerClient& signer) = 0;
  // Reads every policy again; on any failure the old ones stay. From any thread.
  virtual Status reload() = 0;
  // {"policies":[{"path","digest"}]}
  virtual Json policies() const = 0;
};

}  // namespace countersign::command
