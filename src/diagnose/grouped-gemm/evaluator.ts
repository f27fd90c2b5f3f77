import { quantizedOperand } from '../../kernels/dequantize/reference.ts';
import { cutColumns, layerInputs, rowMajor, sliceColumns, zeroOutside } from '../../kernels/grouped-gemm/operands.ts';
import { operandNames } from '../../kernels/inputs.ts';
import { widen } from '../../kernels/quantize/reference.ts';
import { addBits } from '../../numerics/f32.ts';
import type { GemmSpec, GroupedGemmSpec, Operand } from '../../specs/types.ts';
import type { Codes, Tensor, Tensors } from '../../tensors/tensor.ts';
import type { Convention } from '../convention.ts';
import { GemmEvaluator, keptBytes } from '../gemm/evaluator.ts';
import { OperandReader } from '../gemm/operand.ts';
import type { Groups, Member } from './groups.ts';

/** Elements that one product makes. */
interface Share {
  /** Absent for rows of no group. */
  readonly member?: Member;
  /** Row of D that the first row of A's matrix makes. */
  readonly base: number;
  /** Group that a kernel may take rows of no group for. */
  readonly before: number;
  /** Places among the elements asked for. */
  readonly at: number[];
  /** Elements of the product, ascending. */
  readonly local: Int32Array;
}

/** Computes elements of a grouped gemm's D under any convention: each group is a product of its own, which may meet the wrong rows, another's B or its scales. */
export class GroupedEvaluator {
  private readonly groups: Groups;
  private readonly spec: GroupedGemmSpec;
  private readonly inputs: Tensors;
  private readonly actual: Codes;
  private readonly c: Uint32Array | undefined;
  private readonly products = new Map<string, GemmEvaluator>();
  private readonly readers = new Map<string, OperandReader>();
  private readonly shares = new WeakMap<Int32Array, Map<string, readonly Share[]>>();

  constructor(groups: Groups, inputs: Tensors, actual: Codes) {
    this.groups = groups;
    this.spec = groups.spec;
    this.inputs = inputs;
    this.actual = actual;
    this.c = inputs.c === undefined ? undefined : widen(inputs.c);
  }

  /** The product of a group under its own rule. */
  productOf({ group, base }: Member): GemmEvaluator {
    return this.product(base, group, group, true);
  }

  /** Codes of D at elements (row-major places, ascending). */
  predict(convention: Convention, elements: Int32Array): Uint32Array {
    const codes = new Uint32Array(elements.length);
    for (const share of this.sharesOf(elements, convention['group.rows'] === 'unaligned')) {
      const made = this.codesOf(convention, share, elements);
      for (let i = 0; i < made.length; i++) codes[share.at[i]!] = made[i]!;
    }
    return codes;
  }

  /** The product that makes an element, and its place there; undefined for rows of no group. */
  at(convention: Convention, element: number): { readonly product: GemmEvaluator; readonly local: number } | undefined {
    const [share] = this.sharesOf(Int32Array.of(element), convention['group.rows'] === 'unaligned');
    if (share?.member === undefined) return undefined;
    return { product: this.productUnder(convention, share.member), local: share.local[0]! };
  }

  private productUnder(convention: Convention, member: Member): GemmEvaluator {
    const b = this.groups.groupOf(convention['group.b']!, member);
    const rule = convention['group.scales']!;
    const scales = rule === 'own' ? b : this.groups.groupOf(rule, member);
    // What is read past a group is whatever lies there.
    return this.product(member.base, b, scales, convention['group.rows'] !== 'unaligned');
  }

  private codesOf(convention: Convention, share: Share, elements: Int32Array): ArrayLike<number> {
    const { member, local, at } = share;
    if (member === undefined) return this.paddingCodes(convention, share, elements);
    const codes = this.productUnder(convention, member).predict(convention, local);
    const { n } = this.spec.shape;
    const [from, to] = this.groups.made(convention['group.rows']!, member);
    return codes.map((code, i) => {
      const row = Math.floor(elements[at[i]!]! / n) - member.start;
      return row >= from && row < to ? code : 0;
    });
  }

  private paddingCodes(
    convention: Convention,
    { base, before, at, local }: Share,
    elements: Int32Array,
  ): ArrayLike<number> {
    const { padding } = convention;
    const group = padding === 'before' ? before : padding === 'first' ? 0 : -1;
    if (group >= 0 && this.spec.layout !== 'k-grouped')
      return this.product(base, group, group, false).predict(convention, local);
    const withC = this.spec.layout === 'k-grouped' && convention.c !== 'left-out' ? this.c : undefined;
    return at.map((i) => {
      const element = elements[i]!;
      if (padding === 'unwritten') return this.actual[element]!;
      if (withC === undefined) return 0;
      const once = addBits(withC[element]!, 0);
      return convention.c === 'twice' ? addBits(withC[element]!, once) : once;
    });
  }

  private sharesOf(elements: Int32Array, unaligned: boolean): readonly Share[] {
    const kinds = this.shares.get(elements) ?? new Map<string, readonly Share[]>();
    this.shares.set(elements, kinds);
    let shares = kinds.get(String(unaligned));
    if (shares === undefined) {
      shares = this.share(elements, unaligned);
      kinds.set(String(unaligned), shares);
    }
    return shares;
  }

