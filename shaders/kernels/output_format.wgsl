// The format of a kernel's result, which comes in a uniform: one compiled kernel serves all. Where there is much to do, the host puts
// output_format_fixed.wgsl in its place, which makes another kernel of it, a faster one.
#include "numerics/format.wgsl"

fn output_format(given: Format) -> Format {
  return given;
}
