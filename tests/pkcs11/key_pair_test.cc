#include "pkcs11/key_pair.h"

#include <algorithm>
#include <functional>

#include "pkcs11/attribute.h"
#include "pkcs11/failure.h"
#include "pkcs11/key_profile.h"
#include "tests/pkcs11/pkcs11_fixture.h"

namespace countersign::pkcs11 {
namespace {

constexpr KeyKind kKinds[] = {KeyKind::Ed25519, KeyKind::P256};

class Keys : public OpenToken {
 protected:
  void SetUp() override {
    auto opened = open();
    ASSERT_OK(opened);
    token_session_.emplace(*std::move(opened));
  }
  const std::shared_ptr<Session>& session() { return token_session_->session(); }

  // A pair from other templates than ours; `left_out` counts attributes at the end of the private one.
  CK_RV generate(KeyKind kind, Template& public_wanted, Template& private_wanted, CK_ULONG left_out = 0) {
    CK_MECHANISM mechanism{row_of(kind).generation, nullptr, 0};
    return session()->functions().C_GenerateKeyPair(session()->handle(), &mechanism, public_wanted.data(),
                                                    public_wanted.size(), private_wanted.data(),
                                                    private_wanted.size() - left_out, &public_key_, &private_key_);
  }

  std::optional<TokenSession> token_session_;
  CK_OBJECT_HANDLE public_key_ = 0;
  CK_OBJECT_HANDLE private_key_ = 0;
};

TEST_F(Keys, SignWhatOpenSslVerifiesWithThePublicHalfAlone) {
  for (const KeyKind kind : kKinds) {
    const auto key =
        token_session_->generate_key_pair(spec_of(kind, std::string("trace-") + std::string(name_of(kind))));
    ASSERT_OK(key);
    EXPECT_EQ(key->public_key().size(), kind == KeyKind::Ed25519 ? 32U : 65U);
    for (const std::size_t size : {0U, 1U, 32U, 1000U, 100'000U}) {
      const Bytes message(size, 'm');
      const auto signature = key->sign(message);
      ASSERT_OK(signature);
      EXPECT_EQ(signature->size(), 64U);
      EXPECT_TRUE(openssl_verifies(kind, key->public_key(), message, *signature)) << name_of(kind) << " " << size;
      Bytes other = message;
      other.push_back('x');
      EXPECT_FALSE(openssl_verifies(kind, key->public_key(), other, *signature)) << name_of(kind) << " " << size;
    }
  }
}

TEST_F(Keys, SignAnEmptyMessageGivenByANullView) {
  for (const KeyKind kind : kKinds) {
    const auto key =
        token_session_->generate_key_pair(spec_of(kind, std::string("trace-") + std::string(name_of(kind))));
    ASSERT_OK(key);
    const auto signature = key->sign(ByteView());
    ASSERT_OK(signature);
    EXPECT_TRUE(openssl_verifies(kind, key->public_key(), ByteView(), *signature));
    EXPECT_OK(key->sign(view_of("next")));
  }
}

TEST_F(Keys, AreFoundAgainByIdInALaterSession) {
  KeySpec spec;
  Bytes public_key;
  {
    const auto made = token_session_->generate_key_pair(spec_of(KeyKind::P256));
    ASSERT_OK(made);
    spec = made->spec();
    public_key = made->public_key();
  }
  token_session_.reset();
  SetUp();
  const auto found = token_session_->find_key_pair(spec.id);
  ASSERT_OK(found);
  EXPECT_EQ(found->public_key(), public_key);
  EXPECT_EQ(found->spec().label, spec.label);
  EXPECT_EQ(found->spec().kind, KeyKind::P256);
}

TEST_F(Keys, AreListedByThePrefixOfTheirLabel) {
  for (const char* label : {"trace-20260102-1", "trace-20260101-1", "release-20260101-1"}) {
    ASSERT_OK(token_session_->generate_key_pair(spec_of(KeyKind::P256, label)));
  }
  const auto listed = token_session_->list_key_pairs("trace-");
  ASSERT_OK(listed);
  ASSERT_EQ(listed->size(), 2U);
  EXPECT_EQ((*listed)[0].label, "trace-20260101-1");
  EXPECT_EQ((*listed)[1].label, "trace-20260102-1");
  EXPECT_OK(token_session_->find_key_pair((*listed)[0].id));
}

TEST_F(Keys, OfAnUnknownIdAreNotFound) {
  const auto found = token_session_->find_key_pair(random_key_id());
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::NotFound);
}

TEST_F(Keys, DoNotShareIdsOrLabels) {
  const auto first = token_session_->generate_key_pair(spec_of(KeyKind::Ed25519, "trace-20260101-1"));
  ASSERT_OK(first);
  KeySpec same_id = first->spec();
  same_id.label = "trace-20260101-2";
  const auto second = token_session_->generate_key_pair(same_id);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::Conflict);
  const auto third = token_session_->generate_key_pair(spec_of(KeyKind::Ed25519, "trace-20260101-1"));
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, ErrorCode::Conflict);
  EXPECT_OK(token_session_->generate_key_pair(spec_of(KeyKind::Ed25519, "trace-20260101-2")));
}

