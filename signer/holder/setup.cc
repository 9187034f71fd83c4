#include "signer/holder/setup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "pkcs11/failure.h"
#include "pkcs11/module_probe.h"
#include "pkcs11/token_session.h"
#include "signer/channel/holder_exit.h"
#include "signer/confinement/confinement.h"
#include "signer/holder/blocked_signals.h"
#include "signer/holder/custodian.h"
#include "signer/holder/custody.h"
#include "signer/holder/held_keys.h"
#include "signer/holder/start.h"

namespace countersign::holder {
namespace {

using channel::HeldKey;
using channel::HolderExit;
using channel::SetupAnswer;
using channel::SetupRequest;

constexpr int kPin = 5;
constexpr int kSoPin = 6;
constexpr std::size_t kLongestRequest = std::size_t{4} << 20;  // a root and targets of many keys, in base64

pkcs11::TokenPlace place_of(const SetupRequest& request) {
  const char* conf = std::getenv("SOFTHSM2_CONF");
  return {request.module, request.label, request.serial, conf == nullptr ? "" : conf};
}

bool is_softhsm(const std::string& module_description) {
  return module_description.starts_with("SoftHSM");
}

Error ceremony_needed(const std::string& what) {
  return Error{ErrorCode::Refused, what + " is missing, and only on SoftHSM, for trying out, is it made without one",
               "ceremony_needed"};
}

// SoftHSM does not even initialise without it.
Status make_token_directory(const pkcs11::TokenPlace& place) {
  if (place.softhsm_conf.empty()) return ok();
  ASSIGN_OR_RETURN(const std::string directory, pkcs11::softhsm_token_directory(place.softhsm_conf));
  if (mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST) return ok();
  return Error{ErrorCode::Unavailable, "cannot make " + directory + ": " + std::strerror(errno), "token_not_found"};
}

// The token is made with the PIN that then logs in to it, so one of the two uses needs a second copy.
SecretBytes copy_of(const SecretBytes& secret) {
  return SecretBytes(Bytes(secret.reveal().begin(), secret.reveal().end()));
}

Status make_token(const SetupRequest& request, const SecretBytes& pin, SecretBytes so_pin) {
  {
    ASSIGN_OR_RETURN(const std::shared_ptr<const pkcs11::Module> module, pkcs11::Module::load(request.module));
    if (!is_softhsm(module->description())) return ceremony_needed("token " + request.label + request.serial);
  }
  if (request.label.empty() || so_pin.empty()) {
    return Error{ErrorCode::Invalid, "a new token needs a label and a SO PIN", "settings"};
  }
  ASSIGN_OR_RETURN(const pkcs11::TokenInfo made,
                   pkcs11::create_guarded_token(place_of(request), std::move(so_pin), copy_of(pin)));
  static_cast<void>(made);
  return ok();
}

// The token, made where it is missing and its module is SoftHSM.
Result<pkcs11::TokenSession> open_or_make(const SetupRequest& request, SecretBytes pin, SecretBytes so_pin,
                                          bool& created) {
  RETURN_IF_ERROR(make_token_directory(place_of(request)));
  Result<pkcs11::TokenSession> session = pkcs11::TokenSession::open(place_of(request), copy_of(pin));
  if (session || session.error().reason != pkcs11::kTokenNotFound) return session;
  RETURN_IF_ERROR(make_token(request, pin, std::move(so_pin)));
  created = true;
  return pkcs11::TokenSession::open(place_of(request), std::move(pin));
}

// "20260102" of a moment.
std::string day_of(UtcTime now) {
  std::string day = now.rfc3339().substr(0, 10);
  std::erase(day, '-');
  return day;
}

// "<role>-<yyyymmdd>-<n>", the first n that no key has.
Result<std::string> free_label(const pkcs11::TokenSession& session, keymgmt::Role role, UtcTime now) {
  const std::string prefix = std::string(name_of(role)) + "-" + day_of(now) + "-";
  ASSIGN_OR_RETURN(const std::vector<pkcs11::KeyListing> listed, session.list_key_pairs(prefix));
  for (int n = 1;; ++n) {
    const std::string label = prefix + std::to_string(n);
    const bool taken = std::any_of(listed.begin(), listed.end(),
                                   [&label](const pkcs11::KeyListing& listing) { return listing.label == label; });
    if (!taken) return label;
  }
}

Result<HeldKey> make_key(const pkcs11::TokenSession& session, keymgmt::Role role, keymgmt::Algorithm algorithm,
                         UtcTime now) {
  if (!is_softhsm(session.module_description())) {
    return ceremony_needed("the " + std::string(name_of(algorithm)) + " key of role " + std::string(name_of(role)));
  }
  ASSIGN_OR_RETURN(const std::string label, free_label(session, role, now));
  ASSIGN_OR_RETURN(const pkcs11::KeyPair made,
                   session.generate_key_pair({kind_of(algorithm), pkcs11::random_key_id(), label}));
  // What a later process will find by the id must be what was made, and sign.
  ASSIGN_OR_RETURN(pkcs11::KeyPair found, session.find_key_pair(made.spec().id));
  if (found.public_key() != made.public_key()) {
    return Error{ErrorCode::Refused, "the id of the new key " + label + " leads to another key", "key_ambiguous"};
  }
  ASSIGN_OR_RETURN(HeldPair held, held_pair(role, std::move(found)));
  held.described.created = true;
  return std::move(held.described);
}

SetupAnswer answer_about(const pkcs11::TokenInfo& token) {
  SetupAnswer answer;
  answer.token_label = token.label;
  answer.token_serial = token.serial;
  answer.manufacturer = token.manufacturer;
  answer.model = token.model;
  return answer;
}

void describe(const HeldKeys& keys, SetupAnswer& answer) {
  for (const HeldPair& held : keys.pairs()) answer.keys.push_back(held.described);
}

Result<Json> read_request() {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = read(STDIN_FILENO, buffer, sizeof buffer);
    if (got < 0) return Error{ErrorCode::Invalid, "standard input cannot be read", "settings"};
    if (got == 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > kLongestRequest) return Error{ErrorCode::TooLarge, "the request is too long", "settings"};
  }
  Result<Json> json = Json::parse(text);
  if (!json) return Error{ErrorCode::Invalid, json.error().detail, "settings"};
  return json;
}

// What is no request of ours is a fault of whoever started us.
template <typename Request>
Result<Request> as_request(const Json& json) {
  Result<Request> request = Request::from_json(json);
  if (!request) return Error{ErrorCode::Invalid, request.error().detail, "settings"};
  return request;
}

Result<Json> run(std::string_view command) {
  ASSIGN_OR_RETURN(const Json json, read_request());
  Result<SecretBytes> pin = read_secret(kPin);
  if (!pin) return Error{ErrorCode::Refused, pin.error().detail, std::string(pkcs11::kPinRefused)};
  if (command == "custody") {
    ASSIGN_OR_RETURN(const channel::CustodyRequest act, as_request<channel::CustodyRequest>(json));
    return custody(act, *std::move(pin));
  }
  if (command == "custodian") {
    ASSIGN_OR_RETURN(const channel::CustodianSigning signing, as_request<channel::CustodianSigning>(json));
    return custodian(signing, *std::move(pin));
  }
  ASSIGN_OR_RETURN(const SetupRequest request, as_request<SetupRequest>(json));
  if (command == "probe") {
    ASSIGN_OR_RETURN(const SetupAnswer answer, probe(request, *std::move(pin)));
    return answer.to_json();
  }
  // Not there at all is no error: the token may exist.
  Result<SecretBytes> opened = read_secret(kSoPin);
  SecretBytes so_pin = opened ? *std::move(opened) : SecretBytes();
  const UtcTime now = SystemClock().now();
  if (command == "sweep") return sweep(request, *std::move(pin));
  if (command == "measure") return measure(request, *std::move(pin), std::move(so_pin), now);
  ASSIGN_OR_RETURN(const SetupAnswer answer, init(request, *std::move(pin), std::move(so_pin), now));
  return answer.to_json();
}

}  // namespace

