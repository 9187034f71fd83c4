#include "common/curl/curl_library.h"

#include <dlfcn.h>

namespace countersign::curl {
namespace {

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

Result<Library> load() {
  void* library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);  // Debian's libcurl4; never unloaded
  if (library == nullptr) return Error{ErrorCode::Unavailable, "libcurl cannot be loaded", "", "apt install libcurl4"};
  Library curl;
  const bool whole =
      find(library, "curl_global_init", curl.global_init) && find(library, "curl_easy_init", curl.easy_init) &&
      find(library, "curl_easy_cleanup", curl.easy_cleanup) && find(library, "curl_easy_setopt", curl.easy_setopt) &&
      find(library, "curl_easy_perform", curl.easy_perform) && find(library, "curl_easy_getinfo", curl.easy_getinfo) &&
      find(library, "curl_easy_strerror", curl.easy_strerror) &&
      find(library, "curl_slist_append", curl.slist_append) &&
      find(library, "curl_slist_free_all", curl.slist_free_all);
  if (!whole || curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return Error{ErrorCode::Unavailable, "libcurl cannot be used"};
  }
  return curl;
}

}  // namespace

const Result<Library>& library() {
  static const Result<Library> library = load();
  return library;
}

}  // namespace countersign::curl
