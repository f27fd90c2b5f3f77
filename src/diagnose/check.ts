import { inputError } from '../errors.ts';
import { kernelOf } from '../kernels/index.ts';
import { scaleShape, tileGrid } from '../kernels/tiles.ts';
import { encodeBits } from '../numerics/codec.ts';
import { NAN_BITS } from '../numerics/f32.ts';
import { type FormatName, formats } from '../numerics/formats.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { laneReader } from '../parity/lanes.ts';
import type { ResolvedSpec } from '../specs/types.ts';
import { dtypeOfFormat, elementCount, type Tensor, type Tensors } from '../tensors/tensor.ts';
import type { ActualQuantized } from './quantize/evaluator.ts';
import { layouts } from './quantize/layouts.ts';

/** The tensor of a name among somebody's results, or a refusal that says what was looked for. */
export function actualTensor(actual: Tensors, name: string): Tensor {
  const tensor = actual[name];
  if (tensor !== undefined) return tensor;
  throw inputError(
    `the actual results have no tensor named ${name}; they have ${Object.keys(actual).join(', ') || 'none'}`,
    'missing-tensor',
    name,
    'save the result under the name that docs/architecture.md gives it',
  );
}

/** Refuses a tensor that is not of the dtype and shape that the spec declares, and one that says nothing. */
export function checkActual(spec: ResolvedSpec, actual: Tensors, name: string): Tensor {
  const tensor = actualTensor(actual, name);
  const declared = kernelOf(spec)
    .results(spec as never)
    .find((result) => result.name === name)!;
  if (tensor.dtype !== declared.dtype) {
    refuse(
      'wrong-dtype',
      name,
      `${name} is ${tensor.dtype}, and the spec's is ${declared.dtype}`,
      `save ${name} as ${declared.dtype}, or change the spec's output`,
    );
  }
  requireExtents(name, tensor, declared.shape);
  checkContent(name, tensor);
  return withOneNan(tensor);
}

/** Every NaN of a wide float as the contract's: other machines give other bits, and those say nothing of a rule. */
function withOneNan(tensor: Tensor): Tensor {
  const { format, value } = laneReader(tensor.dtype);
  if (format === undefined || format.bits < 16) return tensor;
  const nan = encodeBits(NAN_BITS, format, 'nearest-even', 'ieee');
  return { ...tensor, codes: tensor.codes.map((code) => (Number.isNaN(value(code)) ? nan : code)) as Tensor['codes'] };
}

function requireExtents(name: string, tensor: Tensor, shape: readonly number[]): void {
  if (tensor.shape.length === shape.length && tensor.shape.every((extent, i) => extent === shape[i])) return;
  const turned = tensor.shape.length === 2 && tensor.shape[0] === shape[1] && tensor.shape[1] === shape[0];
  const hint = turned ? ': it looks transposed' : '';
  refuse(
    'wrong-shape',
    name,
    `${name} has shape [${tensor.shape.join(', ')}], and the spec's is [${shape.join(', ')}]${hint}`,
    turned ? 'transpose it before it is saved' : 'save the whole result of this spec, or change its shape',
  );
}

/** Results that no rule makes from inputs: nothing but zeros, or nothing but NaN. */
export function checkContent(name: string, tensor: Tensor): void {
  const reader = laneReader(tensor.dtype);
  const { codes } = tensor;
  if (codes.length === 0) refuse('empty', name, `${name} has no elements`, 'save the result of a run');
  if (reader.format === undefined) return;
  if (codes.every((code) => Number.isNaN(reader.value(code)))) {
    refuse(
      'all-nan',
      name,
      `all ${codes.length} elements of ${name} are NaN: no rule can be read from them`,
      'look at the scales that the kernel was given; then diagnose a result that has numbers',
    );
  }
  if (codes.every((code) => reader.value(code) === 0)) {
    refuse(
      'all-zero',
      name,
      `all ${codes.length} elements of ${name} are zero: the kernel wrote nothing, or did not run`,
      "check the launch and the output's address; then diagnose a result that has numbers",
    );
  }
}

function refuse(code: string, where: string, message: string, fix: string): never {
  throw inputError(message, code, where, fix);
}

/**
 * Somebody's codes and scales: takes every dtype and shape that a quantizer of this matrix may write, refuses the rest.
 * @param zeros the matrix is all zeros: so are its codes
 */
