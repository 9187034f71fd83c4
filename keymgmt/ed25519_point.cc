#include "keymgmt/ed25519_point.h"

#include <openssl/bn.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

namespace countersign::keymgmt {
namespace {

struct FreeNumber {
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(BN_CTX* context) const { BN_CTX_free(context); }
};
using Number = std::unique_ptr<BIGNUM, FreeNumber>;

Number from_text(const char* hex) {
  BIGNUM* number = nullptr;
  BN_hex2bn(&number, hex);
  return Number(number);
}

// The y coordinates (little-endian) of the eight points of order 1, 2, 4 and 8.
constexpr std::string_view kSmallOrder[] = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
};

}  // namespace

bool is_sound_ed25519_point(ByteView raw) {
  if (raw.size() != 32) return false;
  std::array<std::uint8_t, 32> little;
  std::copy(raw.begin(), raw.end(), little.begin());
  little[31] &= 0x7f;  // the top bit is the sign of x
  const std::string hex = to_hex(little);
  for (const std::string_view bad : kSmallOrder) {
    if (hex == bad) return false;
  }
  const std::unique_ptr<BN_CTX, FreeNumber> context(BN_CTX_new());
  const Number p = from_text("7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFED");
  const Number d = from_text("52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3");
  const Number y(BN_lebin2bn(little.data(), static_cast<int>(little.size()), nullptr));
  const Number u(BN_new());
  const Number v(BN_new());
  const Number half(BN_new());
  if (!context || !p || !d || !y || !u || !v || !half || BN_cmp(y.get(), p.get()) >= 0) return false;
  // x² = (y² - 1) / (d·y² + 1). It has a root exactly if (y² - 1)(d·y² + 1) is a square, by Euler's criterion.
  bool done = BN_mod_sqr(u.get(), y.get(), p.get(), context.get()) == 1 &&
              BN_mod_mul(v.get(), u.get(), d.get(), p.get(), context.get()) == 1 && BN_sub_word(u.get(), 1) == 1 &&
              BN_add_word(v.get(), 1) == 1 && BN_mod_mul(u.get(), u.get(), v.get(), p.get(), context.get()) == 1 &&
              BN_rshift1(half.get(), p.get()) == 1 &&
              BN_mod_exp(v.get(), u.get(), half.get(), p.get(), context.get()) == 1;
  return done && BN_is_one(v.get());
}

}  // namespace countersign::keymgmt
