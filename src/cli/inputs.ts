import { isAbsolute, resolve } from 'node:path';
import { inputError } from '../errors.ts';
import { kernelOf } from '../kernels/index.ts';
import { isGenerated, materializeInputs, operandNames } from '../kernels/inputs.ts';
import { requireShape, scaleShape, tileGrid } from '../kernels/tiles.ts';
import type { FileInput, Operand, ResolvedSpec } from '../specs/types.ts';
import { openSafetensorsFile, readTensors } from '../tensors/files.ts';
import { readTensor } from '../tensors/safetensors.ts';
import type { Tensor, Tensors } from '../tensors/tensor.ts';

/**
 * Inputs that a backend cannot make by itself: those of `--inputs`, or all of a spec that reads files.
 * Undefined where the spec's generators suffice.
 */
export async function gatherInputs(spec: ResolvedSpec, inputsFile?: string): Promise<Tensors | undefined> {
  if (inputsFile !== undefined) return readTensors(inputsFile);
  const declarations = kernelOf(spec).inputs(spec as never);
  const files = declarations.map(({ input }) => input).filter((input): input is FileInput => !isGenerated(input));
  if (files.length === 0) return undefined;
  const read = new Map(await Promise.all(files.map(async (input) => [keyOf(input), await readInput(input)] as const)));
  return materializeInputs(declarations, {}, (input) => read.get(keyOf(input)) as Tensor);
}

const keyOf = (input: FileInput): string => `${input.file}\n${input.tensor}`;

async function readInput({ file, tensor }: FileInput): Promise<Tensor> {
  const path = isAbsolute(file) ? file : resolve(file);
  const opened = await openSafetensorsFile(path);
  try {
    return await readTensor(opened, tensor);
  } finally {
    await opened.source.close?.();
  }
}

/** Refuses `--inputs` that lack what the kernel needs, or have scales of another shape, before any backend starts. */
export function checkInputs(spec: ResolvedSpec, inputs: Tensors | undefined, file: string): void {
  if (inputs === undefined) return;
  const declared = kernelOf(spec).inputs(spec as never);
  for (const { name, shape } of declared) checkScales(spec, name, shape, inputs, file);
  const missing = declared
    .map(({ name }) => name)
    .filter((name) => inputs[name] === undefined && inputs[name === 'x' ? 'codes' : name] === undefined);
  if (missing.length === 0) return;
  throw inputError(
    `${file} has no tensor named ${missing[0]}; it has ${Object.keys(inputs).join(', ') || 'none'}`,
    'missing-tensor',
    file,
    'name the tensors as docs/architecture.md lists them',
  );
}

/** Codes stand beside their scales: without them they would be taken for numbers, and quantized. */
function checkScales(spec: ResolvedSpec, name: string, shape: readonly number[], inputs: Tensors, file: string): void {
  const scheme = (spec as unknown as Readonly<Record<string, Partial<Operand> | undefined>>)[name]?.scheme;
  const wanted = operandNames(name).scales;
  const [given, scales] = [inputs[name], inputs[wanted]];
  if (scheme === undefined) return;
  if (scales === undefined && given?.codes.BYTES_PER_ELEMENT === 1) {
    throw inputError(
      `${name} holds codes (${given.dtype}), and there is no ${wanted}`,
      'missing-tensor',
      file,
      `add ${wanted}, or give ${name} in high precision: BF16, F16 or F32`,
    );
  }
  const [rows, columns] = shape;
  if (scales !== undefined && shape.length === 2)
    requireShape(wanted, scales, scaleShape(tileGrid(rows!, columns!, scheme), scheme));
}
