// The format of a kernel's result from the host's constants, in place of output_format.wgsl.
#include "kernels/output.wgsl"

fn output_format(given: Format) -> Format {
  return OUTPUT;
}
