// The manual is fault_pkcs11.h.
#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

namespace {

// clang-format 14 indents a list in a macro anew at each run.
// clang-format off
#define FUNCTIONS(X) \
  X(C_Initialize) X(C_Finalize) X(C_GetInfo) X(C_GetSlotList) \
  X(C_GetSlotInfo) X(C_GetTokenInfo) X(C_GetMechanismList) X(C_GetMechanismInfo) \
  X(C_InitToken) X(C_InitPIN) X(C_SetPIN) X(C_OpenSession) \
  X(C_CloseSession) X(C_CloseAllSessions) X(C_GetSessionInfo) X(C_GetOperationState) \
  X(C_SetOperationState) X(C_Login) X(C_Logout) X(C_CreateObject) \
  X(C_CopyObject) X(C_DestroyObject) X(C_GetObjectSize) X(C_GetAttributeValue) \
  X(C_SetAttributeValue) X(C_FindObjectsInit) X(C_FindObjects) X(C_FindObjectsFinal) \
  X(C_EncryptInit) X(C_Encrypt) X(C_EncryptUpdate) X(C_EncryptFinal) \
  X(C_DecryptInit) X(C_Decrypt) X(C_DecryptUpdate) X(C_DecryptFinal) \
  X(C_DigestInit) X(C_Digest) X(C_DigestUpdate) X(C_DigestKey) \
  X(C_DigestFinal) X(C_SignInit) X(C_Sign) X(C_SignUpdate) \
  X(C_SignFinal) X(C_SignRecoverInit) X(C_SignRecover) X(C_VerifyInit) \
  X(C_Verify) X(C_VerifyUpdate) X(C_VerifyFinal) X(C_VerifyRecoverInit) \
  X(C_VerifyRecover) X(C_DigestEncryptUpdate) X(C_DecryptDigestUpdate) X(C_SignEncryptUpdate) \
  X(C_DecryptVerifyUpdate) X(C_GenerateKey) X(C_GenerateKeyPair) X(C_WrapKey) \
  X(C_UnwrapKey) X(C_DeriveKey) X(C_SeedRandom) X(C_GenerateRandom) \
  X(C_GetFunctionStatus) X(C_CancelFunction) X(C_WaitForSlotEvent)
// clang-format on

enum Index : std::size_t {
#define X(name) k##name,
  FUNCTIONS(X)
#undef X
      kCount
};

struct Effect {
  enum class Kind { Instead, After, Delay, Hang } kind = Kind::Instead;
  unsigned long number = 0;  // a CK_RV, or milliseconds
};

struct State {
  CK_FUNCTION_LIST* real = nullptr;
  CK_FUNCTION_LIST wrapped{};
  CK_FUNCTION_LIST wrapped_before{};  // as it was before put_on_manners
  std::string rules;
  std::string control;
  std::string log;
  std::mutex lock;
  std::array<unsigned long, kCount> calls{};  // guarded by lock
};

State& state() {
  static State the_state;
  return the_state;
}

std::optional<Effect> effect_in(std::string_view text) {
  const auto number = [](std::string_view digits) { return std::strtoul(std::string(digits).c_str(), nullptr, 0); };
  if (text == "hang") return Effect{Effect::Kind::Hang};
  if (text.starts_with("delay:")) return Effect{Effect::Kind::Delay, number(text.substr(6))};
  if (text.starts_with("after:")) return Effect{Effect::Kind::After, number(text.substr(6))};
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  return Effect{Effect::Kind::Instead, number(text)};
}

// A rule that cannot be read ends the process: a test with a misspelled fault must not pass.
[[noreturn]] void misspelled(std::string_view rule) {
  dprintf(STDERR_FILENO, "fault_pkcs11: cannot read the rule \"%.*s\"\n", static_cast<int>(rule.size()), rule.data());
  std::abort();
}

std::optional<Effect> effect_of(std::string_view rules, std::string_view function, unsigned long call) {
  while (!rules.empty()) {
    const std::size_t end = rules.find_first_of(";\n");
    std::string_view rule = rules.substr(0, end);
    rules.remove_prefix(end == std::string_view::npos ? rules.size() : end + 1);
    const std::size_t first = rule.find_first_not_of(" \t\r");
    if (first == std::string_view::npos || rule[first] == '#') continue;
    rule = rule.substr(first, rule.find_last_not_of(" \t\r") + 1 - first);
    const std::size_t equals = rule.find('=');
    if (equals == std::string_view::npos) misspelled(rule);
    const std::optional<Effect> effect = effect_in(rule.substr(equals + 1));
    if (!effect) misspelled(rule);
    std::string_view name = rule.substr(0, equals);
    const std::size_t at = name.find('@');
    if (at != std::string_view::npos) {
      const bool later_too = name.ends_with('+');
      const unsigned long wanted = std::strtoul(std::string(name.substr(at + 1)).c_str(), nullptr, 10);
      if (wanted == 0) misspelled(rule);
      if (later_too ? call < wanted : call != wanted) continue;
      name = name.substr(0, at);
    }
    if (name == "*" || name == function) return effect;
  }
  return std::nullopt;
}

std::string content_of(const std::string& path) {
  if (path.empty()) return "";
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

void note(std::string_view function) {
  if (state().log.empty()) return;
  const int file = open(state().log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return;
  dprintf(file, "%.*s\n", static_cast<int>(function.size()), function.data());
  close(file);
}

std::optional<Effect> next_effect(Index index, std::string_view function) {
  unsigned long call = 0;
  {
    const std::lock_guard guard(state().lock);
    call = ++state().calls[index];
    note(function);
  }
  const std::optional<Effect> steered = effect_of(content_of(state().control), function, call);
  return steered ? steered : effect_of(state().rules, function, call);
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void read_environment() {
  State& the_state = state();
  const std::lock_guard guard(the_state.lock);
  the_state.rules = environment("FAULT_PKCS11_RULES");
  the_state.control = environment("FAULT_PKCS11_CONTROL");
  the_state.log = environment("FAULT_PKCS11_LOG");
  the_state.calls = {};
}

template <typename Call>
CK_RV faulty(Index index, std::string_view function, Call real) {
  if (index == kC_Initialize) read_environment();
  const std::optional<Effect> effect = next_effect(index, function);
  if (!effect) return real();
  switch (effect->kind) {
    case Effect::Kind::Instead:
      return effect->number;
    case Effect::Kind::After:
      real();
      return effect->number;
    case Effect::Kind::Delay: {
      const timespec pause = {static_cast<time_t>(effect->number / 1000),
                              static_cast<long>(effect->number % 1000) * 1'000'000};
      nanosleep(&pause, nullptr);
      return real();
    }
    case Effect::Kind::Hang:
      for (;;) pause();
  }
  std::abort();
}

// Modules that treat attributes otherwise (FAULT_PKCS11_LIKE).
struct Manners {
  std::string like;
  std::map<std::pair<CK_OBJECT_HANDLE, CK_ATTRIBUTE_TYPE>, std::string> overrides;  // what was "set"
  std::set<CK_OBJECT_HANDLE> imported;
};
Manners& manners() {
  static Manners the_manners;
  return the_manners;
}

bool unknown_to_opencryptoki(CK_ATTRIBUTE_TYPE type) {
  return type == CKA_COPYABLE || type == CKA_DESTROYABLE || type == CKA_ALLOWED_MECHANISMS;
}

CK_RV judge_template(const CK_ATTRIBUTE* attributes, CK_ULONG count) {
  for (CK_ULONG i = 0; i < count; ++i) {
    const CK_ATTRIBUTE& each = attributes[i];
    if (manners().like == "opencryptoki" && unknown_to_opencryptoki(each.type)) return CKR_ATTRIBUTE_TYPE_INVALID;
    const bool is_false = each.ulValueLen == 1 && *static_cast<const CK_BBOOL*>(each.pValue) == CK_FALSE;
    if (manners().like == "tpm2-pkcs11" && each.type == CKA_DECRYPT && is_false) return CKR_GENERAL_ERROR;
    if (manners().like == "tpm2-pkcs11" && each.type == CKA_TOKEN && is_false) return CKR_ATTRIBUTE_VALUE_INVALID;
  }
  return CKR_OK;
}

CK_RV mannered_generate(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_ATTRIBUTE* for_public, CK_ULONG publics,
                        CK_ATTRIBUTE* for_private, CK_ULONG privates, CK_OBJECT_HANDLE* public_key,
                        CK_OBJECT_HANDLE* private_key) {
  CK_RV value = judge_template(for_public, publics);
  if (value == CKR_OK) value = judge_template(for_private, privates);
  if (value != CKR_OK) return value;
  return state().wrapped_before.C_GenerateKeyPair(session, mechanism, for_public, publics, for_private, privates,
                                                  public_key, private_key);
}

CK_RV mannered_create(CK_SESSION_HANDLE session, CK_ATTRIBUTE* attributes, CK_ULONG count, CK_OBJECT_HANDLE* object) {
  const CK_RV value = state().wrapped_before.C_CreateObject(session, attributes, count, object);
  if (value == CKR_OK) manners().imported.insert(*object);
  return value;
}

CK_RV mannered_read(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes, CK_ULONG count) {
  if (count == 1) {
    CK_ATTRIBUTE& asked = attributes[0];
    const bool unknown = unknown_to_opencryptoki(asked.type) || asked.type == CKA_KEY_GEN_MECHANISM;
    if (manners().like == "opencryptoki" && unknown) return CKR_ATTRIBUTE_TYPE_INVALID;
    const bool claims = asked.type == CKA_ALWAYS_SENSITIVE || asked.type == CKA_NEVER_EXTRACTABLE;
    if (manners().like == "opencryptoki" && claims && asked.pValue != nullptr && manners().imported.contains(object)) {
      *static_cast<CK_BBOOL*>(asked.pValue) = CK_TRUE;
      return CKR_OK;
    }
    const auto set = manners().overrides.find({object, asked.type});
    if (set != manners().overrides.end() && asked.pValue != nullptr) {
      std::memcpy(asked.pValue, set->second.data(), set->second.size());
      return CKR_OK;
    }
  }
  return state().wrapped_before.C_GetAttributeValue(session, object, attributes, count);
}

CK_RV mannered_set(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes, CK_ULONG count) {
  if (manners().like != "tpm2-pkcs11") {
    return state().wrapped_before.C_SetAttributeValue(session, object, attributes, count);
  }
  for (CK_ULONG i = 0; i < count; ++i) {
    manners().overrides[{object, attributes[i].type}] =
        std::string(static_cast<const char*>(attributes[i].pValue), attributes[i].ulValueLen);
  }
  return CKR_OK;
}

CK_RV no_copy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes, CK_ULONG count,
              CK_OBJECT_HANDLE* copy) {
  if (manners().like != "tpm2-pkcs11") {
    return state().wrapped_before.C_CopyObject(session, object, attributes, count, copy);
  }
  return CKR_FUNCTION_NOT_SUPPORTED;
}

void put_on_manners(State& the_state) {
  manners().like = environment("FAULT_PKCS11_LIKE");
  if (manners().like.empty()) return;
  if (manners().like != "opencryptoki" && manners().like != "tpm2-pkcs11") misspelled(manners().like);
  the_state.wrapped_before = the_state.wrapped;
  the_state.wrapped.C_GenerateKeyPair = &mannered_generate;
  the_state.wrapped.C_CreateObject = &mannered_create;
  the_state.wrapped.C_GetAttributeValue = &mannered_read;
  the_state.wrapped.C_SetAttributeValue = &mannered_set;
  the_state.wrapped.C_CopyObject = &no_copy;
}

// The wrapper of one member of the function list, with that member's parameters.
template <Index index, auto member>
struct Wrapper;
template <Index index, typename... Parameters, CK_RV (*CK_FUNCTION_LIST::*member)(Parameters...)>
struct Wrapper<index, member> {
  static constexpr std::string_view kNames[] = {
#define X(name) #name,
      FUNCTIONS(X)
#undef X
  };
  static CK_RV call(Parameters... parameters) {
    return faulty(index, kNames[index], [&] { return (state().real->*member)(parameters...); });
  }
};

CK_FUNCTION_LIST* load() {
  State& the_state = state();
  void* library = dlopen(environment("FAULT_PKCS11_MODULE").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  const auto get_list = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
  if (get_list == nullptr || get_list(&the_state.real) != CKR_OK) return nullptr;
  the_state.wrapped = *the_state.real;
#define X(name) the_state.wrapped.name = &Wrapper<k##name, &CK_FUNCTION_LIST::name>::call;
  FUNCTIONS(X)
#undef X
  the_state.wrapped.C_GetFunctionList = &C_GetFunctionList;
  put_on_manners(the_state);
  return &the_state.wrapped;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  static CK_FUNCTION_LIST* const wrapped = load();
  if (wrapped == nullptr) return CKR_LIBRARY_LOAD_FAILED;
  *list = wrapped;
  return CKR_OK;
}
