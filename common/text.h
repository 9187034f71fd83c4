// Text as gait compares it, and identities as we compare them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace countersign {

// Without leading and trailing Unicode White_Space (not U+200B, not U+FEFF).
std::string_view trimmed(std::string_view text);
// Simple one-to-one lower-casing per code point (Unicode UnicodeData simple mapping; U+0130 becomes "i").
std::string lowered(std::string_view text);
// Likewise upper-casing.
std::string uppered(std::string_view text);
// Trim each, drop empties and repetitions, sort by bytes; `lower` lower-cases each as well.
std::vector<std::string> text_set(const std::vector<std::string>& texts, bool lower);

// The lines of `text`, each without its line feed, which the last may lack; empty ones between them count. They are
// parts of `text` and last as long as it does.
std::vector<std::string_view> lines_of(std::string_view text);

// On one line for people, with nothing that a terminal obeys or that hides or reorders what stands beside it: control
// and format characters, line and paragraph separators (Unicode Cc, Cf, Zl, Zp), private and unassigned ones are shown
// as <U+202E>, bytes that are no UTF-8 as <0xFF>.
std::string displayed(std::string_view text);

// JSON text of the same value whose strings a terminal shows and does not obey: what displayed() shows by its number is
// escaped (\u202e). Precondition: it is JSON.
std::string displayed_json(std::string_view json);

bool is_utf8(std::string_view text);

// The form under which two spellings name one person: trimmed, NFC, lower-cased, NFC again. Two identities are the same
// exactly if these are. Fails with Invalid on bad UTF-8, on an empty result and on control characters.
Result<std::string> identity_key(std::string_view identity);

}  // namespace countersign
