// ceremony plan: a shipped plan with its places filled in from the appliance, ready to be reviewed and signed.
#include <filesystem>
#include <fstream>
#include <map>

#include "command/ceremony/ceremony_directory.h"
#include "command/ceremony/commands.h"
#include "command/line/command.h"
#include "command/line/signer_address.h"
#include "common/digest.h"
#include "common/durable_file.h"
#include "signer/client/signer_client.h"
#include "signer/config/approver_roster.h"
#include "signer/config/roster.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"dir", Flag::Kind::Text, "DIR", "the ceremony's directory, made by this"},
    {"set", Flag::Kind::Text, "NAME=VALUE,…", "values of places that the plan leaves open: people, keys, reasons"},
    {"quorum", Flag::Kind::Text, "FILE", "who the custodians are, as JSON or YAML; without it those in office"},
    {"new-quorum", Flag::Kind::Text, "FILE", "who they will be, for a plan that changes them"},
    {"config", Flag::Kind::Text, "FILE",
     "the configuration whose list of approvers, or verifiers, is to be agreed to (roster.yaml)"},
    {"valid", Flag::Kind::Text, "DURATION", "how long the plan may be run from now on; default 720h"},
    kSignerFlag,
    kAdminFlag,
};
constexpr std::chrono::hours kUsualWindow{720};

struct Filling {
  std::map<std::string, std::string, std::less<>> set;
  std::string quorum, new_quorum;  // compact JSON, which YAML reads
  UtcTime now, until;
  client::SignerClient& signer;
  std::string config;
  std::optional<keymgmt::KeySet> keys;
  std::map<std::string, std::string> labels;  // as they were drawn, so that one place has one value
  std::map<std::string, std::string> ids;
};

Result<std::map<std::string, std::string, std::less<>>> settings_in(std::string_view text) {
  std::map<std::string, std::string, std::less<>> set;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view pair = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return Error{ErrorCode::Invalid, "--set takes NAME=VALUE, separated by commas"};
    }
    const std::string_view value = pair.substr(equals + 1);
    if (value.find_first_of("\n\"{}$") != std::string_view::npos) {
      return Error{ErrorCode::Invalid, "a value of --set has no quotes, braces or line breaks"};
    }
    set.emplace(std::string(pair.substr(0, equals)), std::string(value));
  }
  return set;
}

Result<std::string> quorum_text(std::string_view file, const std::string& what) {
  ASSIGN_OR_RETURN(const std::string text, read_file(std::string(file)));
  ASSIGN_OR_RETURN(const YamlNode node, parse_yaml(text, {}));
  ASSIGN_OR_RETURN(const ceremony::Quorum quorum, ceremony::read_quorum(node, what));
  return quorum.to_json().compact();
}

Result<const keymgmt::KeySet*> keys_of(Filling& filling) {
  if (!filling.keys) {
    ASSIGN_OR_RETURN(filling.keys, filling.signer.keys());
  }
  return &*filling.keys;
}

std::string day_of(UtcTime now) {
  std::string day = now.rfc3339().substr(0, 10);
  std::erase(day, '-');
  return day;
}

// "active:ROLE:ALGORITHM", "label:ROLE", "id:NAME", …
Result<std::string> value_of(std::string_view place, Filling& filling) {
  const std::size_t colon = place.find(':');
  const std::string kind(place.substr(0, colon));
  const std::string rest(colon == std::string_view::npos ? "" : place.substr(colon + 1));
  if (kind == "from") return filling.now.rfc3339();
  if (kind == "until") return filling.until.rfc3339();
  if (kind == "day") return day_of(filling.now);
  if (kind == "id") {
    std::string& id = filling.ids[rest];
    if (id.empty()) id = to_hex(random_bytes(16));
    return id;
  }
  if (kind == "label") {  // ROLE:NAME
    std::string& label = filling.labels[rest];
    if (label.empty()) {
      label = rest.substr(0, rest.find(':')) + "-" + day_of(filling.now) + "-" + to_hex(random_bytes(2));
    }
    return label;
  }
  if (kind == "quorum" && !filling.quorum.empty()) return filling.quorum;
  if (kind == "new-quorum" && !filling.new_quorum.empty()) return filling.new_quorum;
  if (kind == "quorum") {
    ASSIGN_OR_RETURN(const std::string text, filling.signer.get("/v1/ceremonies"));
    ASSIGN_OR_RETURN(const Json listed, Json::parse(text));
    const Json* standing = listed.find("standing");
    const Json* quorum = standing == nullptr ? nullptr : standing->find("quorum");
    if (quorum == nullptr || quorum->is_null()) {
      return Error{ErrorCode::Refused, "this appliance has no custodians yet", "no_custodians",
                   "name them: --quorum FILE"};
    }
    return quorum->compact();
  }
  if (kind == "sha256" && !filling.config.empty()) {
    ASSIGN_OR_RETURN(const config::Config config, config::load(filling.config));
    const auto of = filling.set.find("of");
    if (of == filling.set.end() || of->second == "approvers") return config::approver_roster_digest(config);
    ASSIGN_OR_RETURN(const config::Roster roster, config::read_roster(config.publication_roster));
    return roster.digest();
  }
  if (kind == "active") {
    const std::size_t second = rest.find(':');
    const std::optional<keymgmt::Role> role = keymgmt::role_named(rest.substr(0, second));
    const std::optional<keymgmt::Algorithm> algorithm =
        keymgmt::algorithm_named(second == std::string::npos ? "ed25519" : rest.substr(second + 1));
    if (!role || !algorithm) return Error{ErrorCode::Invalid, "${" + std::string(place) + "} names no role"};
    ASSIGN_OR_RETURN(const keymgmt::KeySet* keys, keys_of(filling));
    const keymgmt::PublishedKey* active = keys->active(*role, *algorithm);
    return active == nullptr ? "none" : active->key.kid();
  }
  const auto given = filling.set.find(place);
  if (given != filling.set.end()) return given->second;
  std::string hint = "--set " + std::string(place) + "=VALUE";
  if (kind == "new-quorum") hint += ", or --new-quorum FILE";
  if (kind == "sha256") hint += ", or --config FILE";
  return Error{ErrorCode::Invalid, "the plan asks for " + std::string(place), "plan_unfilled", std::move(hint)};
}

