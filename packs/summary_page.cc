#include "packs/summary_page.h"

#include <algorithm>
#include <vector>

#include "packs/controls.h"

namespace countersign::packs {
namespace {

constexpr std::size_t kColumns = 92;  // of 9 point Courier between the margins of an A4 page
constexpr std::size_t kRows = 60;

// Printable ASCII, with the three characters that end or nest a PDF string escaped.
std::string pdf_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '(' || c == ')' || c == '\\') out += '\\';
    // One '?' a character: continuation bytes of UTF-8 are left out.
    if (static_cast<unsigned char>(c) >= 0x80) {
      if ((static_cast<unsigned char>(c) & 0xc0U) != 0x80U) out += '?';
      continue;
    }
    out += c < ' ' || c == '\x7f' ? '?' : c;
  }
  return out;
}

class Lines {
 public:
  // Long text goes on in further lines.
  void add(std::string_view text) {
    do {
      lines_.emplace_back(text.substr(0, kColumns));
      text.remove_prefix(std::min(text.size(), kColumns));
    } while (!text.empty());
  }

  std::size_t pages() const { return std::max<std::size_t>(1, (lines_.size() + kRows - 1) / kRows); }

  std::string page(std::size_t number) const {
    std::string out = "BT\n/F1 9 Tf\n12 TL\n48 790 Td\n";
    for (std::size_t i = number * kRows; i < std::min(lines_.size(), (number + 1) * kRows); ++i) {
      out += "(" + pdf_text(lines_[i]) + ") Tj\nT*\n";
    }
    return out + "ET";
  }

 private:
  std::vector<std::string> lines_;
};

// Objects in order of their numbers, with the table of their places.
class PdfFile {
 public:
  void add(const std::string& object) {
    places_.push_back(bytes_.size());
    bytes_ += std::to_string(places_.size()) + " 0 obj\n" + object + "\nendobj\n";
  }

  std::string finished() && {
    const std::size_t table = bytes_.size();
    bytes_ += "xref\n0 " + std::to_string(places_.size() + 1) + "\n0000000000 65535 f \n";
    for (const std::size_t place : places_) {
      std::string digits = std::to_string(place);
      digits.insert(0, 10 - digits.size(), '0');
      bytes_ += digits + " 00000 n \n";
    }
    bytes_ += "trailer\n<< /Size " + std::to_string(places_.size() + 1) + " /Root 1 0 R >>\nstartxref\n" +
              std::to_string(table) + "\n%%EOF\n";
    return std::move(bytes_);
  }

 private:
  std::string bytes_ = "%PDF-1.4\n";
  std::vector<std::size_t> places_;
};

std::string rendered(const Lines& lines) {
  constexpr std::size_t kFirstPage = 4;  // after catalogue, tree of pages and font
  std::string kids;
  for (std::size_t i = 0; i < lines.pages(); ++i) kids += std::to_string(kFirstPage + 2 * i) + " 0 R ";
  PdfFile file;
  file.add("<< /Type /Catalog /Pages 2 0 R >>");
  file.add("<< /Type /Pages /Kids [ " + kids + "] /Count " + std::to_string(lines.pages()) + " >>");
  file.add("<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>");
  for (std::size_t i = 0; i < lines.pages(); ++i) {
    const std::string content = lines.page(i);
    file.add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents " +
             std::to_string(kFirstPage + 2 * i + 1) + " 0 R >>");
    file.add("<< /Length " + std::to_string(content.size()) + " >>\nstream\n" + content + "\nendstream");
  }
  return std::move(file).finished();
}

}  // namespace

std::string summary_page(const PackInputs& inputs, const Json& contents) {
  const Template& chosen = template_named(inputs.template_name);
  Lines lines;
  lines.add("Evidence pack");
  lines.add("");
  lines.add("run           " + inputs.run.run_id());
  lines.add("created       " + inputs.run.created_at().rfc3339());
  lines.add("capture mode  " + inputs.run.capture_mode());
  lines.add("runpack       " + inputs.run.manifest_digest());
  if (!inputs.case_id.empty()) lines.add("case          " + inputs.case_id);
  lines.add("template      " + std::string(chosen.id));
  lines.add("");
  lines.add("Decisions");
  for (const Json& trace : inputs.traces) {
    lines.add("  " + std::string(trace.text("verdict")) + "  " + std::string(trace.text("tool_name")) + "  trace " +
              std::string(trace.text("trace_id")));
  }
  if (inputs.traces.empty()) lines.add("  none");
  lines.add("");
  lines.add("Controls");
  for (const Control& control : chosen.controls) {
    lines.add("  " + std::string(control.id) + "  " + std::string(control.title));
  }
  lines.add("");
  lines.add("Files");
  for (const Json& content : contents.as_array()) {
    lines.add("  " + std::string(content.text("path")) + "  " + std::string(content.text("type")));
    lines.add("    sha256 " + std::string(content.text("sha256")));
  }
  lines.add("");
  lines.add("The signed pack_manifest.json counts, not this page.");
  return rendered(lines);
}

}  // namespace countersign::packs
