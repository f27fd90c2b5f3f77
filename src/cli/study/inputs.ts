import { createHash } from 'node:crypto';
import { inputError } from '../../errors.ts';
import { widen } from '../../kernels/quantize/reference.ts';
import { parseInput, type StudyMatrix } from '../../studies/matrix.ts';
import type { AnyOptionValues } from '../../studies/options.ts';
import { openSafetensorsFile } from '../../tensors/files.ts';
import type { TensorEntry } from '../../tensors/header.ts';
import { entryOf, readElements, type SafetensorsFile } from '../../tensors/safetensors.ts';
import { allocateCodes, type Codes, elementCount } from '../../tensors/tensor.ts';

/** Loads the tensors that a study is to look at. */
export interface InputLoader {
  readonly load: (input: string) => Promise<StudyMatrix>;
  /** What tells one content of the input files from another: a digest of the elements that a study looks at. */
  identities(inputs: readonly string[]): Promise<readonly string[]>;
  /** What was said of the inputs loaded so far. */
  notes(): readonly string[];
}

/** Elements of a tensor that a study looks at; larger ones are sampled in bands of rows. */
const mostElements = 2 ** 20;
/** Rows of a band: the tallest tile of any scheme, so that no tile is cut. */
const bandRows = 128;

/** The least extent: smaller matrices have no tile to speak of. */
const leastRows = 16;
const leastColumns = 32;

/** A loader of `FILE.safetensors:TENSOR`. */
export function createInputLoader(options: AnyOptionValues): InputLoader {
  const told: string[] = [];
  const isFile = (input: string): boolean => parseInput(input, Number(options.seed ?? 1)) === undefined;
  const load = async (input: string): Promise<StudyMatrix> => {
    const { path, tensor } = splitInput(input);
    const file = await openSafetensorsFile(path);
    try {
      const matrix = await readMatrix(file, tensor);
      for (const note of matrix.notes) if (!told.includes(note)) told.push(note);
      return matrix;
    } finally {
      await file.source.close?.();
    }
  };
  const digest = async (input: string): Promise<string> =>
    createHash('sha256')
      .update((await load(input)).words)
      .digest('hex');
  return { load, identities: (inputs) => Promise.all(inputs.filter(isFile).map(digest)), notes: () => told };
}

/** `FILE.safetensors:TENSOR`; the last colon after the ending parts them, so that both may have colons. */
function splitInput(input: string): { path: string; tensor: string } {
  const match = /^(.+?\.safetensors):(.+)$/.exec(input);
  if (match !== null) return { path: match[1]!, tensor: match[2]! };
  throw inputError(
    `"${input}" is neither a generator nor FILE.safetensors:TENSOR`,
    'bad-input',
    '--input',
    'write model.safetensors:layer.weight, or a generator such as normal; `fp8lab inspect FILE` lists its tensors',
  );
}

async function readMatrix(file: SafetensorsFile, name: string): Promise<StudyMatrix> {
  const entry = entryOf(file, name);
  const columns = entry.shape.at(-1) ?? 1;
  const rows = columns === 0 ? 0 : elementCount(entry.shape) / columns;
  if (rows < leastRows || columns < leastColumns) {
    throw inputError(
      `tensor ${name} has shape [${entry.shape.join(', ')}]: too small for tiles to differ`,
      'too-small',
      file.source.name,
      `name a matrix of at least ${leastRows} rows and ${leastColumns} columns`,
    );
  }
  const bands = bandsOf(rows, columns);
  const codes = await readBands(file, entry, bands, columns);
  const taken = bands.reduce((sum, { count }) => sum + count, 0);
  const words = Uint32Array.from(widen({ dtype: entry.dtype, shape: [taken, columns], codes }));
  const odd = clearOdd(words);
  const notes: string[] = [];
  if (taken < rows) {
    notes.push(
      `${name} [${entry.shape.join(', ')}] is sampled: ${taken} of ${rows} rows, in ${bands.length} bands of ${bandRows} spread evenly; per-tensor and per-channel scales are those of the sample`,
    );
  }
  if (odd.nan + odd.inf > 0) {
    notes.push(`${name} has ${odd.nan} NaN and ${odd.inf} Inf among the elements looked at: they are taken as 0`);
  }
  return { rows: taken, columns, words, title: name, notes };
}

interface Band {
  readonly first: number;
  readonly count: number;
}

/** The whole matrix, or bands of rows spread evenly over it. */
function bandsOf(rows: number, columns: number): readonly Band[] {
  if (rows * columns <= mostElements || rows <= bandRows) return [{ first: 0, count: rows }];
  const whole = Math.floor(rows / bandRows);
  const wanted = Math.min(Math.max(Math.floor(mostElements / columns / bandRows), 1), whole);
  return Array.from({ length: wanted }, (_, i) => ({
    first: Math.floor(((2 * i + 1) * whole) / (2 * wanted)) * bandRows,
    count: bandRows,
  }));
}

async function readBands(
  file: SafetensorsFile,
  entry: TensorEntry,
  bands: readonly Band[],
  columns: number,
): Promise<Codes> {
  const taken = bands.reduce((sum, { count }) => sum + count, 0);
  const codes = allocateCodes(entry.dtype, taken * columns);
  let at = 0;
  for (const { first, count } of bands) {
    codes.set(await readElements(file, entry, first * columns, count * columns), at);
    at += count * columns;
  }
  return codes;
}

/** Zeroes NaN and Inf and counts them: one would mark its whole tile and say nothing of the rest. */
function clearOdd(words: Uint32Array): { nan: number; inf: number } {
  const odd = { nan: 0, inf: 0 };
  for (let i = 0; i < words.length; i++) {
    const magnitude = words[i]! & 0x7fffffff;
    if (magnitude < 0x7f800000) continue;
    if (magnitude === 0x7f800000) odd.inf++;
    else odd.nan++;
    words[i] = 0;
  }
  return odd;
}
