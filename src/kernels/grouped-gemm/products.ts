import type { Scheme } from '../../numerics/scheme.ts';
import type { GroupedGemmSpec, Operand } from '../../specs/types.ts';
import { allocateCodes, dtypeOfFormat, elementCount, type Tensor, type Tensors } from '../../tensors/tensor.ts';
import type { ProductSpec } from '../gemm/reference.ts';
import { operandNames } from '../inputs.ts';
import type { Quantized } from '../quantize/reference.ts';
import { requireShape, requireTensor } from '../tiles.ts';
import { type GroupRange, groupRanges } from './layout.ts';
import { layerInputs, rowMajor, sliceColumns, sliceRows, zeroOperand, zeroOutside, zeroScheme } from './operands.ts';

/** A matrix [rows, columns] that is quantized as one: the arguments of `quantizedOperand` and `operandOnHost`. */
export interface OperandSource {
  readonly name: 'a' | 'b';
  readonly operand: Operand;
  readonly inputs: Tensors;
  readonly rows: number;
  readonly columns: number;
}

/** A group's operand: cut out of a matrix that is quantized first, or there as it is. */
export type GroupPart = { readonly source: OperandSource; cut(quantized: Quantized): Quantized } | Quantized;

/** A product of one group: what is multiplied, and where the result goes. */
export interface GroupProduct {
  readonly range: GroupRange;
  /** The product of the parts; the operands' schemes are those of the parts. */
  readonly spec: ProductSpec;
  readonly a: GroupPart;
  readonly b: GroupPart;
  /** C of the group. */
  readonly c: Tensor | undefined;
  /** First row of the group's D among all rows of D. */
  readonly firstRow: number;
}

/** Remembers what the last source of each operand gave: groups that follow each other may share a matrix. */
export function remembered<T>(make: (source: OperandSource) => T): (source: OperandSource) => T {
  const last = new Map<'a' | 'b', { readonly source: OperandSource; readonly made: T }>();
  return (source) => {
    const known = last.get(source.name);
    if (known?.source === source) return known.made;
    const made = make(source);
    last.set(source.name, { source, made });
    return made;
  };
}

/** Shape of C and D. */
export function groupedResultShape({ layout, shape }: GroupedGemmSpec): readonly number[] {
  const { groups, m, n } = shape;
  return layout === 'masked' || layout === 'k-grouped' ? [groups, m, n] : [m, n];
}

/** The products of all groups, ascending. Refuses inputs of wrong shapes and layouts that mean nothing. */
export function groupProducts(spec: GroupedGemmSpec, inputs: Tensors): readonly GroupProduct[] {
  const ranges = groupRanges(spec, requireTensor(inputs, 'group_layout'));
  if (inputs.c !== undefined) requireShape('c', inputs.c, groupedResultShape(spec));
  return spec.layout === 'k-grouped' ? productsOfK(spec, inputs, ranges) : productsOfRows(spec, inputs, ranges);
}

/** D of all groups from their products; rows that belong to none are +0. */
export class GroupedResult {
  readonly tensor: Tensor;

  constructor(spec: GroupedGemmSpec) {
    const dtype = dtypeOfFormat[spec.output];
    const shape = groupedResultShape(spec);
    this.tensor = { dtype, shape, codes: allocateCodes(dtype, elementCount(shape)) };
  }

  /** Puts a group's D in its place. */
  place({ firstRow, spec }: GroupProduct, d: Tensor): void {
    this.tensor.codes.set(d.codes, firstRow * spec.shape.n);
  }
}

