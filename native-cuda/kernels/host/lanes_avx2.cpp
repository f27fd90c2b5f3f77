#define FP8LAB_LANES avx2
#define FP8LAB_LANES_NAME "avx2"
#define FP8LAB_VECTOR_BYTES 32
#include "lanes_impl.h"
