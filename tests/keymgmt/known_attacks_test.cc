// Signatures that verifiers elsewhere were once fooled by: the public vectors of C2SP/wycheproof where they lie beside
// the tree, and a set of our own of the same classes.
#include <gtest/gtest.h>
#include <openssl/bn.h>

#include "keymgmt/public_key.h"
#include "tests/support/shared_fixtures.h"
#include "tests/support/software_key.h"

namespace countersign::keymgmt {
namespace {

using countersign::test::fixture_json;
using countersign::test::shared_fixtures;
using countersign::test::SoftwareKey;

enum class Encoding { Raw, Der };

bool accepts(const PublicKey& key, const Bytes& message, const Bytes& signature, Encoding encoding) {
  if (encoding == Encoding::Raw) return key.verify(message, signature).has_value();
  const Result<Bytes> raw = ecdsa_r_and_s(signature);
  return raw && key.verify(message, *raw).has_value();
}

struct File {
  const char* name;
  const char* file;
  Encoding encoding;
};

class Wycheproof : public testing::TestWithParam<File> {};

TEST_P(Wycheproof, HasNoDeviation) {
  const auto folder = shared_fixtures("wycheproof");
  if (!folder) GTEST_SKIP() << "the vectors of C2SP/wycheproof are not beside the tree";
  const Json document = fixture_json(*folder + "/" + GetParam().file);
  ASSERT_TRUE(document.find("testGroups") != nullptr) << GetParam().file;
  std::int64_t cases = 0;
  for (const Json& group : document.find("testGroups")->as_array()) {
    const Result<Bytes> der = from_hex(group.text("publicKeyDer"));
    ASSERT_TRUE(der);
    const Result<PublicKey> key = PublicKey::from_spki(*der);
    for (const Json& each : group.find("tests")->as_array()) {
      ++cases;
      const bool accepted =
          key && accepts(*key, *from_hex(each.text("msg")), *from_hex(each.text("sig")), GetParam().encoding);
      const std::string_view wanted = each.text("result");
      if (wanted == "acceptable") continue;
      EXPECT_EQ(accepted, wanted == "valid")
          << "case " << each.find("tcId")->as_integer() << ": " << each.text("comment");
    }
  }
  EXPECT_EQ(cases, document.find("numberOfTests")->as_integer());
}

INSTANTIATE_TEST_SUITE_P(Files, Wycheproof,
                         testing::Values(File{"Ed25519", "ed25519_test.json", Encoding::Raw},
                                         File{"EcdsaP1363", "ecdsa_secp256r1_sha256_p1363_test.json", Encoding::Raw},
                                         File{"EcdsaDer", "ecdsa_secp256r1_sha256_test.json", Encoding::Der}),
                         [](const auto& row) { return row.param.name; });

Bytes plus(Bytes little_endian, std::string_view order_hex) {
  const Bytes order = *from_hex(order_hex);  // big-endian
  unsigned carry = 0;
  for (std::size_t i = 0; i < little_endian.size(); ++i) {
    const unsigned sum = little_endian[i] + order[order.size() - 1 - i] + carry;
    little_endian[i] = static_cast<std::uint8_t>(sum);
    carry = sum >> 8;
  }
  return little_endian;
}

TEST(KnownAttacks, OnEd25519) {
  const SoftwareKey signer(std::uint8_t{9});
  const PublicKey key = signer.public_key();
  const Bytes message{'m', 'e', 's', 's', 'a', 'g', 'e'};
  const Bytes good = signer.sign(message);
  ASSERT_TRUE(key.verify(message, good));
  const auto with = [&good](auto change) {
    Bytes bytes = good;
    change(bytes);
    return bytes;
  };
  const Bytes s_plus_order = with([](Bytes& b) {
    const Bytes s =
        plus(Bytes(b.begin() + 32, b.end()), "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed");
    std::copy(s.begin(), s.end(), b.begin() + 32);
  });
  const struct {
    const char* name;
    Bytes signature;
  } cases[] = {
      {"S + L, the other signature of malleable verifiers", s_plus_order},
      {"empty", {}},
      {"all zero", Bytes(64, 0)},
      {"R is the neutral point, S zero", with([](Bytes& b) { b.assign(64, 0), b[0] = 1; })},
      {"R is no canonical point", with([](Bytes& b) { std::fill(b.begin(), b.begin() + 32, 0xff); })},
      {"S is all ones", with([](Bytes& b) { std::fill(b.begin() + 32, b.end(), 0xff); })},
      {"truncated", with([](Bytes& b) { b.pop_back(); })},
      {"a byte too long", with([](Bytes& b) { b.push_back(0); })},
      {"halves swapped", with([](Bytes& b) { std::rotate(b.begin(), b.begin() + 32, b.end()); })},
      {"sign of R", with([](Bytes& b) { b[31] ^= 0x80; })},
      {"of the empty message", signer.sign({})},
  };
  for (const auto& each : cases) EXPECT_FALSE(key.verify(message, each.signature)) << each.name;
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    EXPECT_FALSE(
        key.verify(message, with([bit](Bytes& b) { b[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8)); })))
        << "bit " << bit;
  }
}