TEST_F(Keys, WithUnprintableLabelsAreNotMade) {
  for (const std::string& label :
       {std::string(), std::string("two words"), std::string("tab\t"), std::string(65, 'x')}) {
    const auto key = token_session_->generate_key_pair(spec_of(KeyKind::Ed25519, label));
    ASSERT_FALSE(key) << label;
    EXPECT_EQ(key.error().code, ErrorCode::Invalid);
  }
}

// A second pair with the first one's id, put there by another program.
TEST_F(Keys, WithOneIdTwiceAreRefused) {
  const auto first = token_session_->generate_key_pair(spec_of(KeyKind::Ed25519));
  ASSERT_OK(first);
  EXPECT_OK(token_session_->find_key_pair(first->spec().id));
  Template public_wanted = public_template(first->spec());
  Template private_wanted = private_template(first->spec());
  ASSERT_EQ(generate(KeyKind::Ed25519, public_wanted, private_wanted), CKR_OK);
  const auto found = token_session_->find_key_pair(first->spec().id);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::Refused);
  EXPECT_EQ(found.error().reason, kKeyAmbiguous);
}

// The private half of one pair beside the public half of another.
TEST_F(Keys, WhosePublicHalfIsAnothersAreRefused) {
  const KeySpec spec = spec_of(KeyKind::P256);
  CK_OBJECT_HANDLE first_public = 0;
  for (int round = 0; round < 2; ++round) {
    Template public_wanted = public_template(spec);
    Template private_wanted = private_template(spec);
    ASSERT_EQ(generate(KeyKind::P256, public_wanted, private_wanted), CKR_OK);
    if (round == 0) {
      first_public = public_key_;
      EXPECT_OK(token_session_->find_key_pair(spec.id));
      ASSERT_EQ(session()->functions().C_DestroyObject(session()->handle(), private_key_), CKR_OK);
    } else {
      ASSERT_EQ(session()->functions().C_DestroyObject(session()->handle(), public_key_), CKR_OK);
    }
  }
  ASSERT_NE(first_public, 0U);
  const auto found = token_session_->find_key_pair(spec.id);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().reason, "key_mismatch");
}

struct WeakCase {
  const char* name;
  CK_ATTRIBUTE_TYPE type;
  bool of_private_half;
  bool value;
};

// Each row is the strong key but for one attribute.
TEST_F(Keys, WeakerThanTheProfileAreRefusedNamingTheAttribute) {
  constexpr WeakCase kCases[] = {
      {"CKA_EXTRACTABLE", CKA_EXTRACTABLE, true, true},
      {"CKA_SENSITIVE", CKA_SENSITIVE, true, false},
      {"CKA_DECRYPT", CKA_DECRYPT, true, true},
      {"CKA_SIGN_RECOVER", CKA_SIGN_RECOVER, true, true},
      {"CKA_UNWRAP", CKA_UNWRAP, true, true},
      {"CKA_DERIVE", CKA_DERIVE, true, true},
      {"CKA_MODIFIABLE", CKA_MODIFIABLE, true, true},
      {"CKA_COPYABLE", CKA_COPYABLE, true, true},
      {"CKA_DESTROYABLE", CKA_DESTROYABLE, true, false},
      {"CKA_ALWAYS_AUTHENTICATE", CKA_ALWAYS_AUTHENTICATE, true, true},
      {"CKA_SIGN", CKA_SIGN, true, false},
      {"CKA_PRIVATE", CKA_PRIVATE, true, false},
      {"CKA_ENCRYPT", CKA_ENCRYPT, false, true},
      {"CKA_WRAP", CKA_WRAP, false, true},
      {"CKA_VERIFY", CKA_VERIFY, false, false},
      {"CKA_MODIFIABLE", CKA_MODIFIABLE, false, true},
      {"CKA_DERIVE", CKA_DERIVE, false, true},
      {"CKA_PRIVATE", CKA_PRIVATE, false, true},
  };
  ASSERT_OK(token_session_->generate_key_pair(spec_of(KeyKind::P256, "strong")));
  for (const WeakCase& row : kCases) {
    const KeySpec spec = spec_of(KeyKind::P256, "weak");
    Template public_wanted = public_template(spec);
    Template private_wanted = private_template(spec);
    Template& changed = row.of_private_half ? private_wanted : public_wanted;
    CK_ATTRIBUTE* end = changed.data() + changed.size();
    CK_ATTRIBUTE* attribute =
        std::find_if(changed.data(), end, [&](const CK_ATTRIBUTE& a) { return a.type == row.type; });
    ASSERT_NE(attribute, end) << row.name;
    *static_cast<CK_BBOOL*>(attribute->pValue) = row.value ? CK_TRUE : CK_FALSE;
    ASSERT_EQ(generate(KeyKind::P256, public_wanted, private_wanted), CKR_OK) << row.name;
    const auto found = token_session_->find_key_pair(spec.id);
    ASSERT_FALSE(found) << row.name;
    EXPECT_EQ(found.error().code, ErrorCode::Refused) << found.error().detail;
    EXPECT_EQ(found.error().reason, kKeyTooWeak);
    EXPECT_NE(found.error().detail.find(row.name), std::string::npos) << found.error().detail;
  }
}

