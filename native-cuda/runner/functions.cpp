// `exhaustive --function NAME`: all 2^32 f32 patterns through a pinned function, one SHA-256 for each 2^24 results, and the largest error.

#include <cmath>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "../errors.h"
#include "../kernels/host/parallel.h"
#include "../numerics/exp.h"
#include "../tensors/sha256.h"
#include "commands.h"

namespace fp8lab {

namespace {

struct Function {
  const char* name;
  u32 (*pinned)(u32);
  double (*exact)(double);
};

const Function functions[] = {
    {"exp", exp_bits, [](double x) { return std::exp(x); }},
    {"sigmoid", sigmoid_bits, [](double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }},
    {"log1p", log1p_bits, [](double x) { return std::log1p(x); }},
    {"softplus", softplus_bits, [](double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }},
    {"sqrt", sqrt_bits, [](double x) { return std::sqrt(x); }},
};

struct Error32 {
  double ulp = 0;
  u32 pattern = 0;
};

/** Distance of a result from the true value in units of the last place of the true value; Inf counts as 2^128. */
double error_in_ulp(u32 result, double exact) {
  if (std::isnan(exact) || (result & magnitude_mask) > inf_bits) {
    return std::isnan(exact) && result == nan_bits ? 0 : std::numeric_limits<double>::infinity();
  }
  const double least = 0x1p-126, past = 0x1p128;
  const double clipped = std::fmax(-past, std::fmin(past, exact));
  const double value = std::fmax(-past, std::fmin(past, static_cast<double>(bits_float(result))));
  const int exponent = std::ilogb(std::fmin(std::fmax(std::fabs(clipped), least), 0x1p127));
  return std::fabs(value - clipped) / std::ldexp(1.0, exponent - 23);
}

struct Chunk {
  std::string digest;
  Error32 worst;
};

Chunk run_chunk(const Function& function, i64 first) {
  std::vector<u32> results(part_patterns);
  Sha256 hash;
  Chunk chunk;
  for (i64 part = 0; part < pattern_chunk; part += part_patterns) {
    for (i64 i = 0; i < part_patterns; i++) {
      const u32 bits = static_cast<u32>(first + part + i);
      const u32 result = results[static_cast<std::size_t>(i)] = function.pinned(bits);
      const double error = error_in_ulp(result, function.exact(static_cast<double>(bits_float(bits))));
      if (error > chunk.worst.ulp) chunk.worst = {error, bits};
    }
    hash.add(reinterpret_cast<const u8*>(results.data()), part_patterns * 4);
  }
  chunk.digest = hash.hex();
  return chunk;
}

const Function& function_named(const std::string& name) {
  std::string known;
  for (const Function& function : functions) {
    if (name == function.name) return function;
    known += (known.empty() ? "" : ", ") + std::string(function.name);
  }
  throw Error(ErrorKind::usage, "bad-value", "unknown value " + name + " of --function", "--function", "use one of " + known);
}

}  // namespace

int exhaustive_function(const Arguments& arguments, int first, int last) {
  const Function& function = function_named(arguments.get("function"));
  std::vector<Chunk> chunks(static_cast<std::size_t>(last - first + 1));
  host::parallel_for(integer_option(arguments, "threads", 0), last - first + 1,
                     [&](i64 i) { chunks[static_cast<std::size_t>(i)] = run_chunk(function, (first + i) * pattern_chunk); });
  Error32 worst;
  std::vector<std::string> digests;
  for (const Chunk& chunk : chunks) {
    digests.push_back(chunk.digest);
    if (chunk.worst.ulp > worst.ulp) worst = chunk.worst;
  }
  const nlohmann::ordered_json json = {{"schemaVersion", 1},   {"function", function.name}, {"chunkElements", pattern_chunk},
                                       {"firstChunk", first},  {"largestErrorUlp", worst.ulp}, {"atPattern", worst.pattern},
                                       {"digests", digests}};
  std::cout << json.dump() << std::endl;
  return 0;
}

}  // namespace fp8lab
