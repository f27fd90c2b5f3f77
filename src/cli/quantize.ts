import { planQuantize } from '../checkpoint/quantize.ts';
import { selectionOf } from '../checkpoint/selection.ts';
import { shortName } from '../tensors/header.ts';
import { type ConversionOptions, runConversion } from './conversion.ts';
import type { Io } from './io.ts';
import { schemeOf } from './scheme.ts';

/** Options of `fp8lab quantize IN OUT`. */
export interface QuantizeCommandOptions extends ConversionOptions {
  /** Name of a scheme preset, or a JSON file of a scheme. */
  readonly scheme: string;
  /** Globs of tensor names; given, they replace the default choice. */
  readonly include?: readonly string[];
  /** Globs of tensor names that stay as they are, on top of the default ones. */
  readonly exclude?: readonly string[];
}

/** Quantizes the weights of a safetensors file or checkpoint folder. Exit code 1 where `--verify` finds a difference. */
export async function quantizeCommand(options: QuantizeCommandOptions, io: Io): Promise<number> {
  const { name, scheme } = await schemeOf(options.scheme, '--scheme');
  const selection = selectionOf(options.include, options.exclude);
  return runConversion(
    options,
    io,
    (checkpoint) => planQuantize(checkpoint, scheme, name, selection),
    ({ quantized, unfit, layout }) => ({
      lines: [
        `quantized: ${quantized.length} weights by ${name}, ${layout} layout`,
        ...unfit.map(({ name, reason }) => `left as it is: ${shortName(name)}, ${reason}`),
      ],
      json: { scheme: name, layout, quantized, unfit },
    }),
  );
}
