import type { FormatName } from '../../../numerics/formats.ts';
import type { GeneratedInput } from '../../../tensors/generate.ts';
import type { DType } from '../../../tensors/tensor.ts';
import { nodeCommand } from '../../ui/command.ts';
import type { PartPlace } from './file-source.ts';

/** Formats of the dtypes that the page shows. */
const formatOf: Readonly<Partial<Record<DType, FormatName>>> = {
  F32: 'f32',
  BF16: 'bf16',
  F16: 'f16',
  F8_E4M3: 'e4m3',
  F8_E5M2: 'e5m2',
};

/** What is quantized: generated values of a shape, or part of a file's tensor. */
export type CommandSource =
  | { readonly input: GeneratedInput; readonly rows: number; readonly columns: number }
  | { readonly part: PartPlace };

/** Lines that leave a matrix in `v`, `wide` columns wide, of which the first `columns` of each row are taken. */
function reading(source: CommandSource): string {
  if ('input' in source) {
    const { input, rows, columns } = source;
    return `const [rows, columns, wide] = [${rows}, ${columns}, ${columns}]; const v = decode(generate(${JSON.stringify(input)}, [rows, columns]).codes, ${JSON.stringify(input.dtype)});`;
  }
  const { file, tensor, dtype, firstRow, rows, columns, allColumns } = source.part;
  return `const [rows, columns, wide] = [${rows}, ${columns}, ${allColumns}]; const v = decode((await readRows(await openSafetensorsFile(${JSON.stringify(file)}), ${JSON.stringify(tensor)}, ${firstRow}, rows)).codes, ${JSON.stringify(formatOf[dtype])});`;
}

/** The command that quantizes the same matrix by the same schemes and prints each one's SQNR in dB. */
export function quantizeCommand(source: CommandSource, schemes: readonly string[]): string {
  return nodeCommand(
    [
      'import { decode, dequantize, generate, openSafetensorsFile, quantize, readRows } from "fp8lab/node";',
      reading(source),
      'const x = Float32Array.from({ length: rows * columns }, (_, i) => v[Math.floor(i / columns) * wide + (i % columns)]);',
      `for (const scheme of ${JSON.stringify(schemes)}) {`,
      'const y = dequantize(quantize(x, [rows, columns], scheme)); let signal = 0, noise = 0;',
      'x.forEach((value, i) => { if (Number.isFinite(value) && Number.isFinite(y[i])) { signal += value * value; noise += (y[i] - value) ** 2; } });',
      'console.log(scheme, 10 * Math.log10(signal / noise)); }',
    ].join(' '),
  );
}
