import { planDequantize } from '../checkpoint/dequantize.ts';
import { type ConversionOptions, runConversion } from './conversion.ts';
import type { Io } from './io.ts';

/** Options of `fp8lab dequantize IN OUT`. */
export type DequantizeCommandOptions = Omit<ConversionOptions, 'verify'>;

/** Turns the quantized weights of a safetensors file or checkpoint folder back to bf16. */
export async function dequantizeCommand(options: DequantizeCommandOptions, io: Io): Promise<number> {
  return runConversion(options, io, planDequantize, ({ dequantized }) => ({
    lines: [`dequantized: ${dequantized.length} weights to BF16`],
    json: { dequantized },
  }));
}
