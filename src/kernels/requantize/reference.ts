import type { Scheme } from '../../numerics/scheme.ts';
import { dequantizeWords } from '../dequantize/reference.ts';
import { type Quantized, quantizeWords } from '../quantize/reference.ts';

/**
 * Codes and scales of one scheme to those of another, through f32 (DeepSeek-V3 report, section 3.3.3: forward 1x128 tiles to the 128x1 tiles
 * that the backward pass reads). With power-of-two scales the only new error is what the format's range forces.
 */
export function requantizeReference(from: Quantized, scheme: Scheme, to: Scheme): Quantized {
  const [rows, columns] = from.codes.shape as [number, number];
  return quantizeWords(dequantizeWords(from, scheme), rows, columns, to);
}
