// A token with keys for roles, and settings for holders on it.
#pragma once

#include "keymgmt/key_set.h"
#include "tests/signer/holder/holder_process.h"
#include "tests/signer/statement/examples.h"
#include "tests/support/binding_profile.h"

namespace countersign::holder {

using channel::FrameKind;
using channel::HolderExit;
using channel::SetupAnswer;
using channel::SetupRequest;
using channel::SignAnswer;
using channel::SignJob;
using keymgmt::Algorithm;
using keymgmt::Role;
using statement::StatementType;
using test::HolderProcess;

class OnToken : public testing::Test {
 protected:
  SetupRequest request(const std::vector<Role>& roles, const std::vector<Algorithm>& algorithms) const {
    SetupRequest made{test::kSoftHsmModule, token_.label(), "", {}};
    made.profile = profile();
    for (const Role role : roles) made.roles.push_back({role, algorithms});
    return made;
  }
  Result<SetupAnswer> setup(const std::string& command, const SetupRequest& wanted) const {
    const test::Outcome outcome =
        test::run_setup(command, wanted.to_json().compact(), token_.pin(), token_.so_pin(), token_.environment());
    ASSIGN_OR_RETURN(const Json json, Json::parse(outcome.out));
    return SetupAnswer::from_json(json);
  }
  SetupAnswer make_keys(const std::vector<Role>& roles,
                        const std::vector<Algorithm>& algorithms = {Algorithm::Ed25519}) const {
    Result<SetupAnswer> answer = setup("init", request(roles, algorithms));
    EXPECT_TRUE(answer) << answer.error().detail;
    return answer ? *answer : SetupAnswer();
  }
  config::HolderSettings settings(Role role, const std::vector<Algorithm>& algorithms = {Algorithm::Ed25519}) const {
    config::HolderSettings made;
    made.role = role;
    made.algorithms = algorithms;
    made.token.name = "main";
    made.token.module = test::kSoftHsmModule;
    made.token.environment = token_.environment();
    made.token.label = token_.label();
    made.profile = profile();
    made.locks = token_.folder() + "/holders";
    made.anchors = role == Role::Trace;
    return made;
  }
  // A profile of `module` as a probe would write it, without the time that one takes.
  std::string profile(const std::string& module = test::kSoftHsmModule) const {
    return test::binding_profile(module, token_.serial());
  }
  // pkcs11-tool on this token, as an operator would run it.
  test::Outcome pkcs11_tool(std::vector<std::string> arguments) const {
    std::vector<std::string> argv = {"pkcs11-tool", "--module", test::kSoftHsmModule, "--token-label", token_.label(),
                                     "--login",     "--pin",    token_.pin()};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return test::run({argv, token_.environment()});
  }
  test::SoftToken token_;
};

// The published set that a verifier would have: the holder's own keys, active.
inline keymgmt::KeySet key_set_of(const Json& ready) {
  std::vector<keymgmt::PublishedKey> keys;
  for (const Json& json : ready.find("keys")->as_array()) {
    const Result<channel::HeldKey> held = channel::HeldKey::from_json(json);
    EXPECT_TRUE(held);
    if (!held) continue;
    keys.push_back({held->key, held->role, keymgmt::KeyState::Active, held->token_id, held->label,
                    UtcTime::from_unix(0), UtcTime::from_unix(0), std::nullopt, std::nullopt});
  }
  return {1, UtcTime::from_unix(0), std::move(keys)};
}

inline std::string kid_of(const Json& ready, std::size_t index = 0) {
  return std::string(ready.find("keys")->as_array().at(index).text("kid"));
}

inline SignJob job_of(StatementType type, const std::string& kid) {
  SignJob job{type};
  job.kid = kid;
  job.sequence = 7;
  job.peer_uid = 1000;
  job.statement_json = statement::fields_of(type).compact();
  return job;
}

}  // namespace countersign::holder
