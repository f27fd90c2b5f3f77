import { dequantizePart } from './kernels/dequantize.ts';
import { gemmPart } from './kernels/gemm.ts';
import { groupedGemmPart } from './kernels/grouped-gemm.ts';
import { quantizePart } from './kernels/quantize.ts';
import { requantizePart } from './kernels/requantize.ts';

/** The kernels' parts, in the order that tables show them. */
export const specParts = [quantizePart, dequantizePart, requantizePart, gemmPart, groupedGemmPart] as const;
