import type { ChartAxis } from './chart.ts';

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** `10⁻³`. */
export function powerText(base: number, exponent: number): string {
  const digits = Array.from(String(Math.abs(exponent)), (digit) => superscripts[Number(digit)]).join('');
  return `${base}${exponent < 0 ? '⁻' : ''}${digits}`;
}

/** A number as charts and tables tell it: few digits, a real minus sign, thousands apart. */
export function numberText(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  const sign = value < 0 ? '−' : '';
  if (size >= 1e6 || size < 1e-4) {
    const exponent = Math.floor(Math.log10(size));
    const lead = Number((size / 10 ** exponent).toPrecision(3));
    return `${sign}${lead === 1 ? '' : `${lead} × `}${powerText(10, exponent)}`;
  }
  if (Number.isInteger(size)) return sign + size.toLocaleString('en-US');
  return sign + String(Number(size.toPrecision(3)));
}

/** The text of a tick. */
export function tickText(axis: ChartAxis, value: number): string {
  if (axis.percent) return value === 0 ? '0' : `${numberText(Number((100 * value).toPrecision(6)))} %`;
  if (axis.scale !== 'log') return numberText(value);
  const base = axis.base ?? 10;
  const exponent = Math.round(Math.log(value) / Math.log(base));
  const isPower = Math.abs(value / base ** exponent - 1) < 1e-9;
  return isPower && (value >= 1e5 || value < 1e-3) ? powerText(base, exponent) : numberText(value);
}

/**
 * Ends of a log axis around its values, a little apart from them: positive values alone count. [1, base] where there are none.
 */
export function logDomain(axis: ChartAxis, values: readonly number[]): readonly [number, number] {
  const base = axis.base ?? 10;
  const positive = values.filter((value) => value > 0);
  if (positive.length === 0) return [1, base];
  const low = Math.min(...positive);
  const high = Math.max(...positive);
  const room = Math.max((Math.log(high) - Math.log(low)) * 0.04, 0.05);
  return [Math.exp(Math.log(low) - room), Math.exp(Math.log(high) + room)];
}

/** Ticks of a log axis: powers of its base, thinned to at most `most`; with digits between where there are but two powers of ten. */
export function logTicks(axis: ChartAxis, [low, high]: readonly [number, number], most: number): number[] {
  const base = axis.base ?? 10;
  const first = Math.ceil(Math.log(low) / Math.log(base) - 1e-9);
  const last = Math.floor(Math.log(high) / Math.log(base) + 1e-9);
  const exponents = Array.from({ length: Math.max(last - first + 1, 0) }, (_, i) => first + i);
  if (base === 10) {
    const between = [
      [1, 2, 5],
      [1, 3],
    ].map((digits) =>
      [first - 1, ...exponents]
        .flatMap((exponent) => digits.map((digit) => Number((digit * 10 ** exponent).toPrecision(3))))
        .filter((tick) => tick >= low && tick <= high),
    );
    const fitting = between.find((ticks) => ticks.length <= most);
    if (fitting !== undefined && exponents.length < 3) return fitting;
  }
  const step = Math.ceil(exponents.length / most);
  return exponents.filter((exponent) => exponent % step === 0).map((exponent) => base ** exponent);
}