// ${place}, or ${place|otherwise}; a place may stand in a place, so the last one goes first.
Result<std::string> filled(std::string text, Filling& filling) {
  for (std::size_t open = text.rfind("${"); open != std::string::npos; open = text.rfind("${")) {
    const std::size_t close = text.find('}', open);
    if (close == std::string::npos) return Error{ErrorCode::Invalid, "the plan has a ${ without a }"};
    const std::string whole = text.substr(open + 2, close - open - 2);
    const std::size_t bar = whole.find('|');
    const auto given = filling.set.find(whole.substr(0, bar));
    std::string value;
    if (given != filling.set.end()) {
      value = given->second;
    } else if (bar != std::string::npos) {
      value = whole.substr(bar + 1);
    } else {
      ASSIGN_OR_RETURN(value, value_of(whole, filling));
    }
    text.replace(open, close - open + 1, value);
  }
  return text;
}

Result<int> plan(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() != 1 || arguments.text("dir").empty()) {
    return Error{ErrorCode::Invalid, "ceremony plan takes one shipped plan and --dir DIR", "",
                 "deploy/ceremonies/ has them"};
  }
  const std::string dir(arguments.text("dir"));
  const CeremonyDirectory directory(dir);
  if (std::filesystem::exists(directory.intent_file())) {
    return Error{ErrorCode::Conflict, directory.intent_file() + " is there already", "plan_there",
                 "a plan that was signed is not changed; make another in another directory"};
  }
  ASSIGN_OR_RETURN(const std::string shipped, read_file(arguments.positionals().front()));
  client::SignerClient signer(admin_address(arguments));
  const UtcTime now = SystemClock().now().whole_seconds();
  std::chrono::nanoseconds window = kUsualWindow;
  if (arguments.given("valid")) {
    ASSIGN_OR_RETURN(window, parse_duration(arguments.text("valid")));
  }
  Filling filling{{}, "", "", now, (now + window).whole_seconds(), signer, std::string(arguments.text("config")),
                  {}, {}, {}};
  ASSIGN_OR_RETURN(filling.set, settings_in(arguments.text("set")));
  if (arguments.given("quorum")) {
    ASSIGN_OR_RETURN(filling.quorum, quorum_text(arguments.text("quorum"), "quorum"));
  }
  if (arguments.given("new-quorum")) {
    ASSIGN_OR_RETURN(filling.new_quorum, quorum_text(arguments.text("new-quorum"), "new-quorum"));
  }
  ASSIGN_OR_RETURN(const std::string text, filled(shipped, filling));
  ASSIGN_OR_RETURN(const ceremony::Intent intent, ceremony::read_intent(text));
  RETURN_IF_ERROR(write_durable(directory.intent_file(), text, 0644));
  const Json answer = Json::object({{"ok", true},
                                    {"plan", directory.intent_file()},
                                    {"sha256", intent.digest.hex()},
                                    {"name", intent.name},
                                    {"steps", static_cast<std::int64_t>(intent.steps.size())}});
  std::string told =
      "plan " + intent.name + " in " + directory.intent_file() + "\nsha256 " + intent.digest.hex() + "\n";
  for (std::size_t i = 0; i < intent.steps.size(); ++i) {
    told += "  " + std::to_string(i + 1) + ". " + intent.steps[i].title() + "\n";
  }
  told += "next: review it; countersign ceremony rehearse " + dir + " --config FILE; countersign ceremony approve " +
          dir + " --custodian NAME\n";
  call.console.answer(call.json ? answer.compact() + "\n" : told);
  return 0;
}

}  // namespace

Command ceremony_plan_command() {
  return {
      "ceremony plan",
      "SHIPPED --dir DIR [--quorum FILE] [--set NAME=VALUE,…]",
      "Makes a plan of a shipped one, to be reviewed and signed",
      "Places like ${active:approval:ed25519} are filled in from the appliance, ids and labels are drawn, and what is\n"
      "left open is asked for by --set. The plan names no machine, slot or PIN: that is the binding's.",
      "countersign ceremony plan deploy/ceremonies/rotate-approval.yaml --dir rotation-7 --set "
      "administrator=carol,witness=dave",
      kFlags,
      Positionals::Anywhere,
      Shape::Ours,
      plan};
}

}  // namespace countersign::command
