#pragma once
// Loops over all cores.

#include <functional>

#include "../../numerics/hd.h"

namespace fp8lab::host {

/** The threads a count of 0 stands for: those this process may run on. */
int thread_count(int asked);

/** Calls body(i) for every i below count, on `threads` threads (0: all cores), in no order. The first exception is thrown again when all
 * have ended. */
void parallel_for(int threads, i64 count, const std::function<void(i64)>& body);

}  // namespace fp8lab::host
