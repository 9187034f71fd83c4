#include "gate/vetting/install_hooks.h"

#include <re2/re2.h>

#include "common/json.h"
#include "gate/vetting/text_scan.h"

namespace countersign::vetting {
namespace {

// npm documentation, "Life Cycle Scripts": those that run without being asked for.
constexpr std::string_view kNpmHooks[] = {"preinstall", "install",     "postinstall", "prepare",
                                          "preprepare", "postprepare", "prepublish",  "dependencies"};

const re2::RE2& reaches_out() {
  static const re2::RE2 expression(
      R"((?i)https?://|require\(["'](?:node:)?(?:https?|net|dgram|tls|child_process)["']\)|from ["'](?:node:)?(?:https?|net|child_process)["']|\bfetch\(|\bcurl\b|\bwget\b|urllib|requests\.|socket\.|subprocess|os\.system|os\.popen|Invoke-WebRequest|eval\(|exec\()");
  return expression;
}

bool is_suspect(std::string_view text) {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), reaches_out());
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

// The files of the tree that a command names.
std::vector<std::string> named_files(std::string_view command, const std::string& folder) {
  std::vector<std::string> out;
  std::string word;
  for (const char c : std::string(command) + " ") {
    if (c != ' ' && c != '\t' && c != ';' && c != '&' && c != '|' && c != '"' && c != '\'') {
      word += c;
      continue;
    }
    while (word.starts_with("./")) word.erase(0, 2);
    if (!word.empty()) out.push_back(folder + word);
    word.clear();
  }
  return out;
}

int line_of(std::string_view text, std::string_view what) {
  const std::size_t at = text.find(what);
  return at == std::string_view::npos ? 0 : line_at(text, at);
}

void look_at_package_json(const FileView& file, const TreeFiles& tree, std::vector<Finding>& findings) {
  const auto json = Json::parse(*file.text, {.bytes = file.text->size() + 1});
  const Json* scripts = json ? json->find("scripts") : nullptr;
  if (scripts == nullptr || !scripts->is_object()) return;
  for (const std::string_view hook : kNpmHooks) {
    const std::string command(scripts->text(hook));
    if (command.empty()) continue;
    bool suspect = is_suspect(command);
    std::string through;
    for (const std::string& named : named_files(command, folder_of(file.path))) {
      const auto text = tree.text_of(named);
      if (!text || !is_suspect(*text)) continue;
      suspect = true;
      through = ", and " + named + " reaches the network or starts programs";
    }
    findings.push_back({Category::InstallHook, suspect ? Severity::High : Severity::Medium, "npm-" + std::string(hook),
                        "runs a command when it is installed", "\"" + command.substr(0, 200) + "\"" + through,
                        file.path, line_of(*file.text, "\"" + std::string(hook) + "\"")});
  }
}

struct TextRule {
  std::string_view file;  // a file's name; "*.pth" for a suffix
  std::string_view rule;
  Category category;
  Severity severity;
  std::string_view title;
  const char* expression;
};
constexpr TextRule kTextRules[] = {
    {"setup.py", "setup-py-code", Category::InstallHook, Severity::High,
     "runs code that reaches out when it is installed",
     R"((?m)urllib|requests\.|socket\.|subprocess|os\.system|os\.popen|\bexec\(|\beval\()"},
    {"setup.py", "setup-py-command", Category::InstallHook, Severity::Medium, "replaces a step of its installation",
     R"(cmdclass\s*=)"},
    {"*.pth", "pth-import", Category::InstallHook, Severity::High, "runs code whenever Python starts",
     R"((?m)^import\s)"},
    {"sitecustomize.py", "sitecustomize", Category::InstallHook, Severity::High, "runs code whenever Python starts",
     R"(\S)"},
    {"usercustomize.py", "usercustomize", Category::InstallHook, Severity::High, "runs code whenever Python starts",
     R"(\S)"},
    {"binding.gyp", "gyp-action", Category::InstallHook, Severity::Medium, "builds native code when it is installed",
     R"(<!\(|"actions"|'actions')"},
    {".npmrc", "npmrc", Category::Configuration, Severity::Medium, "changes where packages come from",
     R"((?m)^\s*(?:@[\w-]+:)?registry\s*=)"},
    {"pip.conf", "pip-index", Category::Configuration, Severity::Medium, "changes where packages come from",
     R"((?m)^\s*(?:extra-)?index-url\s*=)"},
    {"Dockerfile", "image-add-url", Category::Configuration, Severity::Medium,
     "adds a file from the network, unchecked", R"((?m)^\s*ADD\s+(?:--\S+\s+)*https?://)"},
    {"Dockerfile", "image-latest", Category::Configuration, Severity::Low, "stands on an image that changes",
     R"((?m)^\s*FROM\s+\S+:latest\b)"},
    {"Dockerfile", "image-root", Category::Configuration, Severity::Low, "runs as root",
     R"((?m)^\s*USER\s+(?:root|0)\b)"},
};

bool has_name(const FileView& file, std::string_view name) {
  if (name.starts_with("*")) return file.name().ends_with(name.substr(1));
  return file.name() == name;
}

struct ExecutableForm {
  std::string_view magic;
  std::string_view name;
};
constexpr ExecutableForm kExecutables[] = {
    {"\x7f"
     "ELF",
     "ELF"},
    {"MZ", "PE"},
    {"\xcf\xfa\xed\xfe", "Mach-O"},
    {"\xca\xfe\xba\xbe", "Mach-O or Java class"},
    {{"\0asm", 4}, "WebAssembly"},
};

}  // namespace

void find_install_hooks(const FileView& file, const TreeFiles& tree, std::vector<Finding>& findings) {
  for (const ExecutableForm& form : kExecutables) {
    if (!file.text && file.bytes.starts_with(form.magic)) {
      findings.push_back({Category::Code, Severity::Low, "executable", "is a program in machine code",
                          std::string(form.name) + ": its content is only compared with signatures", file.path, 0});
      break;
    }
  }
  if (!file.text) return;
  if (file.name() == "package.json") look_at_package_json(file, tree, findings);
  for (const TextRule& rule : kTextRules) {
    if (!has_name(file, rule.file)) continue;
    static const re2::RE2::Options kQuiet(re2::RE2::Quiet);
    const re2::RE2 expression(rule.expression, kQuiet);
    re2::StringPiece match;
    const re2::StringPiece all(*file.text);
    if (!expression.Match(all, 0, all.size(), re2::RE2::UNANCHORED, &match, 1)) continue;
    const auto at = static_cast<std::size_t>(match.data() - all.data());
    findings.push_back({rule.category, rule.severity, std::string(rule.rule), std::string(rule.title), "", file.path,
                        line_at(*file.text, at)});
  }
}

}  // namespace countersign::vetting