Result<SetupAnswer> init(const SetupRequest& request, SecretBytes pin, SecretBytes so_pin, UtcTime now) {
  // Before anything is made, the token too.
  ASSIGN_OR_RETURN(const pkcs11::ModuleProfile profile, profile_of(request.profile, request.module, request.trust));
  bool token_created = false;
  const Result<pkcs11::TokenSession> session = open_or_make(request, std::move(pin), std::move(so_pin), token_created);
  if (!session) return session.error();
  RETURN_IF_ERROR(pkcs11::check_token(profile, session->token()));
  session->session()->adapt(profile.adaptation);
  SetupAnswer answer = answer_about(session->token());
  answer.token_created = token_created;
  for (const channel::SetupRole& wanted : request.roles) {
    for (const keymgmt::Algorithm algorithm : wanted.algorithms) {
      const Result<HeldKeys> keys = HeldKeys::find(*session, wanted.role, {algorithm});
      if (!keys && keys.error().reason != "no_key") return keys.error();
      if (keys) describe(*keys, answer);
      for (std::size_t have = keys ? keys->pairs().size() : 0; have < static_cast<std::size_t>(wanted.keys); ++have) {
        ASSIGN_OR_RETURN(HeldKey made, make_key(*session, wanted.role, algorithm, now));
        answer.keys.push_back(std::move(made));
      }
    }
  }
  return answer;
}

