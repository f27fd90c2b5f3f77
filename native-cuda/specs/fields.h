#pragma once
// Reading a resolved spec field by field: every one is needed, known and sane. What kernels share is here, each kernel's own in kernels/.

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "../errors.h"
#include "operand.h"

namespace fp8lab {

/** Extents are below this. */
inline constexpr i64 largest_extent = i64{1} << 31;

/** The error of a field that holds what it must not. */
Error bad_field(const std::string& path, const std::string& problem);

/** An object of the spec: hands out its fields by name and refuses those nobody asked for. */
class Fields {
 public:
  Fields(const nlohmann::json& object, std::string path, std::filesystem::path folder)
      : object_(object), path_(std::move(path)), folder_(std::move(folder)) {
    if (!object.is_object()) throw bad_field(path_.empty() ? "spec" : path_, "is not an object");
  }

  std::string at(const std::string& name) const { return path_.empty() ? name : path_ + "." + name; }

  bool has(const std::string& name) {
    known_.insert(name);
    return object_.contains(name);
  }

  const nlohmann::json& need(const std::string& name) {
    if (has(name)) return object_.at(name);
    throw input_error("missing-field", "the field " + at(name) + " is missing", at(name),
                      "resolve the spec with `fp8lab spec resolve` and run what it prints");
  }

  Fields object(const std::string& name) { return Fields(need(name), at(name), folder_); }

  const std::filesystem::path& folder() const { return folder_; }

  std::string text(const std::string& name) {
    const nlohmann::json& value = need(name);
    if (!value.is_string()) throw bad_field(at(name), "is not a string");
    return value.get<std::string>();
  }

  double number(const std::string& name) {
    const nlohmann::json& value = need(name);
    if (!value.is_number()) throw bad_field(at(name), "is not a number");
    return value.get<double>();
  }

  i64 integer(const std::string& name, i64 low, i64 high) { return integer_of(need(name), at(name), low, high); }

  static i64 integer_of(const nlohmann::json& value, const std::string& path, i64 low, i64 high) {
    const double number = value.is_number() ? value.get<double>() : std::nan("");
    if (number >= static_cast<double>(low) && number <= static_cast<double>(high) && number == std::floor(number))
      return static_cast<i64>(number);
    throw bad_field(path, "is not an integer in " + std::to_string(low) + ".." + std::to_string(high));
  }

  template <class T>
  T choice(const std::string& name, const std::vector<std::pair<const char*, T>>& choices) {
    const std::string value = text(name);
    std::string known;
    for (const auto& [label, result] : choices) {
      if (value == label) return result;
      known += (known.empty() ? "" : ", ") + std::string(label);
    }
    throw bad_field(at(name), "is \"" + value.substr(0, 40) + "\"; known are " + known);
  }

  /** Refuses fields that were never asked for. */
  void done() const {
    for (const auto& [name, value] : object_.items()) {
      if (known_.count(name) > 0) continue;
      throw input_error("unknown-field", "unknown field " + at(name), at(name),
                        "remove it, or use the runner of the version that wrote it");
    }
  }

 private:
  const nlohmann::json& object_;
  std::string path_;
  std::filesystem::path folder_;
  std::set<std::string> known_;
};

/** One of bf16, f16 and f32. */
FormatId read_output(Fields& fields);
/** A generator, or a file; a file lies relative to the spec's own folder. */
Input read_input(Fields fields);
/** Integers of a generator of one kind, or of a file. */
Input read_integers(Fields fields, IntegerGenerator generator);
/** `{ "input": ... }`. */
Input read_wrapped_input(Fields fields);
Scheme read_scheme(Fields fields);
OperandSpec read_operand(Fields fields);
Arithmetic read_arithmetic(Fields fields);
/** A positive extent of a shape. */
i64 read_extent(Fields& shape, const char* name);

}  // namespace fp8lab
