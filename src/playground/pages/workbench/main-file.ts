/** The shader that a kernel is best read from: of those named, the first that a spec dispatches. */
const mainFiles: Readonly<Record<string, readonly string[]>> = {
  quantize: ['quantize_lines', 'quantize_scaled', 'quantize'],
  dequantize: ['dequantize_rows', 'dequantize'],
  requantize: ['quantize_lines', 'quantize_scaled', 'quantize'],
  gemm: ['gemm_aligned_float', 'gemm_aligned', 'gemm_exact', 'gemm_sequential'],
  'grouped-gemm': ['gemm_aligned_float', 'gemm_aligned', 'gemm_exact', 'gemm_sequential'],
  gate: ['gate_choose', 'gate_weigh'],
  permute: ['gather_words', 'gather_lanes'],
  'swiglu-quantize': ['swiglu'],
  'swiglu-backward': ['swiglu_gradients'],
  dispatch: ['dispatch_rows'],
};

/** The shader to open for a spec (`gemm/dsv3-q-a`) that dispatches these, in their order; undefined where it dispatches none. */
export function mainFileOf(label: string, dispatched: readonly string[]): string | undefined {
  const wanted = mainFiles[label.split('/')[0]!] ?? [];
  return wanted.map((name) => `kernels/${name}`).find((path) => dispatched.includes(path)) ?? dispatched.at(-1);
}
