// FP8 quantization and products on plain arrays: no GPU, no files.
import { dequantize, gemm, quantize } from 'fp8lab';

const [m, n, k] = [4, 8, 4096];
// Positive data is the hard case: nothing cancels, so truncated sums drift.
const random = (length) => Float32Array.from({ length }, () => Math.random());
const activations = random(m * k);
const weights = random(n * k);

const x = quantize(activations, [m, k], 'activation-1x128-pow2');
const w = quantize(weights, [n, k], 'weight-128x128-pow2');

const error = Math.max(...dequantize(x).map((value, i) => Math.abs(value - activations[i])));
console.log(
  `1x128 tiles: ${x.codes.codes.length} codes, ${x.scales.codes.length} scales, largest error ${error.toPrecision(3)}`,
);

// The same codes, summed as different tensor cores would.
const exact = gemm(x, w, { arithmetic: 'exact' });
for (const arithmetic of ['hopper-deepgemm', 'ada-deepgemm', 'blackwell-deepgemm', 'f32']) {
  const d = gemm(x, w, { arithmetic });
  const worst = Math.max(...d.map((value, i) => Math.abs(value / exact[i] - 1)));
  console.log(`${arithmetic.padEnd(18)} largest relative error ${worst.toExponential(2)}`);
}

// One scale a tensor needs no promotion for its scales' sake; leaving it out shows why DeepSeek-V3 promotes.
const [xt, wt] = [quantize(activations, [m, k], 'per-tensor'), quantize(weights, [n, k], 'per-tensor')];
const promoted = gemm(xt, wt);
const unpromoted = gemm(xt, wt, { arithmetic: 'hopper-unpromoted' });
console.log(`without promotion the first element loses ${(100 * (1 - unpromoted[0] / promoted[0])).toFixed(2)} %`);
