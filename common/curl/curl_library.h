// libcurl, loaded when the first webhook, mail or download needs it. No program links it: it brings p11-kit, GnuTLS and
// twenty more, with which the supervisor, the front and most commands have no business.
#pragma once

#define CURL_DISABLE_TYPECHECK  // its macros cannot wrap function pointers
#include <curl/curl.h>

#include "common/result.h"

namespace countersign::curl {

struct Library {
  decltype(&curl_global_init) global_init = nullptr;
  decltype(&curl_easy_init) easy_init = nullptr;
  decltype(&curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&curl_easy_setopt) easy_setopt = nullptr;
  decltype(&curl_easy_perform) easy_perform = nullptr;
  decltype(&curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&curl_easy_strerror) easy_strerror = nullptr;
  decltype(&curl_slist_append) slist_append = nullptr;
  decltype(&curl_slist_free_all) slist_free_all = nullptr;
};

// Loaded and initialised once, by whichever thread comes first. Fails with Unavailable where libcurl4 is not installed.
const Result<Library>& library();

}  // namespace countersign::curl
