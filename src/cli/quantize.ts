import { planQuantize } from '../checkpoint/quantize.ts';
import { selectionOf } from '../checkpoint/selection.ts';
import { schemePreset } from '../specs/presets.ts';
import { shortName } from '../tensors/header.ts';
import { type ConversionOptions, runConversion } from './conversion.ts';
import type { Io } from './io.ts';

/** Options of `fp8lab quantize IN OUT`. */
export interface QuantizeCommandOptions extends ConversionOptions {
  /** Name of a scheme preset. */
  readonly scheme: string;
  /** Globs of tensor names; given, they replace the default choice. */
  readonly include?: readonly string[];
  /** Globs of tensor names that stay as they are, on top of the default ones. */
  readonly exclude?: readonly string[];
}

/** Quantizes the weights of a safetensors file or checkpoint folder. Exit code 1 where `--verify` finds a difference. */
export async function quantizeCommand(options: QuantizeCommandOptions, io: Io): Promise<number> {
  const scheme = schemePreset(options.scheme, '--scheme');
  const selection = selectionOf(options.include, options.exclude);
  return runConversion(
    options,
    io,
    (checkpoint) => planQuantize(checkpoint, scheme, options.scheme, selection),
    ({ quantized, unfit, layout }) => ({
      lines: [
        `quantized: ${quantized.length} weights by ${options.scheme}, ${layout} layout`,
        ...unfit.map(({ name, reason }) => `left as it is: ${shortName(name)}, ${reason}`),
      ],
      json: { scheme: options.scheme, layout, quantized, unfit },
    }),
  );
}
