#include "gate/vetting/injection.h"

#include <re2/re2.h>

#include <algorithm>
#include <memory>
#include <set>

#include "common/bytes.h"
#include "common/json.h"
#include "gate/vetting/text_scan.h"

namespace countersign::vetting {
namespace {

struct Phrase {
  std::string_view rule;
  std::string_view title;
  const char* pattern;  // over plain text: lower case, one space between words
};

// Instructions to a model as they are seen in the wild; wording varies, so each is a shape.
constexpr Phrase kPhrases[] =
    {
        {"ignore-instructions", "asks the model to drop its instructions",
         R"(\b(?:ignore|disregard|forget|override|bypass) (?:\w+ ){0,4}?(?:previous|prior|above|earlier|preceding|original|system|safety|these|those|your|all) (?:\w+ ){0,3}?(?:instruction|instructions|prompt|prompts|rule|rules|direction|directions|guideline|guidelines|message|messages|context|constraints|commands|training)\b)"},
        {"ignore-instructions", "asks the model to drop its instructions",
         R"(\b(?:ignore|disregard|forget) (?:everything|anything|all) (?:\w+ ){0,3}?(?:above|before|previously|prior|earlier|you were|you have been|you know)\b|\b(?:do not|don'?t|never|stop) (?:follow|obey|following|obeying) (?:\w+ ){0,2}?(?:user|developer|system|previous|prior|other|original|safety)(?:'?s)? (?:instructions?|rules?|prompts?|guidelines?)\b)"},
        {"ignore-instructions", "asks the model to drop its instructions",
         R"(\b(?:ignora|ignorez?|ignoriere?n?|ignorar|olvida|vergiss|vergesst|oubliez?|desconsidere|esqueca|dimentica) (?:\w+ ){0,4}?(?:instrucciones|instrucoes|anweisungen|istruzioni|consignes|befehle|instructions (?:precedentes|anterieures|ci dessus))\b|(?:忽略|无视|無視|忘记|忘記)\S{0,12}(?:指令|指示|说明|提示|規則|规则))"},
        {"new-role", "gives the model another role",
         R"(\byou are (?:now|from now on) (?:(?:an?|the|my|acting|operating|unrestricted|unfiltered|jailbroken|dan|root)\b|free (?:of|from)\b)|\byou are no longer (?:an?|bound|restricted|limited)\b|\bfrom now on,? (?:you|act|behave|respond)\b|\bpretend (?:to be|that you are|you are)\b|\bact as (?:if you (?:are|were)|an? (?:unrestricted|unfiltered|root|admin\w*|dan|jailbroken))\b|\bdo anything now\b|\byou have no (?:limits|restrictions|rules|guidelines)\b|\byour (?:new|real|actual|true) (?:task|goal|objective|instructions?|mission|purpose) (?:is|are)\b|\bas an? (?:ai|llm|large language model|language model)\b(?: \w+){0,5} you (?:should|must|need to|will|have to)\b)"},
        {"system-override", "speaks as the system",
         R"(\bsystem (?:override|prompt|message|instruction|instructions|notice)\s?:|<\s?/?\s?(?:system|sys|assistant|instructions?)\s?>|\[\s?/?\s?(?:inst|system)\s?\]|<\s?\|\s?(?:im start|im end|system|user|assistant|endoftext)|<<\s?sys\s?>>|\bnew (?:system )?(?:instructions?|directives?)\s?:|\b(?:developer|god|debug|jailbreak|dan) mode (?:enabled|activated|on)\b)"},
        {"reveal-prompt", "asks for the model's own instructions",
         R"(\b(?:output|print|reveal|repeat|display|leak|recite|disclose) (?:\w+ ){0,4}?your (?:\w+ ){0,2}?(?:system prompt|instructions|prompt|system message)\b)"},
        {"important-tag", "marks text as important for the model",
         R"(<\s?/?\s?(?:important|critical|secret|hidden|admin)\s?>)"},
        {"hide-from-user", "asks the model to keep something from its user",
         R"(\b(?:do not|don'?t|never|must not|mustn'?t|should not|shouldn'?t|without) (?:tell|telling|inform|informing|mention|mentioning|notify|notifying|reveal|revealing|alert|alerting|ask|asking|let) (?:\w+ ){0,6}?(?:user|human|operator|person|anyone|them)\b|\b(?:do not|don'?t|never|must not|should not|without) (?:show|showing) (?:\w+ ){0,4}?(?:user|human|operator|anyone)\b|\b(?:keep|do) (?:this|it) (?:secret|hidden|silently|quietly)\b)"},
        {"before-tool-use", "makes another action a condition of using a tool",
         R"(\b(?:before|prior to|when|whenever|after|instead of) (?:you )?(?:using|use|calling|call|invoking|invoke|running|run|read|reading) (?:this|the|any|that|other) (?:tool|tools|function|file|server)\b.{0,80}?\b(?:read|call|send|execute|run|fetch|open|include|pass|must|first)\b|\bused? (?:\w+ ){0,3}?instead of (?:all|any|every) other tools?\b|\b(?:when|whenever|before|after) this (?:tool|function) (?:is|was|gets) (?:called|used|invoked)\b.{0,80}?\b(?:send|upload|forward|read|post|call|execute)\b)"},
        {"exfiltration", "asks for data to be sent away",
         R"(\b(?:send|post|upload|transmit|forward|exfiltrate|leak|email|append|include|pass) (?:\S+ ){0,8}?(?:\S*token\S*|\S*secret\S*|\S*credential\S*|\S*password\S*|api keys?|private keys?|ssh keys?|environment variables?|conversation|chat history|system prompt|contents?) (?:\S+ ){0,10}?(?:to|at|via) (?:https?:|\S+@\S|this (?:url|address|endpoint|server|webhook)|the following)|\b(?:send|post|upload|exfiltrate|leak) (?:\S+ ){1,12}?(?:to|at|via) https?:|\bexfiltrate (?:\S+ ){0,6}?(?:\S*token\S*|\S*secret\S*|keys?|\S*credential\S*|\S*password\S*|data|files?)\b)"},
        {"credential-file", "names a file of credentials in prose to be read",
         R"(\b(?:read|open|cat|load|fetch|fs:read|get|include|attach|copy)\b[^.]{0,60}?(?:~\s?/\s?\.\s?ssh|\bid rsa\b|\bid ed25519\b|\.\s?cursor\s?/|\.\s?aws\s?/\s?credentials|/etc/passwd|/etc/shadow|\.netrc\b|\.pypirc\b|\.git credentials\b|\.kube\s?/))"},
        {"silent-execution", "asks for something to be done unseen",
         R"(\b(?:run|execute|eval|invoke|enter|enable) (?:\w+ ){0,4}?(?:secret|silent|silently|hidden|unrestricted) ?(?:mode|shell|command|commands|access)\b|\b(?:secretly|covertly) (?:run|execute|copy|send|forward|upload|delete|read|append|include|post|store|record)\b|\bsilently (?:copy|send|forward|upload|exfiltrate|transmit|post)\b)"},
};

struct Compiled {
  const Phrase* phrase;
  std::unique_ptr<re2::RE2> pattern;
  std::unique_ptr<re2::RE2> run_together;  // the same where nothing stands between words
};

std::string without_spaces(std::string pattern) {
  for (std::size_t at = 0; (at = pattern.find("\\b", at)) != std::string::npos;) pattern.erase(at, 2);
  for (std::size_t at = 0; (at = pattern.find(' ', at)) != std::string::npos; at += 2) pattern.insert(at + 1, "?");
  return pattern;
}

const std::vector<Compiled>& compiled_phrases() {
  static const std::vector<Compiled> all = [] {
    std::vector<Compiled> out;
    for (const Phrase& phrase : kPhrases) {
      out.push_back({&phrase, std::make_unique<re2::RE2>(phrase.pattern),
                     std::make_unique<re2::RE2>(without_spaces(phrase.pattern))});
    }
    return out;
  }();
  return all;
}

// Collects each rule once a line.
class Signals {
 public:
  Signals(std::string path, std::vector<Finding>& findings) : path_(std::move(path)), findings_(findings) {}

