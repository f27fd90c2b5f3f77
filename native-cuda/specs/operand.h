#pragma once
// Where a kernel's tensors come from. The twin of src/specs/base.ts.

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "../numerics/arithmetic.h"
#include "../numerics/generate.h"
#include "../numerics/generate_integers.h"
#include "../numerics/scheme.h"

namespace fp8lab {

/** An input read from a safetensors file. */
struct FileInput {
  std::string file;
  std::string tensor;
};

/** Integers that follow from other fields of a spec. */
struct KnownIntegers {
  std::vector<i32> values;
};

using Input = std::variant<GeneratedInput, FileInput, IntegerInput, KnownIntegers>;

/** An operand: `input` that is quantized by `scheme` first, or `codes` (with `scales`) used as they are. */
struct OperandSpec {
  Scheme scheme;
  std::optional<Input> input;
  std::optional<Input> codes;
  std::optional<Input> scales;
};

}  // namespace fp8lab
