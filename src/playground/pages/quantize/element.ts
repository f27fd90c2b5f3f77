import { formatCode, formatValue, laneReader } from '../../../parity/lanes.ts';
import type { QuantizeSpec } from '../../../specs/types.ts';
import { dtypeOfFormat } from '../../../tensors/tensor.ts';
import type { Services } from '../../services/services.ts';
import { type QuantizeView, tileOf } from './view.ts';

/** What became of one element, in numbers that fit a glance. */
export function elementFacts(view: QuantizeView, row: number, column: number): readonly (readonly [string, string])[] {
  const i = row * view.columns + column;
  const dtype = dtypeOfFormat[view.scheme.format];
  const scale = view.factors[tileOf(view, i)]!;
  const x = view.values[i]!;
  const back = view.back[i]!;
  const error = back - x;
  return [
    ['Scale of its tile', formatValue(scale)],
    ['x / scale', formatValue(Math.fround(x / scale))],
    ['Code', `${formatCode(view.codes[i]!, dtype)} = ${formatValue(laneReader(dtype).value(view.codes[i]!))}`],
    ['Read back', formatValue(back)],
    [
      'Error',
      error === 0
        ? '0'
        : `${formatValue(Math.fround(error))}${x === 0 ? '' : ` (${((100 * error) / x).toPrecision(2)} %)`}`,
    ],
  ];
}

/** State of the page Formats that shows an element's code. */
export function codeState(view: QuantizeView, row: number, column: number): Readonly<Record<string, string | number>> {
  const i = row * view.columns + column;
  const scaled = Math.fround(view.values[i]! / view.factors[tileOf(view, i)]!);
  return { format: view.scheme.format, x: Object.is(scaled, -0) ? '-0' : scaled, code: view.codes[i]! };
}

/** Every operation of an element's code, as text. */
export async function traceOf(
  services: Services,
  spec: QuantizeSpec,
  view: QuantizeView,
  row: number,
  column: number,
): Promise<string> {
  const given = { x: view.tensor };
  const { text } = await services.compute.call('trace', { spec, given, tensor: 'codes', coordinates: [row, column] });
  return text;
}