  // Texts that follow begin at this line.
  void begin_at(int line) { first_line_ = line; }

  void add(std::string_view rule, std::string_view title, std::string detail, int line) {
    line += first_line_ - 1;
    if (!seen_.insert({std::string(rule), line}).second) return;
    findings_.push_back(
        {Category::Injection, Severity::High, std::string(rule), std::string(title), std::move(detail), path_, line});
  }
  // What a document only speaks about: shown, and no signal.
  void add_quoted(std::string_view rule, std::string detail, int line) {
    line += first_line_ - 1;
    if (!seen_.insert({std::string(rule), line}).second) return;
    findings_.push_back({Category::Injection, Severity::Low, std::string(rule),
                         "quotes what would be an instruction to a model", std::move(detail), path_, line});
  }

 private:
  std::string path_;
  std::vector<Finding>& findings_;
  int first_line_ = 1;
  std::set<std::pair<std::string, int>> seen_;
};

bool is_ascii_text(std::uint32_t c) {
  return c >= 0x20 && c < 0x7f;
}

// Joiners belong to emoji and to scripts that need them; beside plain Latin text they hide something.
bool joins_a_script(const std::vector<CodePoint>& all, std::size_t i) {
  const std::uint32_t c = all[i].value;
  if (c != 0x200c && c != 0x200d) return false;
  const bool before = i > 0 && all[i - 1].value >= 0x0600 && !is_invisible(all[i - 1].value);
  const bool after = i + 1 < all.size() && all[i + 1].value >= 0x0600 && !is_invisible(all[i + 1].value);
  return before && after;
}

// The text that tag characters spell (U+E0020 to U+E007E), ASCII for ASCII.
std::string spelled_by_tags(const std::vector<CodePoint>& all, std::size_t from, std::size_t to) {
  std::string out;
  for (std::size_t i = from; i < to; ++i) {
    if (all[i].value >= 0xe0020 && all[i].value < 0xe007f) out += static_cast<char>(all[i].value - 0xe0000);
  }
  return out;
}

void look_for_invisible(std::string_view text, Signals& signals) {
  const std::vector<CodePoint> all = code_points(text);
  for (std::size_t i = 0; i < all.size();) {
    const bool at_start = i == 0 && all[i].value == 0xfeff;
    if (!is_invisible(all[i].value) || at_start || joins_a_script(all, i)) {
      ++i;
      continue;
    }
    std::size_t end = i;
    bool tags = false;
    bool directions = false;
    for (; end < all.size() && is_invisible(all[end].value); ++end) {
      const std::uint32_t c = all[end].value;
      tags = tags || (c >= 0xe0020 && c < 0xe007f);
      directions = directions || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    }
    const int line = line_at(text, all[i].offset);
    // A flag of a region is an emoji followed by a few tags (Unicode UTS #51, "Emoji Tag Sequences").
    const bool flag = tags && i > 0 && all[i - 1].value == 0x1f3f4 && end - i <= 7;
    if (tags && !flag) {
      signals.add("tag-characters", "hides text in tag characters",
                  "it spells \"" + spelled_by_tags(all, i, end) + "\"", line);
    } else if (directions) {
      signals.add("bidirectional-control", "reorders what a reader sees", "bidirectional control characters", line);
    } else if (!flag && all[i].value != 0x00ad &&
               ((i > 0 && is_ascii_text(all[i - 1].value)) || (end < all.size() && is_ascii_text(all[end].value)) ||
                end - i > 2)) {
      signals.add("invisible-characters", "has characters nobody sees",
                  std::to_string(end - i) + " invisible characters in a row", line);
    }
    i = end;
  }
}

// Whether the text at [from, to) stands in quotation marks or a code span of one line whose paragraph says that it
// speaks of such phrases.
bool is_quoted(std::string_view text, std::size_t from, std::size_t to) {
  constexpr std::string_view kMarks[] = {"\"", "`", "\xe2\x80\x9c", "\xc2\xab"};
  constexpr std::string_view kEnds[] = {"\"", "`", "\xe2\x80\x9d", "\xc2\xbb"};
  static const re2::RE2 speaks_of_it(
      R"((?i)\b(?:attack\w*|inject\w*|malicious\w*|jailbreak\w*|poison\w*|phrases?|detect\w*|reject\w*|refus\w*|block\w*|filter\w*|sanitiz\w*|sanitis\w*)\b)");
  const std::size_t begin = from == 0 ? 0 : text.rfind('\n', from - 1) + 1;  // npos + 1 is 0
  const std::size_t end = std::min(text.find('\n', from), text.size());
  if (to > end) return false;
  const std::string_view before = text.substr(begin, from - begin);
  const std::string_view after = text.substr(to, end - to);
  bool marked = false;
  for (std::size_t i = 0; i < std::size(kMarks); ++i) {
    std::size_t open = 0;
    for (std::size_t at = 0; (at = before.find(kMarks[i], at)) != std::string_view::npos; at += kMarks[i].size()) {
      ++open;
    }
    if (kMarks[i] != kEnds[i]) {
      for (std::size_t at = 0; (at = before.find(kEnds[i], at)) != std::string_view::npos; at += kEnds[i].size()) {
        if (open > 0) --open;
      }
    }
    marked = marked || (open % 2 == 1 && after.find(kEnds[i]) != std::string_view::npos);
  }
  if (!marked) return false;
  const std::string around = std::string(before) + " " + std::string(after);
  return re2::RE2::PartialMatch(around, speaks_of_it);
}

// Where a phrase lies in the text that a plain form was made of.
struct Match {
  const Phrase* phrase;
  std::string words;
  std::size_t from;
  std::size_t to;
};

std::vector<Match> matches(const Plain& plain, bool run_together) {
  std::vector<Match> out;
  for (const Compiled& each : compiled_phrases()) {
    const re2::RE2& pattern = run_together ? *each.run_together : *each.pattern;
    re2::StringPiece rest(plain.text);
    re2::StringPiece match;
    while (!rest.empty() && pattern.Match(rest, 0, rest.size(), re2::RE2::UNANCHORED, &match, 1)) {
      if (match.empty()) break;
      const auto at = static_cast<std::size_t>(match.data() - plain.text.data());
      out.push_back({each.phrase, std::string(match.substr(0, 120)), plain.offsets[at],
                     plain.offsets[at + match.size() - 1] + 1});
      rest = re2::StringPiece(match.data() + match.size(), plain.text.size() - at - match.size());
    }
  }
  return out;
}

void look_for_phrases(std::string_view text, bool is_document, Signals& signals) {
  const Plain folded = plain(text);
  std::vector<Match> all = matches(folded, false);
  for (Match& each : matches(without_digits_for_letters(folded), false)) all.push_back(std::move(each));
  for (Match& each : matches(joined_letters(folded), true)) all.push_back(std::move(each));
  for (Match& each : all) {
    const int line = line_at(text, each.from);
    std::string detail = "\"" + each.words + "\"";
    if (is_document && is_quoted(text, each.from, each.to)) {
      signals.add_quoted(each.phrase->rule, std::move(detail), line);
    } else {
      signals.add(each.phrase->rule, each.phrase->title, std::move(detail), line);
    }
  }
}

// Instructions in Base64: what decodes to text is text.
void look_in_base64(std::string_view text, Signals& signals) {
  constexpr std::size_t kShortest = 32;
  const auto belongs = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  };
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && belongs(text[end])) ++end;
    const std::size_t length = (end - i) & ~std::size_t{3};  // a padded rest holds two bytes more
    if (length >= kShortest) {
      const auto bytes = from_base64(text.substr(i, length));
      const auto decoded = bytes ? text_of_file(text_of(*bytes)) : std::nullopt;
      if (decoded) {
        for (const Match& each : matches(plain(*decoded), false)) {
          signals.add(each.phrase->rule, each.phrase->title, "in Base64: \"" + each.words + "\"", line_at(text, i));
        }
      }
    }
    i = end + 1;
  }
}

