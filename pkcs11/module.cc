#include "pkcs11/module.h"

#include <dlfcn.h>
#include <libp11.h>
#include <openssl/err.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <mutex>
#include <set>

#include "pkcs11/failure.h"
#include "pkcs11/padded_text.h"

namespace countersign::pkcs11 {
namespace {

constexpr int kMostLinks = 40;  // as the kernel

Error refused(const std::string& detail) {
  return Error{ErrorCode::Refused, detail, std::string(kModuleRefused),
               "a PKCS#11 module runs inside the holder: it and its folders must belong to root or to the holder's "
               "user, and nobody else may write them"};
}

Status check_owner(const std::string& path, const struct stat& facts) {
  if (facts.st_uid != 0 && facts.st_uid != geteuid()) return refused(path + " belongs to another user");
  // Nobody can replace another's file in a sticky folder.
  const bool sticky = S_ISDIR(facts.st_mode) && (facts.st_mode & S_ISVTX) != 0;
  if (!S_ISLNK(facts.st_mode) && !sticky && (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return refused(path + " can be written by others than its owner");
  }
  return ok();
}

// Follows the path step by step, as the kernel does, and checks every folder and link on the way. Gives the path
// without links.
Result<std::string> checked_path(const std::string& path) {
  if (!path.starts_with('/')) return refused("the module's path is not absolute: " + path);
  std::deque<std::string> steps;
  for (const auto& part : std::filesystem::path(path).relative_path()) steps.push_back(part.string());
  std::filesystem::path at = "/";
  int links = 0;
  for (;;) {
    struct stat facts {};
    if (lstat(at.c_str(), &facts) != 0) {
      const ErrorCode code = errno == ENOENT ? ErrorCode::NotFound : ErrorCode::Refused;
      return Error{code, "cannot look at " + at.string() + ": " + std::strerror(errno), std::string(kModuleRefused)};
    }
    RETURN_IF_ERROR(check_owner(at.string(), facts));
    if (S_ISLNK(facts.st_mode)) {
      if (++links > kMostLinks) return refused("too many symbolic links on the way to " + path);
      std::error_code error;
      const std::filesystem::path target = std::filesystem::read_symlink(at, error);
      if (error) return refused("cannot follow " + at.string());
      std::deque<std::string> detour;
      for (const auto& part : target.relative_path()) detour.push_back(part.string());
      steps.insert(steps.begin(), detour.begin(), detour.end());
      at = target.is_absolute() ? "/" : at.parent_path();
      continue;
    }
    if (steps.empty()) {
      if (!S_ISREG(facts.st_mode)) return refused(at.string() + " is not a regular file");
      return at.string();
    }
    const std::string step = steps.front();
    steps.pop_front();
    if (step.empty() || step == ".") continue;
    at = step == ".." ? at.parent_path() : at / step;
  }
}

// The value that the module gave to libp11, or CKR_OK if it never got that far.
CK_RV libp11_cause() {
  const unsigned long cause = ERR_peek_last_error();
  ERR_clear_error();
  return ERR_GET_LIB(cause) == ERR_get_CKR_code() ? static_cast<CK_RV>(ERR_GET_REASON(cause)) : CKR_OK;
}

// Modules loaded now. libp11 accepts a second C_Initialize silently, and the first C_Finalize would then end both.
struct Loaded {
  std::mutex lock;
  std::set<std::string> paths;  // guarded by lock
};
Loaded& loaded() {
  static Loaded modules;
  return modules;
}

}  // namespace

struct Module::Parts {
  PKCS11_CTX* context = nullptr;
  bool initialised = false;
  void* library = nullptr;
};

Module::Module(std::string path) : path_(std::move(path)), parts_(std::make_unique<Parts>()) {}

Module::~Module() {
  if (parts_->initialised) PKCS11_CTX_unload(parts_->context);
  if (parts_->context != nullptr) PKCS11_CTX_free(parts_->context);
#ifndef COUNTERSIGN_SANITIZED  // a leak inside an unloaded library could not be told from one of ours
  if (parts_->library != nullptr) dlclose(parts_->library);
#endif
  const std::lock_guard guard(loaded().lock);
  loaded().paths.erase(path_);
}

Result<std::shared_ptr<const Module>> Module::load(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string real_path, checked_path(path));
  {
    const std::lock_guard guard(loaded().lock);
    if (!loaded().paths.insert(real_path).second) {
      return Error{ErrorCode::Conflict, "the module " + real_path + " is already loaded in this process"};
    }
  }
  std::shared_ptr<Module> module(new Module(real_path));
  Parts& parts = *module->parts_;
  parts.context = PKCS11_CTX_new();
  if (parts.context == nullptr) return Error{ErrorCode::Internal, "libp11 gave no context"};
  ERR_clear_error();
  if (PKCS11_CTX_load(parts.context, real_path.c_str()) != 0) {
    const CK_RV cause = libp11_cause();
    if (cause != CKR_OK) return failure_at_start("C_Initialize of " + real_path, cause);
    const char* why = dlerror();
    return Error{ErrorCode::Unavailable,
                 "cannot load the module " + real_path + (why == nullptr ? "" : std::string(": ") + why),
                 std::string(kModuleRefused)};
  }
  parts.initialised = true;

  // The library that libp11 has loaded, not a second one.
  parts.library = dlopen(real_path.c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (parts.library == nullptr) return Error{ErrorCode::Internal, "libp11 loaded another library than " + real_path};
  const auto get_list = reinterpret_cast<CK_C_GetFunctionList>(dlsym(parts.library, "C_GetFunctionList"));
  const CK_RV listed = get_list == nullptr ? CKR_FUNCTION_NOT_SUPPORTED : get_list(&module->functions_);
  if (listed != CKR_OK) return failure_at_start("C_GetFunctionList", listed);
  CK_INFO info{};
  const CK_RV informed = module->functions_->C_GetInfo(&info);
  if (informed != CKR_OK) return failure_at_start("C_GetInfo", informed);
  module->description_ = padded_text(info.manufacturerID) + " " + std::to_string(info.libraryVersion.major) + "." +
                         std::to_string(info.libraryVersion.minor);
  return std::shared_ptr<const Module>(std::move(module));
}

Status check_module_file(const std::string& path) {
  RETURN_IF_ERROR(checked_path(path));
  return ok();
}

}  // namespace countersign::pkcs11
