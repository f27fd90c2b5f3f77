#pragma once
// Command lines: a command, its operands, and options that each take a value or none.

#include <map>
#include <set>
#include <string>
#include <vector>

namespace fp8lab {

struct Arguments {
  std::vector<std::string> operands;
  std::map<std::string, std::string> options;

  bool has(const std::string& name) const { return options.count(name) > 0; }
  std::string get(const std::string& name, const std::string& otherwise = "") const {
    const auto found = options.find(name);
    return found == options.end() ? otherwise : found->second;
  }
};

/** Reads `--name value`, `--name=value` and flags. Unknown options, missing values and extra operands are `usage` errors. */
Arguments parse_arguments(int count, char** words, const std::set<std::string>& valued, const std::set<std::string>& flags,
                          std::size_t operands);

/** A positive integer option, or `otherwise`. */
int integer_option(const Arguments& arguments, const std::string& name, int otherwise);

}  // namespace fp8lab
