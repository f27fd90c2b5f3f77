#pragma once
// Ranks as threads of one process.

#include <functional>

#include "transport.h"

namespace fp8lab::moe {

/** Runs `body` once a rank, each in a thread of its own, and waits. The first exception of any rank ends all and is thrown again. */
void run_as_threads(int ranks, const std::function<void(Transport&)>& body);

}  // namespace fp8lab::moe
