// Result<T>: a value or an Error. The only error style of the product; nothing of ours throws.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace countersign {

// What an error means to the caller. The table in result.cc gives each its wire name, HTTP status and exit code
// (docs/errors.md is printed from it).
enum class ErrorCode {
  Invalid,             // malformed input: 400, exit 6
  Refused,             // understood and not permitted: 403, exit 3
  NotFound,            // 404, exit 5
  Conflict,            // already done, or the wrong state for it: 409, exit 3
  TooLarge,            // 413, exit 6
  OverLimit,           // a rate or in-flight limit: 429, exit 7
  VerificationFailed,  // a signature, digest or chain does not verify: 403, exit 2
  ApprovalRequired,    // not yet: 403, exit 4
  Unavailable,         // token, store or signer cannot answer now: 503, exit 7
  Internal,            // a defect of ours: 500, exit 1
};

struct ErrorCodeRow {
  ErrorCode code;
  std::string_view name;
  int http_status;
  int exit_code;
};

const ErrorCodeRow& row_of(ErrorCode code);
std::optional<ErrorCode> error_code_named(std::string_view name);

// One refusal or failure. `detail` is one sentence naming the thing and the rule, never a secret.
// `reason` is the precise wire name where callers tell cases apart ("approval_token_consumed"); `hint` says what to do
// next.
struct [[nodiscard]] Error {
  ErrorCode code;
  std::string detail;
  std::string reason{};
  std::string hint{};
  std::string field{};  // the path of the member that is wrong, where one is: "rules[3].match.tool_names"

  // `reason`, or the name of the code where none is set: the `error.code` of every answer.
  std::string wire_code() const { return reason.empty() ? std::string(row_of(code).name) : reason; }
  Error with_hint(std::string text) && {
    hint = std::move(text);
    return std::move(*this);
  }
  Error at(std::string path) && {
    field = std::move(path);
    return std::move(*this);
  }
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: reads as `return value;`
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: reads as `return Error{…};`

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  // Precondition: has_value(). Breaking it throws std::bad_variant_access, which ends the process.
  const T& operator*() const& { return std::get<0>(state_); }
  T& operator*() & { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  const T* operator->() const { return &std::get<0>(state_); }
  T* operator->() { return &std::get<0>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

using Status = Result<std::monostate>;
inline Status ok() {
  return std::monostate{};
}

}  // namespace countersign

// The only control-flow macros of the product. Never the body of a brace-less `if`.
#define COUNTERSIGN_CONCAT_(a, b) a##b
#define COUNTERSIGN_CONCAT(a, b) COUNTERSIGN_CONCAT_(a, b)
#define ASSIGN_OR_RETURN_(result, declaration, expression)   \
  auto result = (expression);                                \
  if (!result.has_value()) return std::move(result).error(); \
  declaration = *std::move(result)
#define ASSIGN_OR_RETURN(declaration, expression) \
  ASSIGN_OR_RETURN_(COUNTERSIGN_CONCAT(result_at_line_, __LINE__), declaration, expression)
#define RETURN_IF_ERROR(expression)                                                        \
  do {                                                                                     \
    auto status_of_expression = (expression);                                              \
    if (!status_of_expression.has_value()) return std::move(status_of_expression).error(); \
  } while (false)
