#define FP8LAB_LANES base
#define FP8LAB_LANES_NAME "base"
#define FP8LAB_VECTOR_BYTES 16
#include "lanes_impl.h"