  private share(elements: Int32Array, unaligned: boolean): Share[] {
    const { groups } = this;
    const { m, n } = this.spec.shape;
    const stacked = this.spec.layout === 'masked' || this.spec.layout === 'k-grouped';
    const found = new Map<string, Omit<Share, 'local'> & { readonly places: number[] }>();
    elements.forEach((element, at) => {
      const row = Math.floor(element / n);
      const member = groups.members[groups.owner[row]!];
      const base = stacked ? row - (row % m) : 0;
      const before = member === undefined ? groups.groupBefore(row) : -1;
      const key = member === undefined ? `none ${base} ${before}` : String(member.place);
      const share = found.get(key) ?? { ...(member && { member }), base, before, at: [], places: [] };
      found.set(key, share);
      const moved = unaligned && member !== undefined ? member.former - (member.start - base) : 0;
      share.at.push(at);
      share.places.push((row - base + moved) * n + (element % n));
    });
    return [...found.values()].map(({ places, ...share }) => ({ ...share, local: Int32Array.from(places) }));
  }

  /** The product of a matrix A, by its first row of D, with the B of one group and the scales of another; `alone`: with zeros in rows of no group. */
  private product(base: number, b: number, scales: number, alone: boolean): GemmEvaluator {
    const key = `${base} ${b} ${scales} ${alone}`;
    let product = this.products.get(key);
    if (product === undefined) {
      const { layout, name, a, b: operandB, arithmetic, output, shape } = this.spec;
      const { m, n } = shape;
      const k = layout === 'k-grouped' ? this.memberAt(base).range.count : shape.k;
      const about = { fp8lab: 1, kernel: 'gemm', name, description: '', large: false } as const;
      const spec: GemmSpec = { ...about, shape: { m, n, k }, a, b: operandB, arithmetic, output };
      product = new GemmEvaluator(spec, this.rowsOfC(base), {
        a: this.reader(`a ${base} ${alone}`, () => this.readA(base, k, alone)),
        b: this.reader(`b ${b}`, () => this.readB(b, k)),
        scalesOfB: this.reader(`b ${scales}`, () => this.readB(scales, k)),
        bytes: keptBytes / Math.min(this.groups.members.length + 1, 16),
      });
      this.products.set(key, product);
    }
    return product;
  }

  /** The first group of a matrix A. */
  private memberAt(base: number): Member {
    return this.groups.members.find((member) => member.base === base) as Member;
  }

  private rowsOfC(base: number): Tensors {
    const { c } = this.inputs;
    if (c === undefined) return {};
    const { m, n } = this.spec.shape;
    return { c: { dtype: c.dtype, shape: [m, n], codes: c.codes.subarray(base * n, (base + m) * n) } };
  }

  private reader(key: string, make: () => OperandReader): OperandReader {
    const reader = this.readers.get(key) ?? make();
    this.readers.set(key, reader);
    return reader;
  }

  private readA(base: number, depth: number, alone: boolean): OperandReader {
    const { layout, a, shape } = this.spec;
    const { groups, m, k } = shape;
    if (layout === 'k-grouped') return this.readAlongK('a', a, m, this.memberAt(base));
    const inside = this.groups.members.filter((member) => layout !== 'masked' || member.base === base);
    const inputs = layout === 'masked' ? layerInputs('a', a, this.inputs, base / m, [groups, m, k]) : this.inputs;
    const rows = inside.map(({ group, start, count }) => ({ group, start: layout === 'masked' ? 0 : start, count }));
    const zeroed = alone && inputs.a !== undefined ? { ...inputs, a: zeroOutside(inputs.a, rows, 'rows') } : inputs;
    return new OperandReader('a', a, zeroed, m, depth);
  }

  private readB(group: number, depth: number): OperandReader {
    const { layout, b, shape } = this.spec;
    const { groups, n, k } = shape;
    if (layout === 'k-grouped') return this.readAlongK('b', b, n, this.memberAt(group * shape.m));
    return new OperandReader('b', b, layerInputs('b', b, this.inputs, group, [groups, n, k]), n, depth);
  }

  /** The k of one group: quantized alone, or cut out of codes and of what is quantized as a whole. */
  private readAlongK(name: 'a' | 'b', operand: Operand, rows: number, { range }: Member): OperandReader {
    const { k } = this.spec.shape;
    const { inputs } = this;
    const names = operandNames(name);
    const { scheme } = operand;
    const x = inputs[name] as Tensor;
    const given = operand.codes !== undefined || inputs[names.scales] !== undefined;
    if (!given && scheme.tile[1] !== 0 && scheme.scale.recipe !== 'nvfp4')
      return new OperandReader(name, operand, { [name]: cutColumns(x, range.start, range.count) }, rows, range.count);
    const ranges = this.groups.members.map((member) => member.range);
    const whole = given ? inputs : { ...inputs, [name]: zeroOutside(x, ranges, 'columns') };
    const { codes, scales, tensorScale } = sliceColumns(quantizedOperand(name, operand, whole, rows, k), scheme, range);
    const cut = { [name]: codes, [names.scales]: scales, ...(tensorScale && { [names.tensorScale]: tensorScale }) };
    return new OperandReader(name, { scheme: rowMajor(scheme) }, cut, rows, range.count);
  }
}