// Folding a text takes many times its size, so a large one is looked at in pieces that overlap by more than any phrase
// is long.
template <typename Look>
void look_in_windows(std::string_view text, Signals& signals, Look&& look) {
  constexpr std::size_t kWindow = std::size_t{4} << 20;
  constexpr std::size_t kOverlap = 8192;
  const auto is_inside_character = [&](std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
  };
  int line = 1;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = std::min(begin + kWindow, text.size());
    while (is_inside_character(end)) ++end;
    signals.begin_at(line);
    look(text.substr(begin, end - begin));
    if (end == text.size()) break;
    std::size_t next = end - kOverlap;
    while (is_inside_character(next)) ++next;
    line += line_at(text.substr(begin, next - begin), next - begin) - 1;
    begin = next;
  }
  signals.begin_at(1);
}

// Each string of a JSON document, names included, with its escapes resolved.
void strings_of(const Json& json, std::vector<std::string>& out) {
  if (json.is_string()) out.push_back(json.as_string());
  if (json.is_array()) {
    for (const Json& each : json.as_array()) strings_of(each, out);
  }
  if (json.is_object()) {
    for (const auto& [name, value] : json.as_object()) {
      out.push_back(name);
      strings_of(value, out);
    }
  }
}

}  // namespace

void find_injection_in(std::string_view text, const std::string& path, std::vector<Finding>& findings) {
  Signals signals(path, findings);
  look_in_windows(text, signals, [&](std::string_view part) {
    look_for_invisible(part, signals);
    look_for_phrases(part, false, signals);
  });
}

