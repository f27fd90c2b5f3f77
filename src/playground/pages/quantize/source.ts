import { schemePresets } from '../../../specs/presets.ts';
import type { QuantizeSpec } from '../../../specs/types.ts';
import type { GeneratedInput, GeneratorName } from '../../../tensors/generate.ts';
import { type CommandSource, quantizeCommand } from './command.ts';
import { partShape } from './file-source.ts';
import type { FilePart } from './source-panel.ts';
import type { MatrixSource, QuantizeView, SurfaceKind } from './view.ts';

/** What the page's links carry. */
export interface State {
  readonly generate: Extract<GeneratorName, 'normal' | 'uniform' | 'outlier-channels' | 'outlier-tokens'>;
  /** Share of outliers in thousandths. */
  readonly share: number;
  readonly factor: number;
  readonly seed: number;
  readonly left: string;
  readonly right: string;
  readonly surface: SurfaceKind;
  readonly of: 'left' | 'right';
  /** Row and column of the element that is written out; -1 where none is. */
  readonly row: number;
  readonly column: number;
}

/** Schemes to choose from: layouts of scales change no number. */
export const presets = Object.keys(schemePresets).filter(
  (name) => !name.includes('mn-major') && !name.includes('packed'),
) as (keyof typeof schemePresets)[];

/** What the generator is asked for. */
export const inputOf = ({ generate, seed, share, factor }: State): GeneratedInput => ({
  generate,
  seed,
  dtype: 'bf16',
  exponent: 0,
  share: share / 1000,
  factorExponent: factor,
});

/** Where the matrix comes from: a part of a file where there is one. */
export function sourceOf(state: State, part: FilePart | undefined): MatrixSource {
  if (part !== undefined) return { kind: 'tensor', tensor: part.tensor };
  return { kind: 'generated', input: inputOf(state), rows: partShape[0], columns: partShape[1] };
}

/** The spec of what a side shows; its input is generated, or given beside it. */
export function specOf(state: State, view: QuantizeView): QuantizeSpec {
  return {
    fp8lab: 1,
    kernel: 'quantize',
    name: 'playground-quantize',
    description: '',
    large: false,
    shape: { rows: view.rows, columns: view.columns },
    x: { input: inputOf(state) },
    scheme: view.scheme,
  };
}

/** The spec that the command line would run for a side. */
const authoredOf = (state: State, { preset, rows, columns }: QuantizeView) => ({
  fp8lab: 1,
  kernel: 'quantize',
  name: `playground-${preset}`,
  shape: { rows, columns },
  x: { input: inputOf(state) },
  scheme: preset,
});

/** What the page gives away. */
export function exportOf(
  state: State,
  views: readonly QuantizeView[],
  part: FilePart | undefined,
  canvas: HTMLCanvasElement,
) {
  const rows = views.map((view) => ({
    scheme: view.preset,
    sqnr: view.sqnr,
    medianChannelSqnr: view.medianSqnr,
    saturated: view.saturated,
    underflowed: view.underflowed,
    notFinite: view.notFinite,
    bitsPerValue: view.bitsPerValue,
  }));
  const source: CommandSource =
    part === undefined ? { input: inputOf(state), rows: partShape[0], columns: partShape[1] } : { part: part.place };
  return {
    name: 'fp8lab-quantize',
    command: quantizeCommand(
      source,
      views.map(({ preset }) => preset),
    ),
    json: () => ({
      source: part?.place ?? inputOf(state),
      results: rows,
      // A file's values are not the page's to give away in a spec: the command reads them.
      ...(part === undefined && { specs: views.map((view) => authoredOf(state, view)) }),
    }),
    csv: () => [Object.keys(rows[0] ?? {}), ...rows.map((row) => Object.values(row))],
    picture: () => canvas,
  };
}
