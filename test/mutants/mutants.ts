import { balance } from './balance.ts';
import { dequantize } from './dequantize.ts';
import { combine, dispatch } from './dispatch.ts';
import { gate } from './gate.ts';
import { gemm } from './gemm.ts';
import { groupedGemm } from './grouped-gemm.ts';
import { moeLayer, moeLayerBackward } from './moe-layer.ts';
import type { Mutant } from './mutant.ts';
import { permute, unpermute } from './permute.ts';
import { quantize } from './quantize.ts';
import { requantize } from './requantize.ts';
import { swigluBackward, swigluQuantize } from './swiglu.ts';

export type { Mutant } from './mutant.ts';

/** Every mutant, kernel by kernel. */
export const mutants: readonly Mutant[] = [
  ...quantize,
  ...dequantize,
  ...requantize,
  ...gemm,
  ...groupedGemm,
  ...gate,
  ...balance,
  ...permute,
  ...unpermute,
  ...swigluQuantize,
  ...swigluBackward,
  ...moeLayer,
  ...moeLayerBackward,
  ...dispatch,
  ...combine,
];