Result<Json> measure(const SetupRequest& request, SecretBytes pin, SecretBytes so_pin, UtcTime now) {
  bool token_created = false;
  ASSIGN_OR_RETURN(const pkcs11::TokenSession session,
                   open_or_make(request, std::move(pin), std::move(so_pin), token_created));
  ASSIGN_OR_RETURN(const pkcs11::ModuleProfile profile,
                   pkcs11::measure(session, place_of(request), {request.pin_lockout}, now));
  return Json::object({{"ok", true}, {"created", token_created}, {"profile", profile.to_json()}});
}

Result<Json> sweep(const SetupRequest& request, SecretBytes pin) {
  ASSIGN_OR_RETURN(const pkcs11::TokenSession session,
                   pkcs11::TokenSession::open(place_of(request), std::move(pin), pkcs11::Session::Access::ReadWrite));
  ASSIGN_OR_RETURN(const int removed, pkcs11::remove_trial_keys(session));
  return Json::object({{"ok", true}, {"removed", std::int64_t{removed}}});
}

Result<SetupAnswer> probe(const SetupRequest& request, SecretBytes pin) {
  ASSIGN_OR_RETURN(const pkcs11::ModuleProfile profile, profile_of(request.profile, request.module, request.trust));
  ASSIGN_OR_RETURN(const pkcs11::TokenSession session,
                   pkcs11::TokenSession::open(place_of(request), std::move(pin), pkcs11::Session::Access::ReadOnly));
  RETURN_IF_ERROR(pkcs11::check_token(profile, session.token()));
  session.session()->adapt(profile.adaptation);
  SetupAnswer answer = answer_about(session.token());
  for (const channel::SetupRole& wanted : request.roles) {
    ASSIGN_OR_RETURN(const HeldKeys keys, HeldKeys::find(session, wanted.role, wanted.algorithms));
    describe(keys, answer);
  }
  return answer;
}

int run_setup(std::string_view command) {
  const BlockedSignals blocked;  // a signal in the middle of a login would destroy a SoftHSM token
  confinement::forbid_inspection();
  const Result<Json> answer = run(command);
  if (answer) {
    std::printf("%s\n", answer->compact().c_str());
    return std::fflush(stdout) == 0 ? 0 : static_cast<int>(HolderExit::Internal);
  }
  const Error& error = answer.error();
  const HolderExit exit = channel::holder_exit_for(error);
  const std::string hint = error.hint.empty() ? std::string(row_of(exit).hint) : error.hint;
  const Json told =
      Json::object({{"ok", false},
                    {"error", Json::object({{"code", error.wire_code()}, {"message", error.detail}, {"hint", hint}})}});
  std::printf("%s\n", told.compact().c_str());
  std::fprintf(stderr, "countersign-holder %.*s: %s: %s\n", static_cast<int>(command.size()), command.data(),
               error.wire_code().c_str(), error.detail.c_str());
  return static_cast<int>(exit);
}

}  // namespace countersign::holder
