// Published files over HTTP or HTTPS, by libcurl, which is loaded only when it is needed (common/curl).
#pragma once

#include "keymgmt/sync/source.h"

namespace countersign::command {

class HttpSource : public sync::Source {
 public:
  // `base`: "https://host/path"; paths are appended behind a slash. `authorities`: PEM file of those that the server's
  // certificate is checked against; empty: the system's.
  explicit HttpSource(std::string base, std::string authorities = "");
  // Follows no redirection. 404 and 403 (as object stores answer for what is not there) are NotFound.
  Result<std::string> fetch(const std::string& path, std::size_t limit) override;

 private:
  std::string base_;
  std::string authorities_;
};

// Whether `from` names an HTTP server and not a directory.
bool is_url(std::string_view from);

}  // namespace countersign::command