// A key of small order verifies one signature for many messages.
TEST(KnownAttacks, KeysOfSmallOrderAreNoKeys) {
  Bytes one(32, 0);
  one[0] = 1;
  const std::string_view order_eight = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
  const Bytes keys[] = {one, Bytes(32, 0), *from_hex(order_eight)};
  for (const Bytes& each : keys) EXPECT_FALSE(PublicKey::from_raw(Algorithm::Ed25519, each)) << to_hex(each);
}

TEST(KnownAttacks, OnEcdsa) {
  const SoftwareKey signer(Algorithm::P256);
  const PublicKey key = signer.public_key();
  const Bytes message{'m', 'e', 's', 's', 'a', 'g', 'e'};
  const Bytes good = signer.sign(message);
  ASSERT_TRUE(key.verify(message, good));
  const Bytes order = *from_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
  const auto made = [](const Bytes& r, const Bytes& s) {
    Bytes both = r;
    both.insert(both.end(), s.begin(), s.end());
    return both;
  };
  const Bytes r(good.begin(), good.begin() + 32), s(good.begin() + 32, good.end()), zero(32, 0);
  Bytes one = zero;
  one[31] = 1;
  const struct {
    const char* name;
    Bytes signature;
  } cases[] = {
      {"r and s zero (CVE-2022-21449)", made(zero, zero)},
      {"r zero", made(zero, s)},
      {"s zero", made(r, zero)},
      {"r is the order", made(order, s)},
      {"s is the order", made(r, order)},
      {"r and s one", made(one, one)},
      {"swapped", made(s, r)},
      {"truncated", Bytes(good.begin(), good.end() - 1)},
      {"a byte too long", made(good, {0})},
      {"empty", {}},
      {"all ones", Bytes(64, 0xff)},
      {"DER where r||s belongs", *ecdsa_der(good)},
  };
  for (const auto& each : cases) EXPECT_FALSE(key.verify(message, each.signature)) << each.name;
}

TEST(KnownAttacks, OnDer) {
  const SoftwareKey signer(Algorithm::P256);
  const Bytes good = *ecdsa_der(signer.sign(Bytes{'m'}));
  ASSERT_TRUE(ecdsa_r_and_s(good));
  const auto with = [&good](auto change) {
    Bytes bytes = good;
    change(bytes);
    return bytes;
  };
  const struct {
    const char* name;
    Bytes der;
  } cases[] = {
      {"long form of a short length", with([](Bytes& b) { b.insert(b.begin() + 1, 0x81); })},
      {"indefinite length", with([](Bytes& b) { b[1] = 0x80, b.push_back(0), b.push_back(0); })},
      {"trailing bytes", with([](Bytes& b) { b.push_back(0); })},
      {"trailing bytes inside", with([](Bytes& b) { b.push_back(0), b[1]++; })},
      {"another tag of the sequence", with([](Bytes& b) { b[0] = 0x31; })},
      {"another tag of r", with([](Bytes& b) { b[2] = 0x03; })},
      {"needless zero before r", with([](Bytes& b) {
         b.insert(b.begin() + 4, {0, 0}), b[3] += 2, b[1] += 2;
       })},
      {"negative r", with([](Bytes& b) {
         b[4] = static_cast<std::uint8_t>(b[4] | 0x80);
         if (b[3] == 33) b[3] = 33;
       })},
      {"length beyond the end", with([](Bytes& b) { b[3] = 0x7f; })},
      {"empty integers", {0x30, 0x04, 0x02, 0x00, 0x02, 0x00}},
      {"truncated", with([](Bytes& b) { b.pop_back(); })},
      {"empty", {}},
  };
  for (const auto& each : cases) EXPECT_FALSE(ecdsa_r_and_s(each.der)) << each.name;
}

}  // namespace
}  // namespace countersign::keymgmt
