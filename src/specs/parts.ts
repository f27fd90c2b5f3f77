import { balanceLossPart } from './kernels/balance-loss.ts';
import { biasUpdatePart } from './kernels/bias-update.ts';
import { combinePart } from './kernels/combine.ts';
import { dequantizePart } from './kernels/dequantize.ts';
import { dispatchPart } from './kernels/dispatch.ts';
import { gatePart } from './kernels/gate.ts';
import { gemmPart } from './kernels/gemm.ts';
import { groupedGemmPart } from './kernels/grouped-gemm.ts';
import { loadStatisticsPart } from './kernels/load-statistics.ts';
import { moeLayerPart } from './kernels/moe-layer.ts';
import { moeLayerBackwardPart } from './kernels/moe-layer-backward.ts';
import { permutePart } from './kernels/permute.ts';
import { quantizePart } from './kernels/quantize.ts';
import { requantizePart } from './kernels/requantize.ts';
import { swigluBackwardPart } from './kernels/swiglu-backward.ts';
import { swigluQuantizePart } from './kernels/swiglu-quantize.ts';
import { unpermutePart } from './kernels/unpermute.ts';

/** The kernels' parts, in the order that tables show them. */
export const specParts = [
  quantizePart,
  dequantizePart,
  requantizePart,
  gemmPart,
  groupedGemmPart,
  gatePart,
  biasUpdatePart,
  balanceLossPart,
  loadStatisticsPart,
  permutePart,
  unpermutePart,
  swigluQuantizePart,
  swigluBackwardPart,
  moeLayerPart,
  moeLayerBackwardPart,
  dispatchPart,
  combinePart,
] as const;
