#pragma once
// The one error class: what is wrong, where, and how to mend it. The twin of src/errors.ts.

#include <stdexcept>
#include <string>
#include <utility>

namespace fp8lab {

/** What went wrong, as a class: its value is the exit code. */
enum class ErrorKind : int { mismatch = 1, usage = 2, environment = 3, input = 4, device = 5 };

/** An error with a stable machine-readable `code` in kebab case, the place it is at, and what the reader can do about it. */
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, std::string code, const std::string& message, std::string where, std::string fix)
      : std::runtime_error(message), kind(kind), code(std::move(code)), where(std::move(where)), fix(std::move(fix)) {}

  ErrorKind kind;
  std::string code;
  std::string where;
  std::string fix;
};

/** Bad content in a file, tensor or spec. */
inline Error input_error(std::string code, const std::string& message, std::string where, std::string fix) {
  return Error(ErrorKind::input, std::move(code), message, std::move(where), std::move(fix));
}

}  // namespace fp8lab
