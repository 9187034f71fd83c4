#include "keymgmt/public_key.h"

#include <gtest/gtest.h>
#include <openssl/ecdsa.h>

#include <algorithm>
#include <memory>

#include "common/durable_file.h"
#include "tests/support/child_process.h"
#include "tests/support/software_key.h"
#include "tests/support/temporary_folder.h"

namespace countersign::keymgmt {
namespace {

using test::SoftwareKey;

// RFC 8037 appendix A.1 and A.3.
constexpr std::string_view kRfc8037X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
constexpr std::string_view kRfc8037Thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

TEST(PublicKey, HasTheThumbprintOfRfc8037) {
  const auto key = PublicKey::from_raw(Algorithm::Ed25519, *from_base64url(kRfc8037X));
  ASSERT_TRUE(key);
  EXPECT_EQ(key->kid(), kRfc8037Thumbprint);
  EXPECT_EQ(key->jwk(Role::Trace).text("x"), kRfc8037X);
  EXPECT_EQ(key->jwk(Role::Trace).text("kid"), kRfc8037Thumbprint);
}

TEST(PublicKey, OfP256HasTheThumbprintOfItsFourMembers) {
  const PublicKey key = SoftwareKey(Algorithm::P256).public_key();
  const Json jwk = key.jwk(Role::Release);
  const std::string members = "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"" + std::string(jwk.text("x")) +
                              "\",\"y\":\"" + std::string(jwk.text("y")) + "\"}";
  EXPECT_EQ(key.kid(), to_base64url(sha256(members).bytes()));
  EXPECT_EQ(jwk.text("alg"), "ES256");
}

TEST(PublicKey, VerifiesWhatItsPrivateHalfSigned) {
  for (const Algorithm algorithm : kAlgorithms) {
    const SoftwareKey key(algorithm);
    const Bytes signature = key.sign(view_of("message"));
    EXPECT_TRUE(key.public_key().verify(view_of("message"), signature));
    EXPECT_FALSE(key.public_key().verify(view_of("Message"), signature));
    EXPECT_FALSE(SoftwareKey(algorithm).public_key().verify(view_of("message"), signature));
    EXPECT_FALSE(key.public_key().verify(view_of("message"), ByteView(signature).first(63)));
    for (const std::size_t at : {std::size_t{0}, std::size_t{40}, std::size_t{63}}) {
      Bytes changed = signature;
      changed[at] ^= 1;
      const Status refused = key.public_key().verify(view_of("message"), changed);
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, ErrorCode::VerificationFailed);
    }
    EXPECT_TRUE(key.public_key().verify({}, key.sign({})));
  }
}

TEST(PublicKey, IsRefusedOfAnotherLengthOrOffTheCurve) {
  const Bytes good = SoftwareKey(Algorithm::P256).public_key().raw();
  EXPECT_TRUE(PublicKey::from_raw(Algorithm::P256, good));
  Bytes off = good;
  off[64] ^= 1;
  EXPECT_FALSE(PublicKey::from_raw(Algorithm::P256, off));
  Bytes compressed(good.begin(), good.begin() + 33);
  compressed[0] = 0x02;
  EXPECT_FALSE(PublicKey::from_raw(Algorithm::P256, compressed));
  EXPECT_FALSE(PublicKey::from_raw(Algorithm::P256, ByteView(good).subspan(1)));
  EXPECT_FALSE(PublicKey::from_raw(Algorithm::Ed25519, good));
}

struct BadPoint {
  const char* name;
  const char* hex;
};
// Small order and non-canonical points: libsodium's and RFC 8032's known bad encodings. The last is no point at all.
constexpr BadPoint kBadPoints[] = {
    {"order 4", "0000000000000000000000000000000000000000000000000000000000000000"},
    {"order 1", "0100000000000000000000000000000000000000000000000000000000000000"},
    {"order 1, x negative", "0100000000000000000000000000000000000000000000000000000000000080"},
    {"order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"},
    {"order 8, other", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"},
    {"order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
    {"y = p", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
    {"y = p + 1", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
    {"not on the curve", "0200000000000000000000000000000000000000000000000000000000000000"},
};

TEST(PublicKey, OfEd25519IsASoundPoint) {
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(PublicKey::from_spki(SoftwareKey(Algorithm::Ed25519).public_key().spki()));
  for (const BadPoint& bad : kBadPoints) {
    EXPECT_FALSE(PublicKey::from_raw(Algorithm::Ed25519, *from_hex(bad.hex))) << bad.name;
  }
}

TEST(PublicKey, ReadsBackFromItsOwnTexts) {
  for (const Algorithm algorithm : kAlgorithms) {
    const PublicKey key = SoftwareKey(algorithm).public_key();
    EXPECT_EQ(PublicKey::from_pem(key.pem())->raw(), key.raw());
    EXPECT_EQ(PublicKey::from_spki(key.spki())->kid(), key.kid());
    Bytes longer = key.spki();
    longer.push_back(0);
    EXPECT_FALSE(PublicKey::from_spki(longer));
    EXPECT_FALSE(PublicKey::from_pem(key.pem() + key.pem()));
    EXPECT_FALSE(PublicKey::from_pem(""));
  }
  const PublicKey key = SoftwareKey(Algorithm::Ed25519).public_key();
  EXPECT_EQ(PublicKey::from_gait(key.gait_text() + "\n")->kid(), key.kid());
  EXPECT_FALSE(PublicKey::from_gait(to_base64(Bytes(64, 1))));
  EXPECT_FALSE(PublicKey::from_gait(to_hex(key.raw())));
  EXPECT_EQ(SoftwareKey(Algorithm::P256).public_key().gait_text(), "");
}

TEST(PublicKey, IsReadByOpenssl) {
  const test::TemporaryFolder folder;
  for (const Algorithm algorithm : kAlgorithms) {
    const SoftwareKey key(algorithm);
    ASSERT_TRUE(write_durable(folder / "key.pem", key.public_key().pem(), 0644));
    const test::Outcome der = test::run({{"openssl", "pkey", "-pubin", "-in", folder / "key.pem", "-outform", "DER"}});
    ASSERT_EQ(der.exit_code, 0) << der.err;
    EXPECT_EQ(der.out, text_of(key.public_key().spki()));
    const auto aliases = key.public_key().aliases();
    const test::Outcome sha1 = test::run({{"openssl", "dgst", "-sha1", "-r"}, {}, der.out});
    EXPECT_EQ(sha1.out.substr(0, 40), aliases[1].second);
    const test::Outcome sha256 = test::run({{"openssl", "dgst", "-sha256", "-r"}, {}, der.out});
    EXPECT_EQ(sha256.out.substr(0, 64), aliases[2].second);
  }
}

TEST(PublicKey, HasTheFingerprintSshKeygenPrints) {
  const test::TemporaryFolder folder;
  for (const Algorithm algorithm : kAlgorithms) {
    const PublicKey key = SoftwareKey(algorithm).public_key();
    ASSERT_TRUE(write_durable(folder / "key.pub", key.ssh_line("somebody") + "\n", 0644));
    const test::Outcome print = test::run({{"ssh-keygen", "-l", "-f", folder / "key.pub"}});
    ASSERT_EQ(print.exit_code, 0) << print.err;
    EXPECT_NE(print.out.find(" " + key.aliases()[3].second + " somebody"), std::string::npos) << print.out;
  }
}

TEST(PublicKey, HasTheTufIdOfItsCanonicalForm) {
  // securesystemslib's keyid: SHA-256 of the canonical JSON of keytype, keyval and scheme.
  const auto key = PublicKey::from_raw(Algorithm::Ed25519, *from_base64url(kRfc8037X));
  const std::string form =
      "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"" + to_hex(key->raw()) + "\"},\"scheme\":\"ed25519\"}";
  EXPECT_EQ(key->aliases()[4], std::make_pair(std::string("tuf"), sha256(form).hex()));
}

TEST(PublicKey, WritesMinisignsTwoLines) {
  const PublicKey key = SoftwareKey(std::uint8_t{7}).public_key();
  const std::string text = key.minisign_text("countersign release");
  ASSERT_TRUE(text.starts_with("untrusted comment: countersign release\n")) << text;
  const auto line = from_base64(std::string_view(text).substr(39, 56));
  ASSERT_TRUE(line);
  ASSERT_EQ(line->size(), 42u);
  EXPECT_EQ(text_of(ByteView(*line).first(2)), "Ed");
  EXPECT_EQ(Bytes(line->begin() + 10, line->end()), key.raw());
  // The number as minisign prints it: little-endian.
  Bytes number(line->begin() + 2, line->begin() + 10);
  std::string printed;
  for (auto byte = number.rbegin(); byte != number.rend(); ++byte) printed += to_hex(Bytes{*byte});
  EXPECT_EQ(*from_hex(key.aliases()[5].second), *from_hex(printed));
  EXPECT_EQ(SoftwareKey(Algorithm::P256).public_key().minisign_text("x"), "");
}

TEST(EcdsaSignature, HasOneDerForm) {
  const SoftwareKey key(Algorithm::P256);
  const Bytes both = key.sign(view_of("message"));
  const Bytes der = *ecdsa_der(both);
  EXPECT_EQ(*ecdsa_r_and_s(der), both);
  Bytes tail = der;
  tail.push_back(0);
  EXPECT_FALSE(ecdsa_r_and_s(tail));
  Bytes long_length = der;  // 30 len → 30 81 len
  long_length.insert(long_length.begin() + 1, 0x81);
  EXPECT_FALSE(ecdsa_r_and_s(long_length));
  EXPECT_FALSE(ecdsa_r_and_s(ByteView(der).first(der.size() - 1)));
  EXPECT_FALSE(ecdsa_der(ByteView(both).first(63)));
  EXPECT_FALSE(ecdsa_r_and_s({}));
}

TEST(EcdsaSignature, IsEncodedAsOpenSslDoesIt) {
  const auto number = [](std::size_t zeros, std::uint8_t first) {
    Bytes out(32, 0x5a);
    std::fill_n(out.begin(), zeros, std::uint8_t{0});
    if (zeros < out.size()) out[zeros] = first;
    return out;
  };
  for (std::size_t zeros = 0; zeros <= 32; ++zeros) {
    for (const std::uint8_t first : Bytes{0x01, 0x7f, 0x80, 0xff}) {
      Bytes both = number(zeros, first);
      const Bytes other = number(32 - zeros, first);
      both.insert(both.end(), other.begin(), other.end());
      const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(ECDSA_SIG_new(), ECDSA_SIG_free);
      ASSERT_EQ(ECDSA_SIG_set0(signature.get(), BN_bin2bn(both.data(), 32, nullptr),
                               BN_bin2bn(both.data() + 32, 32, nullptr)),
                1);
      Bytes want(80);
      unsigned char* at = want.data();
      want.resize(static_cast<std::size_t>(i2d_ECDSA_SIG(signature.get(), &at)));
      EXPECT_EQ(*ecdsa_der(both), want);
      EXPECT_EQ(*ecdsa_r_and_s(want), both);
    }
  }
}

}  // namespace
}  // namespace countersign::keymgmt