void find_injection(const FileView& file, std::vector<Finding>& findings) {
  if (!file.text) {
    // A program's descriptions of its tools stand in it as text, too.
    const std::size_t before = findings.size();
    Signals signals(file.path, findings);
    look_in_windows(printable_runs(file.bytes), signals,
                    [&](std::string_view part) { look_for_phrases(part, false, signals); });
    for (std::size_t i = before; i < findings.size(); ++i) findings[i].line = 0;  // a program has none
    return;
  }
  const std::string& text = *file.text;
  std::vector<Finding> found;
  Signals signals(file.path, found);
  look_in_windows(text, signals, [&](std::string_view part) {
    look_for_invisible(part, signals);
    look_for_phrases(part, file.is_document(), signals);
    look_in_base64(part, signals);
  });
  // The same again with escapes resolved, without what was seen already; lines are those of the text as written where
  // resolving did not move them.
  const std::string resolved = unescaped(text);
  std::vector<Finding> more;
  if (resolved != text) find_injection_in(resolved, file.path, more);
  const auto json = Json::parse(text, {.bytes = text.size() + 1});
  std::vector<std::string> strings;
  if (json && (json->is_object() || json->is_array())) strings_of(*json, strings);
  for (const std::string& each : strings) {
    // A line of its own was looked at above; what spans the escapes of one string was not.
    if (each.find('\n') == std::string::npos) continue;
    find_injection_in(each, file.path, more);
  }
  for (Finding& finding : more) {
    const bool known = std::any_of(found.begin(), found.end(), [&](const Finding& each) {
      return each.rule == finding.rule && (each.line == finding.line || each.detail == finding.detail);
    });
    if (!known) found.push_back(std::move(finding));
  }
  for (Finding& finding : found) findings.push_back(std::move(finding));
}

}  // namespace countersign::vetting
