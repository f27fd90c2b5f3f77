#pragma once
// The rooms of fp8lab-bench.

#include "timing.h"

namespace fp8lab::bench {

/** Fast kernels against the general ones on the device; print a line a case; whether all bits agree. */
bool check_quantizers();
bool check_gemms();
/** Times gemms and their peers; every tile where `every_tile`. */
void bench_gemm(const Options& options, double copy, bool every_tile);
void bench_quantize(const Options& options, double copy);

/** Multiprocessors of device 0. */
int multiprocessors();

}  // namespace fp8lab::bench
