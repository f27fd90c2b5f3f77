#include "arguments.h"

#include <cstdlib>

#include "../errors.h"

namespace fp8lab {

namespace {

Error usage(const std::string& code, const std::string& message, const std::string& where) {
  return Error(ErrorKind::usage, code, message, where, "see `fp8lab-native --help`");
}

}  // namespace

Arguments parse_arguments(int count, char** words, const std::set<std::string>& valued, const std::set<std::string>& flags,
                          std::size_t operands) {
  Arguments arguments;
  for (int i = 0; i < count; i++) {
    const std::string word = words[i];
    if (word.rfind("--", 0) != 0) {
      arguments.operands.push_back(word);
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(2, equals == std::string::npos ? std::string::npos : equals - 2);
    if (flags.count(name) > 0 && equals == std::string::npos) {
      arguments.options[name] = "";
    } else if (valued.count(name) > 0) {
      if (equals == std::string::npos && i + 1 == count) throw usage("missing-value", "--" + name + " needs a value", "--" + name);
      arguments.options[name] = equals == std::string::npos ? words[++i] : word.substr(equals + 1);
    } else {
      throw usage("unknown-option", "unknown option " + word, word);
    }
  }
  if (arguments.operands.size() != operands) {
    throw usage("wrong-operands",
                std::to_string(operands) + " operand(s) expected, " + std::to_string(arguments.operands.size()) + " given", "command line");
  }
  return arguments;
}

int integer_option(const Arguments& arguments, const std::string& name, int otherwise) {
  if (!arguments.has(name)) return otherwise;
  const std::string text = arguments.get(name);
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != 0 || value < 1 || value > 1 << 20)
    throw usage("bad-value", "--" + name + " is not a positive integer", "--" + name);
  return static_cast<int>(value);
}

}  // namespace fp8lab
