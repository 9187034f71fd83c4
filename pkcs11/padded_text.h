// Cryptoki's fixed-size texts, filled up with blanks.
#pragma once

#include <p11-kit/pkcs11.h>

#include <span>
#include <string>

namespace countersign::pkcs11 {

// Some modules fill up with NULs, against the standard; both are taken off.
inline std::string padded_text(std::span<const CK_UTF8CHAR> field) {
  std::string text(field.begin(), field.end());
  text.erase(text.find_last_not_of(std::string_view(" \0", 2)) + 1);
  return text;
}

}  // namespace countersign::pkcs11
