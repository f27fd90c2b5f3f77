import { barPicture } from './bars.ts';
import { layer } from './view.ts';

/** Tokens of each expert, the busiest marked. */
export function loadPicture(load: Float64Array, width: number): SVGSVGElement {
  const most = Math.max(...load);
  return barPicture({
    label: `Tokens of each of ${layer.experts} experts, ${most} at most`,
    values: load,
    most,
    width,
    mark: (at) => (load[at]! === most ? String(most) : undefined),
  });
}

/** Biases above and below zero, which is the line. */
export function biasPicture(bias: Float32Array, width: number): SVGSVGElement {
  const most = Math.max(...bias.map(Math.abs), 0.001);
  return barPicture({
    label: `Bias of each expert, from ${(-most).toFixed(3)} to ${most.toFixed(3)}`,
    values: Float32Array.from(bias, (value) => value + most),
    most: 2 * most,
    width,
    line: { at: most, text: `zero; ends at ±${most.toFixed(3)}` },
  });
}

/** Busiest expert over the mean, batch by batch: bars stand on 1, perfect balance. */
export function coursePicture(history: readonly number[], width: number): SVGSVGElement {
  const last = history.length - 1;
  const above = Float32Array.from({ length: Math.max(history.length, 40) }, (_, i) => (history[i] ?? 1) - 1);
  const most = Math.max(...above);
  return barPicture({
    label: `Busiest expert over the mean: ${history.at(-1)?.toFixed(2)} after ${history.length} batches, ${history[0]?.toFixed(2)} at first`,
    values: above,
    most,
    height: 130,
    width,
    mark: (at) => (at === last ? history[last]!.toFixed(2) : undefined),
    line: { at: 0, text: '1: perfect balance' },
  });
}