/** Rows of A by group, a matrix B for each. */
function productsOfRows(spec: GroupedGemmSpec, inputs: Tensors, ranges: readonly GroupRange[]): GroupProduct[] {
  const { groups, m, n, k } = spec.shape;
  const whole: OperandSource = {
    name: 'a',
    operand: spec.a,
    inputs: withZeros('a', spec.a, inputs, [m, k], ranges, 'rows'),
    rows: m,
    columns: k,
  };
  return ranges.map((range) => {
    const b = layer('b', spec.b, inputs, range.group, [groups, n, k]);
    const rows = { ...range, start: spec.layout === 'masked' ? 0 : range.start };
    const source = spec.layout === 'masked' ? maskedLayer(spec, inputs, rows) : whole;
    return {
      range,
      spec: productSpec(spec, { m: range.count, n, k }, rowMajor(spec.a.scheme), spec.b.scheme),
      a: { source, cut: (quantized) => sliceRows(quantized, spec.a.scheme, rows) },
      b: { source: b, cut: (quantized) => quantized },
      c: rowsOf(inputs.c, range.start, range.count, n),
      firstRow: range.start,
    };
  });
}

/** Columns of A and B by group. */
function productsOfK(spec: GroupedGemmSpec, inputs: Tensors, ranges: readonly GroupRange[]): GroupProduct[] {
  const { m, n, k } = spec.shape;
  const source = (name: 'a' | 'b', rows: number): OperandSource => {
    const operand = spec[name];
    return { name, operand, inputs: withZeros(name, operand, inputs, [rows, k], ranges, 'columns'), rows, columns: k };
  };
  const [a, b] = [source('a', m), source('b', n)];
  return ranges.map((range) => {
    const place = { range, c: rowsOf(inputs.c, range.group * m, m, n), firstRow: range.group * m };
    if (range.count === 0) {
      const empty = productSpec(spec, { m, n, k: 1 }, zeroScheme(spec.a.scheme), zeroScheme(spec.b.scheme));
      return { ...place, spec: empty, a: zeroOperand(m, spec.a.scheme), b: zeroOperand(n, spec.b.scheme) };
    }
    return {
      ...place,
      spec: productSpec(spec, { m, n, k: range.count }, rowMajor(spec.a.scheme), rowMajor(spec.b.scheme)),
      a: { source: a, cut: (quantized) => sliceColumns(quantized, spec.a.scheme, range) },
      b: { source: b, cut: (quantized) => sliceColumns(quantized, spec.b.scheme, range) },
    };
  });
}

function productSpec(spec: GroupedGemmSpec, shape: ProductSpec['shape'], a: Scheme, b: Scheme): ProductSpec {
  return { shape, a: { scheme: a }, b: { scheme: b }, arithmetic: spec.arithmetic, output: spec.output };
}

function layer(
  name: 'a' | 'b',
  operand: Operand,
  inputs: Tensors,
  group: number,
  shape: readonly [number, number, number],
): OperandSource {
  const [, rows, columns] = shape;
  return { name, operand, inputs: layerInputs(name, operand, inputs, group, shape), rows, columns };
}

/** The matrix A of a masked group, zeros past its rows. */
function maskedLayer(spec: GroupedGemmSpec, inputs: Tensors, rows: GroupRange): OperandSource {
  const { groups, m, k } = spec.shape;
  const source = layer('a', spec.a, inputs, rows.group, [groups, m, k]);
  return { ...source, inputs: withZeros('a', spec.a, source.inputs, [m, k], [rows], 'rows') };
}

/** Inputs whose high-precision operand has zeros where no group is; codes are not read there. */
function withZeros(
  name: 'a' | 'b',
  operand: Operand,
  inputs: Tensors,
  shape: readonly [number, number],
  ranges: readonly GroupRange[],
  axis: 'rows' | 'columns',
): Tensors {
  const names = operandNames(name);
  const x = inputs[name];
  if (x === undefined || operand.codes !== undefined || inputs[names.scales] !== undefined) return inputs;
  if (x.shape.length !== 2 || x.shape[0] !== shape[0] || x.shape[1] !== shape[1]) return inputs;
  return { ...inputs, [name]: zeroOutside(x, ranges, axis) };
}

function rowsOf(c: Tensor | undefined, start: number, count: number, n: number): Tensor | undefined {
  if (c === undefined) return undefined;
  return { dtype: c.dtype, shape: [count, n], codes: c.codes.subarray(start * n, (start + count) * n) };
}
