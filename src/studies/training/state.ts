import { inputError } from '../../errors.ts';
import { canonicalJson } from '../../specs/canonical.ts';
import { bufferSource } from '../../tensors/byte-source.ts';
import { buildHeader } from '../../tensors/header.ts';
import { packCodes } from '../../tensors/packing.ts';
import { openSafetensors, readTensor, type SafetensorsFile } from '../../tensors/safetensors.ts';
import type { Tensor } from '../../tensors/tensor.ts';
import type { Floats } from './matrix.ts';
import { type StepReport, startTraining, type TrainingSettings, type TrainingState } from './trainer.ts';

/** What a state is of: the run's settings, and how it computes. */
export interface RunIdentity {
  readonly settings: TrainingSettings;
  /** Precision, recipe and where products are computed. */
  readonly computed: Readonly<Record<string, unknown>>;
}

const identityKey = 'fp8lab.training';
const reportNames = ['loss', 'norm', 'imbalance'] as const satisfies readonly (keyof StepReport)[];

/** Every array of a run under its name, with the dtype it is kept in: bf16 moments take two bytes. */
function arraysOf(
  { weights, moments }: TrainingState,
  bf16Moments: boolean,
): Map<string, { values: Floats; bf16: boolean }> {
  const arrays = new Map<string, { values: Floats; bf16: boolean }>();
  weights.parameters.forEach(({ name, values }, index) => {
    arrays.set(`weights.${name}`, { values, bf16: false });
    arrays.set(`first.${name}`, { values: moments[index]!.first, bf16: bf16Moments });
    arrays.set(`second.${name}`, { values: moments[index]!.second, bf16: bf16Moments });
  });
  weights.layers.forEach(({ moe }, index) => {
    arrays.set(`bias.${index}`, { values: moe.bias, bf16: false });
  });
  return arrays;
}

const wordsOf = ({ buffer, byteOffset, length }: Floats): Uint32Array => new Uint32Array(buffer, byteOffset, length);

function tensorOf(values: Floats, bf16: boolean): Tensor {
  const words = wordsOf(values);
  const shape = [words.length];
  return bf16
    ? { dtype: 'BF16', shape, codes: Uint16Array.from(words, (word) => word >>> 16) }
    : { dtype: 'F32', shape, codes: words };
}

/** A run as the bytes of a safetensors file: whatever its next step depends on, and what it is of. */
export function packState(state: TrainingState, identity: RunIdentity): Uint8Array {
  const tensors = new Map<string, Tensor>();
  for (const [name, { values, bf16 }] of arraysOf(state, identity.settings.adamW.bf16Moments)) {
    tensors.set(name, tensorOf(values, bf16));
  }
  for (const name of reportNames) {
    tensors.set(
      name,
      tensorOf(
        Float32Array.from(state.reports, (report) => report[name]),
        false,
      ),
    );
  }
  const declarations = Array.from(tensors, ([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const { bytes: header, entries, fileSize } = buildHeader(declarations, { [identityKey]: canonicalJson(identity) });
  const bytes = new Uint8Array(fileSize);
  bytes.set(header);
  for (const [name, { dtype, codes }] of tensors) bytes.set(packCodes(codes, dtype), entries.get(name)!.begin);
  return bytes;
}

/**
 * The run that {@link packState} packed. A state of other settings is refused (`other-settings`, naming what differs), as is one that is not
 * whole.
 * @param where the state's name for messages
 */
export async function unpackState(bytes: Uint8Array, identity: RunIdentity, where: string): Promise<TrainingState> {
  const file = await openSafetensors(bufferSource(bytes, where));
  refuseOther(file, identity, where);
  const state = startTraining(identity.settings);
  for (const [name, { values, bf16 }] of arraysOf(state, identity.settings.adamW.bf16Moments)) {
    const { codes } = await readArray(file, name, bf16 ? 'BF16' : 'F32', values.length, where);
    const words = wordsOf(values);
    for (let i = 0; i < words.length; i++) words[i] = bf16 ? codes[i]! << 16 : codes[i]!;
  }
  const steps = (await readTensor(file, 'loss')).codes.length;
  const columns = await Promise.all(reportNames.map((name) => readArray(file, name, 'F32', steps, where)));
  const values = columns.map(({ codes }) => new Float32Array(codes.buffer, codes.byteOffset, codes.length));
  for (let step = 0; step < steps; step++) {
    state.reports.push({ loss: values[0]![step]!, norm: values[1]![step]!, imbalance: values[2]![step]! });
  }
  return state;
}

async function readArray(
  file: SafetensorsFile,
  name: string,
  dtype: string,
  length: number,
  where: string,
): Promise<Tensor> {
  const tensor = await readTensor(file, name);
  if (tensor.dtype === dtype && tensor.codes.length === length) return tensor;
  throw inputError(
    `${name} is ${tensor.dtype} [${tensor.shape.join(', ')}], expected ${dtype} [${length}]`,
    'bad-state',
    where,
    'remove the file and run again',
  );
}

function refuseOther({ metadata }: SafetensorsFile, identity: RunIdentity, where: string): void {
  const text = metadata[identityKey];
  if (text === canonicalJson(identity)) return;
  const problem =
    text === undefined
      ? 'this is no state of a training run'
      : `the state is of a run with ${difference(text, identity)}`;
  throw inputError(problem, 'other-settings', where, 'give another folder, remove the file, or run with its settings');
}

/** The first setting that differs, with both values. */
function difference(text: string, identity: RunIdentity): string {
  const [theirs, ours] = [flat(JSON.parse(text), ''), flat(JSON.parse(canonicalJson(identity)), '')];
  for (const key of new Set([...theirs.keys(), ...ours.keys()])) {
    if (theirs.get(key) !== ours.get(key)) return `${key} ${theirs.get(key)}, not ${ours.get(key)}`;
  }
  return 'other settings';
}

function flat(value: unknown, path: string): Map<string, unknown> {
  if (value === null || typeof value !== 'object') return new Map([[path, value]]);
  const entries = Object.entries(value).map(([key, inner]) => flat(inner, path === '' ? key : `${path}.${key}`));
  return new Map(entries.flatMap((map) => [...map]));
}
