// What is measured on SoftHSM, and on modules that behave otherwise.
#include "pkcs11/module_probe.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "common/durable_file.h"
#include "pkcs11/key_profile.h"
#include "tests/pkcs11/pkcs11_fixture.h"
#include "tests/support/fault_pkcs11/fault_pkcs11.h"

namespace countersign::pkcs11 {
namespace {

const UtcTime kNow = UtcTime::from_unix(1'790'000'000);

class Probe : public OpenToken {
 protected:
  Result<ModuleProfile> measured(const std::string& module = test::kSoftHsmModule, const ProbeWishes& wishes = {}) {
    const TokenPlace place = place_of(token_, module);
    ASSIGN_OR_RETURN(const TokenSession session, TokenSession::open(place, token_.secret_pin()));
    return measure(session, place, wishes, kNow);
  }
  Result<ModuleProfile> measured_like(const std::string& name) {
    for (const auto& [variable, value] : test::fault_environment(test::kSoftHsmModule, "")) {
      setenv(variable.c_str(), value.c_str(), 1);
    }
    setenv("FAULT_PKCS11_LIKE", name.c_str(), 1);
    return measured(test::fault_module());
  }
};

const Measurement& found(const ModuleProfile& profile, std::string_view name) {
  const auto at = std::ranges::find(profile.measurements, name, &Measurement::name);
  EXPECT_NE(at, profile.measurements.end()) << name;
  return *at;
}

std::vector<std::string> not_well(const ModuleProfile& profile) {
  std::vector<std::string> names;
  for (const Measurement& each : profile.measurements) {
    if (!each.well && each.counts) names.push_back(each.name);
  }
  return names;
}

// The pairs of trials that lie on the token.
std::size_t trial_pairs(const TokenSession& session) {
  const Result<std::vector<KeyListing>> listed = session.list_key_pairs(kProbePrefix);
  return listed ? listed->size() : 99;
}

TEST_F(Probe, FindsThatSoftHsmHoldsToItsAttributes) {
  const Result<ModuleProfile> profile = measured();
  ASSERT_OK(profile);
  EXPECT_EQ(profile->trust, Trust::Binding);
  EXPECT_EQ(profile->kinds.size(), 2u);
  EXPECT_TRUE(profile->adaptation.departures.empty());
  EXPECT_EQ(not_well(*profile), std::vector<std::string>{});
  // What the reference measured of it by hand.
  EXPECT_EQ(found(*profile, "dates").found, "dates are unreadable and not kept to");
  EXPECT_TRUE(found(*profile, "always_authenticate").well);
  EXPECT_TRUE(found(*profile, "not_destroyable").well);
  EXPECT_TRUE(found(*profile, "last_close_logs_out").well);
  EXPECT_EQ(profile->attestation, "none");
  EXPECT_FALSE(found(*profile, "pin_locks").well);
  EXPECT_NE(found(*profile, "pin_locks").found.find("not tried"), std::string::npos);
}

TEST_F(Probe, LeavesNothingOnTheTokenAndRemovesWhatAnInterruptedOneLeft) {
  {
    const Result<TokenSession> session = open();
    ASSERT_OK(session);
    ASSERT_OK(session->generate_key_pair(spec_of(KeyKind::P256, "trace-20260101-1")));
    ASSERT_OK(session->generate_key_pair(spec_of(KeyKind::P256, std::string(kProbePrefix) + "left")));
  }
  const Result<ModuleProfile> profile = measured();
  ASSERT_OK(profile);
  EXPECT_TRUE(found(*profile, "leftovers").well);
  const Result<TokenSession> session = open();
  ASSERT_OK(session);
  const Result<std::vector<KeyListing>> keys = session->list_key_pairs("");
  ASSERT_OK(keys);
  ASSERT_EQ(keys->size(), 1u);
  EXPECT_EQ(keys->front().label, "trace-20260101-1");
}

TEST_F(Probe, CountsWrongPinsOnlyWhenAsked) {
  const Result<ModuleProfile> profile = measured(test::kSoftHsmModule, {.pin_lockout = true});
  ASSERT_OK(profile);
  // SoftHSM never locks; a module that does is told apart by CKR_PIN_LOCKED.
  EXPECT_EQ(found(*profile, "pin_locks").found, "15 wrong PINs do not lock it");
  for (const auto& [variable, value] : test::fault_environment(test::kSoftHsmModule, "C_Login@4+=0xa4")) {
    setenv(variable.c_str(), value.c_str(), 1);
  }
  unsetenv("FAULT_PKCS11_LIKE");
  const Result<ModuleProfile> locking = measured(test::fault_module(), {.pin_lockout = true});
  ASSERT_OK(locking);
  EXPECT_EQ(found(*locking, "pin_locks").found, "locked at wrong PIN number 3");
}

TEST_F(Probe, AdaptsItsTemplatesToAModuleThatRefusesUnknownAttributes) {
  const Result<ModuleProfile> profile = measured_like("opencryptoki");
  ASSERT_OK(profile);
  EXPECT_EQ(profile->trust, Trust::Claimed);
  EXPECT_EQ(profile->kinds.size(), 2u);
  for (const CK_ATTRIBUTE_TYPE type : {CKA_COPYABLE, CKA_DESTROYABLE, CKA_ALLOWED_MECHANISMS}) {
    const Departure* departure = profile->adaptation.find(true, type);
    ASSERT_NE(departure, nullptr) << attribute_name(type);
    EXPECT_FALSE(departure->holds);
  }
  EXPECT_TRUE(profile->adaptation.passes_over(true, CKA_KEY_GEN_MECHANISM));
  EXPECT_EQ(not_well(*profile), (std::vector<std::string>{"whole_profile", "import_is_told", "one_mechanism"}));

  // A key is made with that profile, and not without.
  const Result<TokenSession> session = TokenSession::open(place_of(token_, test::fault_module()), token_.secret_pin());
  ASSERT_OK(session);
  EXPECT_FALSE(session->generate_key_pair(spec_of(KeyKind::P256)));
  session->session()->adapt(profile->adaptation);
  EXPECT_OK(session->generate_key_pair(spec_of(KeyKind::P256)));
}

TEST_F(Probe, AdaptsItsTemplatesToAModuleThatRefusesDecryptFalseAndIgnoresAttributes) {
  const Result<ModuleProfile> profile = measured_like("tpm2-pkcs11");
  ASSERT_OK(profile);
  EXPECT_EQ(profile->trust, Trust::Claimed);
  const Departure* departure = profile->adaptation.find(true, CKA_DECRYPT);
  ASSERT_NE(departure, nullptr);
  EXPECT_EQ(profile->adaptation.departures.size(), 1u);
  for (const char* name : {"sensitive_is_one_way", "extractable_is_one_way", "not_modifiable"}) {
    EXPECT_FALSE(found(*profile, name).well) << name;
  }
  EXPECT_TRUE(found(*profile, "not_copyable").well);
  // Its trial keys lay on the token, and none is left.
  EXPECT_TRUE(found(*profile, "trial_keys_destroyed").well);
  const Result<TokenSession> session = TokenSession::open(place_of(token_), token_.secret_pin());
  ASSERT_OK(session);
  EXPECT_EQ(trial_pairs(*session), 0u);
}

TEST_F(Probe, SaysWhichTrialKeysStayAndTheyAreSweptLater) {
  for (const auto& [variable, value] : test::fault_environment(test::kSoftHsmModule, "C_DestroyObject@80+=0x06")) {
    setenv(variable.c_str(), value.c_str(), 1);
  }
  setenv("FAULT_PKCS11_LIKE", "tpm2-pkcs11", 1);
  const Result<ModuleProfile> profile = measured(test::fault_module());
  ASSERT_OK(profile);
  EXPECT_FALSE(found(*profile, "trial_keys_destroyed").well);
  const Result<TokenSession> session = TokenSession::open(place_of(token_), token_.secret_pin());
  ASSERT_OK(session);
  EXPECT_GT(trial_pairs(*session), 0u);
  const Result<int> swept = remove_trial_keys(*session);
  ASSERT_OK(swept);
  EXPECT_GT(*swept, 0);
  EXPECT_EQ(trial_pairs(*session), 0u);
  EXPECT_EQ(*remove_trial_keys(*session), 0);
}

TEST_F(Probe, FindsAModuleUnusableThatMakesNoKey) {
  for (const auto& [variable, value] : test::fault_environment(test::kSoftHsmModule, "C_GenerateKeyPair=0x70")) {
    setenv(variable.c_str(), value.c_str(), 1);
  }
  unsetenv("FAULT_PKCS11_LIKE");
  const Result<ModuleProfile> profile = measured(test::fault_module());
  ASSERT_OK(profile);
  EXPECT_EQ(profile->trust, Trust::Unusable);
  EXPECT_EQ(accepted_profile(profile->to_json().compact(), test::fault_module(), Trust::Unusable).error().reason,
            kProfileWeak);
}

class Acceptance : public Probe {
 protected:
  Acceptance() : library_(token_.folder() + "/module.so") {
    std::ofstream(library_) << "the bytes of a library";
    profile_.module = library_;
    profile_.library = *library_digest(library_);
    profile_.kinds = {KeyKind::Ed25519};
    profile_.mechanisms = Json(Json::Array{});
    profile_.token.serial = "1234";
    profile_.trust = Trust::Claimed;
  }
  std::string library_;
  ModuleProfile profile_;
};

TEST_F(Acceptance, IsOfTheSameLibraryAndTrustedEnough) {
  const std::string text = profile_.to_json().compact();
  EXPECT_OK(accepted_profile(text, library_, Trust::Claimed));
  EXPECT_EQ(accepted_profile(text, library_, Trust::Binding).error().reason, kProfileWeak);
  EXPECT_EQ(accepted_profile("", library_, Trust::Claimed).error().reason, kProfileMissing);
  std::ofstream(library_, std::ios::app) << "an update";
  const Result<ModuleProfile> old = accepted_profile(text, library_, Trust::Claimed);
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().reason, kProfileOld);
  EXPECT_NE(old.error().hint.find("countersignd probe"), std::string::npos);
  TokenInfo token;
  token.serial = "1234";
  EXPECT_OK(check_token(profile_, token));
  token.serial = "5678";
  EXPECT_EQ(check_token(profile_, token).error().reason, kProfileOld);
}

TEST_F(Acceptance, IsRefusedWhenThePaperWasChangedAfterTheMeasurement) {
  Json better = profile_.to_json();
  better.set("trust", "binding");
  EXPECT_EQ(accepted_profile(better.compact(), library_, Trust::Claimed).error().reason, kProfileMissing);
  better.erase("digest");
  EXPECT_FALSE(ModuleProfile::from_json(better));
  // Not even with a right digest is a module excused from what makes a key worth having.
  ModuleProfile lax = profile_;
  lax.adaptation.departures.push_back({true, CKA_SENSITIVE, false});
  EXPECT_EQ(accepted_profile(lax.to_json().compact(), library_, Trust::Claimed).error().reason, kProfileMissing);
  lax.adaptation.departures = {{true, CKA_COPYABLE, false}};
  EXPECT_OK(accepted_profile(lax.to_json().compact(), library_, Trust::Claimed));
}

}  // namespace
}  // namespace countersign::pkcs11
