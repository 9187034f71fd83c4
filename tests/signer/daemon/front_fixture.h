// The signer from outside, for several files of tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "tests/signer/daemon/running_appliance.h"

namespace countersign::daemon {

using Answer = std::variant<client::Signed, client::Refusal>;

// An appliance of one uid for the tests of one suite, and what they ask of it.
class FrontTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { shared = std::make_unique<test::RunningAppliance>(); }
  static void TearDownTestSuite() { shared.reset(); }
  static inline std::unique_ptr<test::RunningAppliance> shared;

  static Answer sign_trace(const Json& fields, std::vector<Json> redeem = {}, const std::string& key = "") {
    client::SignRequest request{statement::StatementType::Trace, fields, std::move(redeem), {}, {}, key};
    auto answer = shared->client().sign(request);
    if (!answer) throw std::runtime_error(answer.error().detail);
    return *std::move(answer);
  }
  static Json signed_trace(const Json& fields, std::vector<Json> redeem = {}) {
    Answer answer = sign_trace(fields, std::move(redeem));
    if (const client::Refusal* refusal = std::get_if<client::Refusal>(&answer)) {
      throw std::runtime_error(refusal->error.wire_code() + ": " + refusal->error.detail);
    }
    return std::get<client::Signed>(answer).statement;
  }
  static Answer approve(const std::string& key, const Json& fields) {
    client::SignRequest request{statement::StatementType::ApprovalToken, fields, {},
                                shared->ssh_proof(key, fields),          {},     ""};
    auto answer = shared->client().sign(request);
    if (!answer) throw std::runtime_error(answer.error().detail);
    return *std::move(answer);
  }
  static Json approved(const std::string& name, const std::string& seed) {
    Answer answer = approve(name, test::token_fields(seed, name));
    if (const client::Refusal* refusal = std::get_if<client::Refusal>(&answer)) {
      throw std::runtime_error(refusal->error.wire_code() + ": " + refusal->error.detail);
    }
    return std::get<client::Signed>(answer).statement;
  }
  static std::string code_of(const Answer& answer) {
    const client::Refusal* refusal = std::get_if<client::Refusal>(&answer);
    return refusal == nullptr ? "signed" : refusal->error.wire_code();
  }
};

}  // namespace countersign::daemon
