#include "discreet/base/program.h"

#include <algorithm>
#include <exception>
#include <iostream>
#include <new>

#include "discreet/base/error.h"
#include "discreet/base/json.h"

namespace discreet {
namespace {

int report(ErrorKind kind, const std::string& message, bool as_json) {
  std::cerr << "discreet: " << message << std::endl;
  if (as_json) {
    const Json error = {{"error", {{"kind", to_string(kind)}, {"message", message}}}};
    std::cout << error.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
  }
  return exit_code(kind);
}

}  // namespace

int run_program(int argc, char** argv, int (*run)(const std::vector<std::string>& arguments)) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool as_json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
  try {
    const int code = run(arguments);
    std::cout.flush();
    if (!std::cout) throw Error(ErrorKind::kUnavailable, "cannot write to standard output");
    return code;
  } catch (const Error& error) {
    return report(error.kind(), error.what(), as_json);
  } catch (const std::bad_alloc&) {
    return report(ErrorKind::kUnavailable, "not enough memory", as_json);
  } catch (const std::exception&) {
    // What a library says may quote the data it was working on, so its words are not shown.
    return report(ErrorKind::kUnavailable,
                  "an unexpected fault inside a library; nothing was released by this step", as_json);
  }
}

}  // namespace discreet