export function checkQuantized(
  scheme: Scheme,
  rows: number,
  columns: number,
  actual: Tensors,
  zeros = false,
): ActualQuantized {
  const { codes, format } = codesOf(scheme, rows, columns, actualTensor(actual, 'codes'));
  const scales = actualTensor(actual, 'scales');
  const { scaleType, packed } = scaleTypeOf(scheme, scales);
  checkScaleCount(scheme, rows, columns, scales, packed);
  if (!zeros) checkContent('codes', codes);
  if (!packed && !zeros) checkContent('scales', { ...scales, dtype: dtypeOfFormat[scaleType] });
  const tensorScale = scheme.scale.recipe === 'nvfp4' ? actual.tensor_scale : undefined;
  return {
    codes,
    scales: packed ? scales : { ...scales, dtype: dtypeOfFormat[scaleType] },
    format,
    scaleType,
    packed,
    ...(tensorScale && { tensorScale }),
  };
}

function codesOf(scheme: Scheme, rows: number, columns: number, tensor: Tensor): { codes: Tensor; format: FormatName } {
  const own = formats[scheme.format];
  const raw = tensor.dtype === 'U8' || tensor.dtype === 'I8';
  const expected = `${dtypeOfFormat[scheme.format]} [${rows}, ${columns}]`;
  if (own.bits === 4 && raw && tensor.codes.length * 2 === rows * columns) {
    const codes = Uint8Array.from({ length: rows * columns }, (_, i) => (tensor.codes[i >> 1]! >>> (4 * (i & 1))) & 15);
    return { codes: { dtype: dtypeOfFormat[scheme.format], shape: [rows, columns], codes }, format: scheme.format };
  }
  const format =
    raw && own.bits === 8
      ? scheme.format
      : (Object.keys(formats) as FormatName[]).find((name) => dtypeOfFormat[name] === tensor.dtype);
  if (format === undefined || formats[format].bits !== own.bits || format === 'e8m0') {
    refuse(
      'wrong-dtype',
      'codes',
      `codes are ${tensor.dtype}, expected ${expected}`,
      `save codes as ${dtypeOfFormat[scheme.format]}, or as raw bytes (U8)`,
    );
  }
  if (tensor.codes.length !== rows * columns) {
    refuse(
      'wrong-shape',
      'codes',
      `codes have shape [${tensor.shape.join(', ')}], expected ${expected} or its transpose`,
      'save the codes of the whole matrix',
    );
  }
  return { codes: { ...tensor, dtype: dtypeOfFormat[format] }, format };
}

function scaleTypeOf(scheme: Scheme, scales: Tensor): { scaleType: ActualQuantized['scaleType']; packed: boolean } {
  switch (scales.dtype) {
    case 'F32':
      return { scaleType: 'f32', packed: false };
    case 'F8_E8M0':
      return { scaleType: 'e8m0', packed: false };
    case 'U8':
      return { scaleType: scheme.scale.type === 'e4m3' ? 'e4m3' : 'e8m0', packed: false };
    case 'F8_E4M3':
      return { scaleType: 'e4m3', packed: false };
    case 'I32':
    case 'U32':
      return { scaleType: 'e8m0', packed: true };
    default:
      return refuse(
        'wrong-dtype',
        'scales',
        `scales are ${scales.dtype}, and no quantizer known here stores them so`,
        'save them as F32, F8_E8M0, F8_E4M3, raw bytes (U8), or packed exponents (I32)',
      );
  }
}

/** Tiles whose scale counts are compared with what is there. */
const anyTile = [
  [1, 128],
  [128, 128],
  [128, 1],
  [1, 64],
  [64, 64],
  [64, 1],
  [1, 32],
  [32, 1],
  [32, 32],
  [1, 16],
  [16, 1],
  [16, 16],
  [1, 256],
  [256, 256],
  [1, 0],
  [0, 1],
  [0, 0],
] as const;

function checkScaleCount(scheme: Scheme, rows: number, columns: number, scales: Tensor, packed: boolean): void {
  const tiles = [...anyTile, scheme.tile];
  const possible = tiles.some(([r, c]) => {
    const tileRows = r || rows;
    const counts = { rows, tileRows, down: Math.ceil(rows / tileRows), across: Math.ceil(columns / (c || columns)) };
    return layouts.some(
      (layout) => layout.packed === packed && elementCount(layout.shape(counts)) === scales.codes.length,
    );
  });
  if (possible) return;
  const own = scaleShape(tileGrid(rows, columns, scheme), scheme);
  refuse(
    'wrong-shape',
    'scales',
    `scales have shape [${scales.shape.join(', ')}]; the spec's is [${own.join(', ')}], and no known tile or layout has that many`,
    'save the scales of the whole matrix',
  );
}
