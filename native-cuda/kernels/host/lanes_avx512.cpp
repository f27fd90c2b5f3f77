#define FP8LAB_LANES avx512
#define FP8LAB_LANES_NAME "avx512"
#define FP8LAB_VECTOR_BYTES 64
#include "lanes_impl.h"
