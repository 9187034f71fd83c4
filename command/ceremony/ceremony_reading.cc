#include "command/ceremony/ceremony_reading.h"

#include <qrencode.h>

#include <memory>

#include "common/digest.h"
#include "common/durable_file.h"
#include "common/html.h"
#include "keymgmt/ceremony/transcript.h"

namespace countersign::command {
namespace {

constexpr int kQuietZone = 4;  // modules of white around a code (ISO/IEC 18004)

struct FreeCode {
  void operator()(QRcode* code) const { QRcode_free(code); }
};
using Code = std::unique_ptr<QRcode, FreeCode>;

Code code_of(const std::string& text) {
  return Code(QRcode_encodeString(text.c_str(), 0, QR_ECLEVEL_M, QR_MODE_8, 1));
}

bool dark(const QRcode& code, int x, int y) {
  if (x < 0 || y < 0 || x >= code.width || y >= code.width) return false;
  return (code.data[y * code.width + x] & 1) != 0;
}

// Two rows of modules in one line of text.
std::string drawn(const std::string& text) {
  const Code code = code_of(text);
  if (!code) return "(no QR code)\n";
  std::string out;
  for (int y = -kQuietZone; y < code->width + kQuietZone; y += 2) {
    for (int x = -kQuietZone; x < code->width + kQuietZone; ++x) {
      const bool upper = !dark(*code, x, y);  // light on a dark terminal
      const bool lower = !dark(*code, x, y + 1);
      out += upper && lower ? "█" : upper ? "▀" : lower ? "▄" : " ";
    }
    out += "\n";
  }
  return out;
}

std::string svg(const std::string& text) {
  const Code code = code_of(text);
  if (!code) return "";
  const std::string size = std::to_string(code->width + 2 * kQuietZone);
  std::string out = "<svg width=\"180\" height=\"180\" viewBox=\"0 0 " + size + " " + size +
                    "\" shape-rendering=\"crispEdges\"><rect width=\"" + size + "\" height=\"" + size +
                    "\" fill=\"#fff\"/><path d=\"";
  for (int y = 0; y < code->width; ++y) {
    for (int x = 0; x < code->width; ++x) {
      if (!dark(*code, x, y)) continue;
      out += "M" + std::to_string(x + kQuietZone) + " " + std::to_string(y + kQuietZone) + "h1v1h-1z";
    }
  }
  return out + "\"/></svg>";
}

// "1a2b 3c4d …": sixteen groups of four hex digits.
std::string aloud(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 4) out += (i == 0 ? "" : " ") + std::string(hex.substr(i, 4));
  return out;
}

// What a line says, for people.
std::string told(const ceremony::Entry& entry) {
  const Json& json = entry.json;
  if (entry.kind == "begin") {
    return "the ceremony \"" + std::string(json.text("name")) + "\" (" + std::string(json.text("purpose")) +
           ") begins, plan sha256 " + std::string(json.text("intent_sha256"));
  }
  if (entry.kind == "token") {
    const Json* info = json.find("info");
    const Json* module = json.find("module");
    return "token " + std::string(json.text("token")) + ": " + std::string(info->text("manufacturer")) + " " +
           std::string(info->text("model")) + ", serial number " + std::string(info->text("serial")) + ", module " +
           std::string(module->text("path")) + ", trust " + std::string(json.text("trust")) + ", attestation " +
           std::string(json.text("attestation"));
  }
  if (entry.kind == "step") {
    std::string initials;
    for (const Json::Member& person : json.find("initials")->as_object()) {
      initials += (initials.empty() ? "" : ", ") + person.first + " " + person.second.as_string();
    }
    return "step " + std::to_string(json.find("step")->as_integer() + 1) + ": " + std::string(json.text("title")) +
           "\n    expected: " + std::string(json.text("expected")) +
           "\n    observed: " + json.find("observed")->compact() + "\n    initials: " + initials;
  }
  if (entry.kind == "exception") return "EXCEPTION: " + std::string(json.text("what"));
  if (entry.kind == "attempt") return "step " + std::to_string(json.find("step")->as_integer() + 1) + " is tried";
  if (entry.kind == "resumed") return "the ceremony goes on after an interruption";
  return "the ceremony ends: " + std::string(json.text("outcome"));
}

const Json::Array& keys_of(const ceremony::Transcript& transcript) {
  static const Json::Array kNone;
  const ceremony::Entry* end = transcript.last("end");
  const Json* keys = end == nullptr ? nullptr : end->json.find("keys");
  return keys == nullptr || !keys->is_array() ? kNone : keys->as_array();
}

}  // namespace

std::string text_reading(std::string_view text) {
  const Result<ceremony::Transcript> transcript = ceremony::Transcript::parse(text);
  if (!transcript) return transcript.error().detail + "\n";
  std::string out = "Transcript sha256 " + aloud(sha256(text).hex()) + "\n\n";
  for (const ceremony::Entry& entry : transcript->entries()) {
    out += std::string(entry.json.text("at")) + "  " + told(entry) + "\n";
  }
  for (const Json& key : keys_of(*transcript)) {
    out += "\n" + std::string(key.text("role")) + " key " + std::string(key.text("label")) + " (" +
           std::string(key.text("algorithm")) + ")\nkid    " + std::string(key.text("kid")) + "\nsha256 " +
           aloud(key.text("sha256")) + "\n" + drawn(std::string(key.text("sha256")));
  }
  return out;
}

std::string html_reading(std::string_view text) {
  const Result<ceremony::Transcript> transcript = ceremony::Transcript::parse(text);
  if (!transcript) return "<!doctype html><p>" + html_text(transcript.error().detail) + "</p>\n";
  std::string out =
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Ceremony transcript</title>"
      "<style>body{font:14px sans-serif;max-width:60em;margin:2em auto}pre{white-space:pre-wrap}"
      ".exception{background:#fdd}code{font-size:16px}</style>\n<h1>Ceremony transcript</h1><p>sha256 <code>" +
      aloud(sha256(text).hex()) + "</code></p>" + svg(sha256(text).hex()) + "\n<table>";
  for (const ceremony::Entry& entry : transcript->entries()) {
    out += "<tr" + std::string(entry.kind == "exception" ? " class=\"exception\"" : "") + "><td>" +
           html_text(entry.json.text("at")) + "</td><td><pre>" + html_text(told(entry)) + "</pre></td></tr>\n";
  }
  out += "</table>\n";
  for (const Json& key : keys_of(*transcript)) {
    out += "<h2>" + html_text(key.text("role")) + " key " + html_text(key.text("label")) + "</h2><p>kid <code>" +
           html_text(key.text("kid")) + "</code></p><p>sha256 <code>" + aloud(key.text("sha256")) + "</code></p>" +
           svg(std::string(key.text("sha256"))) + "<pre>" + html_text(key.text("pem")) + "</pre>\n";
  }
  return out + "</html>\n";
}

Status write_readings(const CeremonyDirectory& directory, std::string_view transcript) {
  RETURN_IF_ERROR(write_durable(directory.reading_file("txt"), text_reading(transcript), 0644));
  return write_durable(directory.reading_file("html"), html_reading(transcript), 0644);
}

}  // namespace countersign::command
