/** The shader that a kernel is best read from; other kernels share or compose these. */
const mainFiles: Readonly<Record<string, string>> = {
  quantize: 'kernels/quantize',
  dequantize: 'kernels/dequantize',
  requantize: 'kernels/quantize',
  gemm: 'kernels/gemm_aligned',
  'grouped-gemm': 'kernels/gemm_aligned',
  gate: 'kernels/gate_choose',
  permute: 'kernels/gather_lanes',
  unpermute: 'kernels/unpermute',
  'swiglu-quantize': 'kernels/swiglu',
  'swiglu-backward': 'kernels/swiglu_gradients',
  dispatch: 'kernels/dispatch_rows',
  combine: 'kernels/combine',
};

/** The shader to open for a spec (`gemm/dsv3-q-a`); undefined where none stands out. */
export const mainFileOf = (label: string): string | undefined => mainFiles[label.split('/')[0]!];
