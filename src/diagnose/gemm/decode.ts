import { type FormatName, formats } from '../../numerics/formats.ts';
import { type OperandTable, operandTable } from '../../numerics/tensor-core.ts';

const slipped = new Map<string, Pick<OperandTable, 'value' | 'exponent'>>();

/** A format's values as a kernel that decodes them so would read them. */
export function decodeTableOf(name: FormatName, decode: string): Pick<OperandTable, 'value' | 'exponent'> {
  const table = operandTable(name);
  if (decode === 'own') return table;
  const key = `${name} ${decode}`;
  let made = slipped.get(key);
  if (made === undefined) {
    made = { value: table.value.map((value, code) => misread(value, code, name, decode)), exponent: table.exponent };
    slipped.set(key, made);
  }
  return made;
}

function misread(value: number, code: number, name: FormatName, decode: string): number {
  const { bits, mantissaBits, exponentBits, bias } = formats[name];
  const negative = code >= 2 ** (bits - 1);
  const field = (code >>> mantissaBits) & (2 ** exponentBits - 1);
  const mantissa = code % 2 ** mantissaBits;
  const sign = negative ? -1 : 1;
  switch (decode) {
    case 'unsigned':
      return Math.abs(value);
    case 'subnormals-normal':
      return field === 0 ? sign * (1 + mantissa / 2 ** mantissaBits) * 2 ** (1 - bias) : value;
    case 'subnormals-zero':
      return field === 0 ? sign * 0 : value;
    case 'no-specials':
      return Number.isFinite(value) ? value : sign * (1 + mantissa / 2 ** mantissaBits) * 2 ** (field - bias);
    default:
      return value;
  }
}
