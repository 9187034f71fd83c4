// A role with two algorithms: one key each, and the request says which one signs.
#include <gtest/gtest.h>

#include <set>

#include "tests/signer/daemon/running_appliance.h"

namespace countersign::daemon {
namespace {

using test::RunningAppliance;
using test::trace_fields;

Json request(const std::string& seed, const std::string& algorithm) {
  Json body = Json::object({{"type", "trace"}, {"statement", trace_fields(seed, "block")}});
  if (!algorithm.empty()) body.set("algorithm", algorithm);
  return body;
}

Json answer_to(const RunningAppliance& appliance, const std::string& target, const Json& body) {
  const auto answer = appliance.http().post(target, body.compact(), transport::HttpClient::Repeat::Unsafe);
  if (!answer) throw std::runtime_error(answer.error().detail);
  return *Json::parse(answer->body);
}

// "ed25519 ok", by the signature's own word, its kid among the published keys, and the signer's verification.
std::string signed_with(const RunningAppliance& appliance, const Json& answer) {
  const Json* statement = answer.find("statement");
  if (statement == nullptr) return answer.compact();
  const auto keys = appliance.client().keys();
  const keymgmt::PublishedKey* key = keys ? keys->find(std::string(answer.text("kid"))) : nullptr;
  if (key == nullptr) return "an unpublished kid";
  const Json verified =
      answer_to(appliance, "/v1/verify", Json::object({{"type", "trace"}, {"statement", *statement}}));
  const bool valid = verified.find("valid")->as_bool() && verified.text("kid") == answer.text("kid");
  return std::string(name_of(key->key.algorithm())) + (valid ? " ok" : " " + verified.compact());
}

TEST(TwoAlgorithms, AreChosenByTheRequestAndEachIsProvenByItsCanary) {
  RunningAppliance appliance({.trace_p256 = true});
  EXPECT_EQ(signed_with(appliance, answer_to(appliance, "/v1/sign", request("default", ""))), "ed25519 ok");
  EXPECT_EQ(signed_with(appliance, answer_to(appliance, "/v1/sign", request("first", "ed25519"))), "ed25519 ok");
  EXPECT_EQ(signed_with(appliance, answer_to(appliance, "/v1/sign", request("second", "p256"))), "p256 ok");
  Json both =
      Json::object({{"requests", Json::Array{request("a", "p256"), request("b", "ed25519"), request("c", "x")}}});
  const Json batch = answer_to(appliance, "/v1/sign-batch", both);
  const Json::Array& results = batch.find("results")->as_array();
  ASSERT_EQ(results.size(), 3U);
  EXPECT_EQ(signed_with(appliance, results[0]), "p256 ok");
  EXPECT_EQ(signed_with(appliance, results[1]), "ed25519 ok");
  EXPECT_EQ(results[2].find("error")->text("code"), "unknown_algorithm");
  // The approval role has one key only.
  Json token = Json::object(
      {{"type", "approval_token"}, {"statement", test::token_fields("default", "alice")}, {"algorithm", "p256"}});
  EXPECT_EQ(answer_to(appliance, "/v1/sign", token).find("error")->text("code"), "algorithm_unavailable");
  // The holder proved a signature of each key before it was ready, and proves both again at every canary.
  std::set<std::string> algorithms;
  const Json status = appliance.status();
  for (const Json& holder : status.find("holders")->as_array()) {
    if (holder.text("role") != "trace") continue;
    EXPECT_TRUE(holder.find("canary_good")->as_bool());
    for (const Json& key : holder.find("keys")->as_array()) algorithms.emplace(key.text("algorithm"));
  }
  EXPECT_EQ(algorithms, (std::set<std::string>{"ed25519", "p256"}));
}

}  // namespace
}  // namespace countersign::daemon
