#include <unistd.h>

#include <string>
#include <vector>

#include "command/dispatch.h"
#include "command/line/console.h"

int main(int argc, char** argv) {
  countersign::command::Console console(STDOUT_FILENO, STDERR_FILENO);
  return countersign::command::dispatch(std::vector<std::string>(argv, argv + argc), console);
}
