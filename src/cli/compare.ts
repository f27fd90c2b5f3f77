import { exitCodes } from '../errors.ts';
import { compareResults, describeTensor, requireComparable } from '../parity/compare.ts';
import { readTensors } from '../tensors/files.ts';
import { type Io, paint } from './io.ts';
import { table } from './table.ts';

/** Options of `fp8lab compare`. */
export interface CompareCommandOptions {
  readonly json?: boolean;
}

/** Holds the tensors of B against those of A, bit for bit. */
export async function compareCommand(a: string, b: string, options: CompareCommandOptions, io: Io): Promise<number> {
  const comparison = compareResults({ name: `${a} against ${b}` }, await readTensors(a), await readTensors(b));
  requireComparable(comparison);
  if (options.json) {
    io.stdout(`${JSON.stringify({ schemaVersion: 1, a, b, ...comparison })}\n`);
  } else {
    const rows = comparison.tensors.map(({ name, dtype, shape, elements, mismatches, metrics }) => [
      name,
      dtype,
      `[${shape.join(', ')}]`,
      String(elements),
      paint(io, mismatches === 0 ? 'green' : 'red', String(mismatches)),
      metrics?.sqnr?.toFixed(1) ?? '-',
      metrics?.maxRelativeError.toExponential(2) ?? '-',
    ]);
    io.stdout(table([['tensor', 'dtype', 'shape', 'elements', 'differ', 'SQNR dB', 'max rel. error'], ...rows]));
    for (const tensor of comparison.tensors) if (tensor.status !== 'equal') io.stdout(`${describeTensor(tensor)}\n`);
  }
  return comparison.equal ? exitCodes.ok : exitCodes.mismatch;
}
