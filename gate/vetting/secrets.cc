#include "gate/vetting/secrets.h"

#include <re2/re2.h>

#include <array>
#include <cmath>
#include <memory>
#include <set>

#include "gate/vetting/text_scan.h"

namespace countersign::vetting {
namespace {

struct SecretRule {
  std::string_view id;
  std::string_view title;
  const char* pattern;  // RE2; its first group is the secret
  double least_entropy;
  std::string_view keyword;  // a text without it is not searched: cheap, and the first thing every pattern needs
};

// Forms as their issuers document them.
constexpr SecretRule kRules[] = {
    {"aws-access-token", "an AWS access key id", R"(\b((?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})\b)", 2.5, "A"},
    {"aws-secret-key", "an AWS secret access key",
     R"((?i)aws.{0,20}(?:secret|key).{0,20}?["'=:\s]([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$))", 3.5, ""},
    {"github-token", "a GitHub token", R"(\b(gh[pousr]_[A-Za-z0-9]{36,255})\b)", 3.0, "gh"},
    {"github-fine-grained-token", "a GitHub fine-grained token", R"(\b(github_pat_[A-Za-z0-9_]{60,255})\b)", 3.0,
     "github_pat_"},
    {"gitlab-token", "a GitLab token", R"(\b(gl(?:pat|ptt|dt|rt|cbt|oas)-[A-Za-z0-9_\-]{20,})\b)", 3.0, "gl"},
    {"slack-token", "a Slack token", R"(\b(xox[abeoprs]-[A-Za-z0-9-]{10,250})\b)", 2.5, "xox"},
    {"slack-webhook", "a Slack webhook", R"((hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{40,}))", 3.0,
     "hooks.slack.com"},
    {"stripe-key", "a Stripe key", R"(\b((?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,99})\b)", 3.0, "k_"},
    {"google-api-key", "a Google API key", R"(\b(AIza[A-Za-z0-9_\-]{35})\b)", 3.0, "AIza"},
    {"openai-key", "an OpenAI key",
     R"(\b(sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_\-]{20,}T3BlbkFJ[A-Za-z0-9_\-]{20,})\b)", 3.0, "T3BlbkFJ"},
    {"anthropic-key", "an Anthropic key", R"(\b(sk-ant-[a-z0-9]+-[A-Za-z0-9_\-]{80,})\b)", 3.0, "sk-ant-"},
    {"npm-token", "an npm token", R"(\b(npm_[A-Za-z0-9]{36})\b)", 3.0, "npm_"},
    {"npmrc-auth-token", "a registry token", R"(_authToken\s*=\s*([A-Za-z0-9_\-=/+.]{16,}))", 3.0, "_authToken"},
    {"pypi-token", "a PyPI token", R"((pypi-AgE[A-Za-z0-9_\-]{50,}))", 3.0, "pypi-AgE"},
    {"sendgrid-key", "a SendGrid key", R"(\b(SG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43})\b)", 3.0, "SG."},
    {"twilio-key", "a Twilio key", R"(\b(SK[0-9a-f]{32})\b)", 3.0, "SK"},
    {"telegram-bot-token", "a Telegram bot token", R"(\b([0-9]{8,10}:AA[A-Za-z0-9_\-]{33})\b)", 3.0, ":AA"},
    {"discord-webhook", "a Discord webhook", R"((discord(?:app)?\.com/api/webhooks/[0-9]{15,}/[A-Za-z0-9_\-]{40,}))",
     3.0, "discord"},
    {"azure-account-key", "an Azure storage key", R"(AccountKey=([A-Za-z0-9+/]{86}==))", 3.5, "AccountKey"},
    {"digitalocean-token", "a DigitalOcean token", R"(\b(do[opr]_v1_[a-f0-9]{64})\b)", 3.0, "_v1_"},
    {"huggingface-token", "a Hugging Face token", R"(\b(hf_[A-Za-z]{34})\b)", 3.0, "hf_"},
    {"vault-token", "a Vault token", R"(\b(hv[sbr]\.[A-Za-z0-9_\-]{24,}))", 3.0, "hv"},
    {"age-secret-key", "an age secret key", R"((AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}))", 3.0,
     "AGE-SECRET-KEY-"},
    {"private-key", "a private key",
     R"((-----BEGIN (?:RSA |EC |DSA |OPENSSH |ENCRYPTED |PGP )?PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nr])*[A-Za-z0-9+/=:,\-\s\\]{32}))",
     0, "PRIVATE KEY"},
    {"json-web-token", "a signed web token",
     R"(\b(eyJ[A-Za-z0-9_\-]{10,}\.eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{20,}))", 3.0, "eyJ"},
    {"url-password", "a password in a URL",
     R"([a-z][a-z0-9+.\-]{1,20}://[^/\s:@"'<>{}$]{1,64}:([^/\s:@"'<>{}$]{6,128})@[A-Za-z0-9.\-]+)", 2.0, "://"},
    {"generic-secret", "a value that looks like a credential",
     R"((?i)[a-z0-9_.\-]{0,40}(?:api_?-?key|secret|token|passw(?:or)?d|passphrase|pwd|credential|auth|private_?key|access_?key)[a-z0-9_.\-]{0,20}["'`]?\s{0,5}(?::=|=>|=|:)\s{0,5}["'`]?([A-Za-z0-9_\-+/=.~!@#$%^&*]{16,150}))",
     3.5, ""},
};

struct Compiled {
  const SecretRule* rule;
  std::unique_ptr<re2::RE2> pattern;
};

const std::vector<Compiled>& compiled_rules() {
  static const std::vector<Compiled> all = [] {
    re2::RE2::Options options;
    options.set_encoding(re2::RE2::Options::EncodingLatin1);  // binary files too
    std::vector<Compiled> out;
    for (const SecretRule& rule : kRules) out.push_back({&rule, std::make_unique<re2::RE2>(rule.pattern, options)});
    return out;
  }();
  return all;
}

// What stands where a secret would, in examples and templates.
bool is_placeholder(std::string_view value) {
  constexpr std::string_view kWords[] = {"example", "changeme", "placeholder", "your_",    "your-",  "xxxx",   "****",
                                         "....",    "dummy",    "sample",      "redacted", "insert", "replace"};
  std::string lower(value);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  for (const std::string_view word : kWords) {
    if (lower.find(word) != std::string::npos) return true;
  }
  return value.starts_with("$") || value.starts_with("process.env") || value.starts_with("os.environ");
}

// A credential mixes kinds of characters; a path, a dotted name or a sentence does not.
bool is_mixed(std::string_view value) {
  bool letter = false;
  bool digit = false;
  for (const char c : value) {
    letter = letter || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    digit = digit || (c >= '0' && c <= '9');
  }
  return letter && digit;
}

std::string masked(std::string_view secret) {
  std::string shown;
  for (const char c : secret.substr(0, 4)) shown += c >= 0x20 && c < 0x7f ? c : '?';
  return shown + "… (" + std::to_string(secret.size()) + " characters)";
}

}  // namespace

double entropy(std::string_view text) {
  if (text.empty()) return 0;
  std::array<std::size_t, 256> counts{};
  for (const char c : text) ++counts[static_cast<unsigned char>(c)];
  double bits = 0;
  for (const std::size_t count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / static_cast<double>(text.size());
    bits -= share * std::log2(share);
  }
  return bits;
}

void find_secrets(const FileView& file, std::vector<Finding>& findings) {
  const std::string_view all = file.text ? std::string_view(*file.text) : file.bytes;
  std::set<std::pair<std::size_t, std::size_t>>
      seen;  // where a secret lies, so that the generic rule does not repeat one
  std::set<int> lines;
  for (const Compiled& each : compiled_rules()) {
    if (!each.rule->keyword.empty() && all.find(each.rule->keyword) == std::string_view::npos) continue;
    re2::StringPiece rest(all.data(), all.size());
    re2::StringPiece secret;
    while (re2::RE2::FindAndConsume(&rest, *each.pattern, &secret)) {
      const auto at = static_cast<std::size_t>(secret.data() - all.data());
      const std::string_view value(secret.data(), secret.size());
      if (entropy(value) < each.rule->least_entropy || is_placeholder(value)) continue;
      const bool generic = each.rule->id == "generic-secret";
      if (generic && !is_mixed(value)) continue;
      const int line = line_at(all, at);
      if (generic && lines.contains(line)) continue;
      if (!seen.insert({at, secret.size()}).second) continue;
      lines.insert(line);
      findings.push_back({Category::Secret, Severity::High, std::string(each.rule->id), std::string(each.rule->title),
                          masked(value), file.path, line, "secret\n" + file.path + "\n" + std::to_string(line)});
    }
  }
}

}  // namespace countersign::vetting
