// Where approval tokens must not lie: source control and shared volumes (product promise: "files are 0600 and a git
// work tree or shared storage earns a warning").
#pragma once

#include <optional>
#include <string>

namespace countersign::command {

// A sentence for people where `path`, or the folder it would be made in, lies in a git work tree or on a network file
// system; nothing where it does not.
std::optional<std::string> storage_warning(const std::string& path);

// The file that `descriptor` writes to, as by a shell's redirection; nothing where it is no regular file. Takes the
// rights of group and others away from it, since a token is about to be written there.
std::optional<std::string> private_redirection(int descriptor);

}  // namespace countersign::command
