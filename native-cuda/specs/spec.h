#pragma once
// A resolved spec: every field filled. The twin of src/specs/types.ts.

#include <optional>
#include <string>
#include <string_view>
#include <variant>

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

using Input = std::variant<GeneratedInput, FileInput, IntegerInput>;

/** An operand: `input` that is quantized by `scheme` first, or `codes` (with `scales`) used as they are. */
struct OperandSpec {
  Scheme scheme;
  std::optional<Input> input;
  std::optional<Input> codes;
  std::optional<Input> scales;
};

/** x [rows, columns] to codes and scales. */
struct QuantizeSpec {
  i64 rows, columns;
  Input x;
  Scheme scheme;
};

/** Codes and scales back to x [rows, columns] in `output`. */
struct DequantizeSpec {
  i64 rows, columns;
  OperandSpec x;
  FormatId output;
};

/** Codes and scales of `x.scheme` to codes and scales of `to`. */
struct RequantizeSpec {
  i64 rows, columns;
  OperandSpec x;
  Scheme to;
};

/** D = C + A * B^T with A [m, k], B [n, k]. */
struct GemmSpec {
  i64 m, n, k;
  OperandSpec a, b;
  std::optional<Input> c;
  Arithmetic arithmetic;
  FormatId output;
};

struct Spec {
  std::string name;
  bool large = false;
  std::variant<QuantizeSpec, DequantizeSpec, RequantizeSpec, GemmSpec> kernel;
};

/** Name of a spec's kernel: `quantize`, `gemm`. */
std::string_view kernel_name(const Spec& spec);

/**
 * Reads a resolved spec from JSON. Errors, all `input`: `spec-not-json`, `missing-field`, `unknown-field`, `bad-field`, each with the
 * field's path. `file` is the spec's path, `-` for none: the files that a spec names lie relative to it.
 */
Spec parse_spec(std::string_view json, const std::string& file);

}  // namespace fp8lab
