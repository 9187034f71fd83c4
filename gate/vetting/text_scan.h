// Files as their scanners see them: each text once, with what its bytes hide made visible.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace countersign::vetting {

// The text of a file in UTF-8, read as the most lenient reader would: UTF-8 with stray bytes (Latin-1) and NUL bytes
// (left out) in it, UTF-16 and UTF-32 with and without a byte order mark. Nothing for binary content, of which more
// than three bytes in ten are NUL, control characters or stray.
std::optional<std::string> text_of_file(std::string_view bytes);

// What of binary content is text: its runs of printable characters (also of two bytes each), one on a line.
std::string printable_runs(std::string_view bytes);

// 1-based line of the byte at `offset`.
int line_at(std::string_view text, std::size_t offset);

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t offset = 0;  // in the text
};
// Precondition: UTF-8.
std::vector<CodePoint> code_points(std::string_view text);

// The text a reader, human or model, takes it for: compatibility forms folded (NFKC), case folded, letters of other
// alphabets that look Latin replaced, invisible characters removed, white space and the punctuation of words joined to
// one space. `offsets[i]` is where byte i of the text came from.
struct Plain {
  std::string text;
  std::vector<std::size_t> offsets;
};
Plain plain(std::string_view text);

// Words spelled letter by letter ("i g n o r e", "i-g-n-o-r-e"), each such run on a line without what stands between;
// and the text with digits that stand for letters ("1gn0re") as letters. Empty where there is none of it.
Plain joined_letters(const Plain& text);
Plain without_digits_for_letters(const Plain& text);

// The text with what stands for characters in source files and HTML ("\u200b", "\x41", "&#8203;") in their place,
// and a space for an escaped line end or tab; the same text where there is none of it.
std::string unescaped(std::string_view text);

// Whether a character shows nothing: zero-width, bidirectional, tag, filler, variation selectors of the supplement.
bool is_invisible(std::uint32_t c);

}  // namespace countersign::vetting
