#pragma once
// The commands of fp8lab-native: each takes the words after its name and gives the exit code.

#include "../errors.h"
#include "../numerics/hd.h"
#include "arguments.h"

namespace fp8lab {

/** f32 patterns of one digest of the exhaustive runs: 256 of them make all. */
inline constexpr i64 pattern_chunk = 1 << 24;
/** Those that are computed at a time. */
inline constexpr i64 part_patterns = 1 << 14;

int run_command(int count, char** words);
int serve_command(int count, char** words);
int info_command(int count, char** words);
/** Reports errors itself where other ranks must be ended after. */
int moe_command(int count, char** words, int (*report)(const Error&));
int exhaustive_command(int count, char** words);

/** `exhaustive --function NAME`, chunks `first` to `last`. */
int exhaustive_function(const Arguments& arguments, int first, int last);

}  // namespace fp8lab