TEST_F(Keys, WithoutExactlyOneAllowedMechanismAreRefused) {
  CK_MECHANISM_TYPE two[] = {CKM_ECDSA, CKM_ECDH1_DERIVE};
  CK_MECHANISM_TYPE another[] = {CKM_EDDSA};
  struct Row {
    const char* name;
    CK_MECHANISM_TYPE* mechanisms;
    std::size_t count;
  };
  for (const Row& row : {Row{"none", nullptr, 0}, Row{"two", two, 2}, Row{"another", another, 1}}) {
    const KeySpec spec = spec_of(KeyKind::P256, "weak");
    Template public_wanted = public_template(spec);
    Template private_wanted = private_template(spec);
    CK_ATTRIBUTE& allowed = private_wanted.data()[private_wanted.size() - 1];
    ASSERT_EQ(allowed.type, CKA_ALLOWED_MECHANISMS);
    allowed.pValue = row.mechanisms;
    allowed.ulValueLen = row.count * sizeof(CK_MECHANISM_TYPE);
    ASSERT_EQ(generate(KeyKind::P256, public_wanted, private_wanted, row.count == 0 ? 1 : 0), CKR_OK) << row.name;
    const auto found = token_session_->find_key_pair(spec.id);
    ASSERT_FALSE(found) << row.name;
    EXPECT_NE(found.error().detail.find("CKA_ALLOWED_MECHANISMS"), std::string::npos) << found.error().detail;
  }
}

// Imported, as softhsm2-util --import or an attacker with the PIN would: everything right but its history.
TEST_F(Keys, ThatWereNotMadeInTheTokenAreRefused) {
  const auto strong = token_session_->generate_key_pair(spec_of(KeyKind::P256, "strong"));
  ASSERT_OK(strong);
  const KeySpec spec = spec_of(KeyKind::P256, "imported");
  Template private_wanted = private_template(spec);
  private_wanted.bytes(CKA_EC_PARAMS, row_of(KeyKind::P256).params);
  private_wanted.bytes(CKA_VALUE, Bytes(32, 0x11));
  Template public_wanted = public_template(spec);
  Bytes point = {0x04, 0x41};
  point.insert(point.end(), strong->public_key().begin(), strong->public_key().end());
  public_wanted.bytes(CKA_EC_POINT, point);
  const CK_FUNCTION_LIST& functions = session()->functions();
  ASSERT_EQ(functions.C_CreateObject(session()->handle(), private_wanted.data(), private_wanted.size(), &private_key_),
            CKR_OK);
  ASSERT_EQ(functions.C_CreateObject(session()->handle(), public_wanted.data(), public_wanted.size(), &public_key_),
            CKR_OK);
  const auto found = token_session_->find_key_pair(spec.id);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().reason, kKeyTooWeak);
  EXPECT_NE(found.error().detail.find("CKA_ALWAYS_SENSITIVE"), std::string::npos) << found.error().detail;
}

TEST_F(Keys, AllowNoOtherMechanismThanTheirOwn) {
  const auto key = token_session_->generate_key_pair(spec_of(KeyKind::P256));
  ASSERT_OK(key);
  Template wanted;
  wanted.number(CKA_CLASS, CKO_PRIVATE_KEY).bytes(CKA_ID, key->spec().id);
  const auto handles = find_objects(*session(), wanted);
  ASSERT_OK(handles);
  ASSERT_EQ(handles->size(), 1U);
  CK_MECHANISM eddsa{CKM_EDDSA, nullptr, 0};
  EXPECT_NE(session()->functions().C_SignInit(session()->handle(), &eddsa, handles->front()), CKR_OK);
  const auto value = read_attribute(*session(), handles->front(), CKA_VALUE);
  ASSERT_FALSE(value);
  EXPECT_NE(value.error().detail.find("CKR_ATTRIBUTE_SENSITIVE"), std::string::npos) << value.error().detail;
}

TEST(PublicKeyBytes, AreTakenFromTheOctetStringOnly) {
  Bytes point = {0x04, 0x20};
  point.resize(34, 0x55);
  const auto raw = public_key_in(point, KeyKind::Ed25519);
  ASSERT_OK(raw);
  EXPECT_EQ(*raw, Bytes(32, 0x55));
  EXPECT_FALSE(public_key_in(Bytes(32, 0x55), KeyKind::Ed25519)) << "not wrapped";
  EXPECT_FALSE(public_key_in(point, KeyKind::P256)) << "another size";
  point.push_back(0);
  EXPECT_FALSE(public_key_in(point, KeyKind::Ed25519)) << "trailing byte";
  Bytes compressed = {0x04, 0x41, 0x02};
  compressed.resize(67, 0x55);
  EXPECT_FALSE(public_key_in(compressed, KeyKind::P256)) << "no uncompressed point";
  compressed[2] = 0x04;
  EXPECT_OK(public_key_in(compressed, KeyKind::P256));
}

}  // namespace
}  // namespace countersign::pkcs11
