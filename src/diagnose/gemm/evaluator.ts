import { widen } from '../../kernels/quantize/reference.ts';
import { requireShape } from '../../kernels/tiles.ts';
import { encodeBits, encoder } from '../../numerics/codec.ts';
import { addF32, bitsOf, fromBits } from '../../numerics/f32.ts';
import { formats, type Rounding } from '../../numerics/formats.ts';
import type { GemmSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import type { Convention } from '../convention.ts';
import { parseTile } from '../tile-quantizer.ts';
import { type Block, type Cut, cutOf } from './blocks.ts';
import { combinerOf, rounder } from './combine.ts';
import { OperandReader, type OperandRows } from './operand.ts';
import { multiply, type ProductRule, type Products, summerOf } from './sums.ts';

/** Elements of D by the rows of A and B that they meet. */
interface View {
  readonly id: number;
  /** Rows of A and of B that take part, ascending. */
  readonly rows: Int32Array;
  readonly columns: Int32Array;
  /** For each element, its places in `rows` and `columns`. */
  readonly rowAt: Int32Array;
  readonly columnAt: Int32Array;
}

/** Partial sums kept for the next convention; where there are more, elements are worked through in stretches. */
const keptPartials = 2 ** 20;
const stretch = 128;
/** Products kept for the next convention; where there are more, they are made element by element. */
const keptProducts = 2 ** 18;
const mostAsked = 2 ** 14;
export const keptBytes = 64 * 2 ** 20;

/** A block of one element as it was summed. Numbers are f32. */
export interface Working {
  readonly k: Block;
  readonly partial: number;
  readonly sa: number;
  readonly sb: number;
  /** The running sum after it; each part of a split begins anew. */
  readonly sum: number;
}

/** Axes that decide a block's sum. */
const modelAxes = ['model', 'fraction', 'terms', 'step', 'order', 'align', 'products', 'zeros', 'clear'] as const;

/** Axes that decide how k is cut. */
const cutAxes = ['interval', 'first', 'walk', 'split', 'split.cut', 'drop'] as const;

/** Operands that several products share, and whose scales B takes where they are not its own. */
export interface SharedOperands {
  readonly a: OperandReader;
  readonly b: OperandReader;
  readonly scalesOfB: OperandReader;
  /** Bytes that may be kept. */
  readonly bytes: number;
}

/** Computes elements of D under any convention: operands, products, partial sums and promotions, each kept for the next convention that shares it. */
export class GemmEvaluator {
  readonly spec: GemmSpec;
  readonly a: OperandReader;
  readonly b: OperandReader;
  private readonly scalesOfB: OperandReader;
  private readonly c: Uint32Array | undefined;
  private readonly views = new Map<string, WeakMap<Int32Array, View>>();
  private viewCount = 0;
  private readonly cuts = new Map<string, Cut>();
  private readonly kept = new Map<string, { readonly bytes: number; readonly content: unknown }>();
  private bytes = 0;
  private readonly mostBytes: number;
  /** Products that were asked for before. */
  private readonly asked = new Set<string>();
  /** Products of the element at hand. */
  private readonly scratch: { readonly value: Float64Array; readonly exponent: Int16Array };

  /** @param shared operands in place of those among the inputs */
  constructor(spec: GemmSpec, inputs: Tensors, shared?: SharedOperands) {
    const { m, n, k } = spec.shape;
    this.spec = spec;
    this.scratch = { value: new Float64Array(k), exponent: new Int16Array(k) };
    this.a = shared?.a ?? new OperandReader('a', spec.a, inputs, m, k);
    this.b = shared?.b ?? new OperandReader('b', spec.b, inputs, n, k);
    this.scalesOfB = shared?.scalesOfB ?? this.b;
    this.mostBytes = shared?.bytes ?? keptBytes;
    if (inputs.c !== undefined) {
      requireShape('c', inputs.c, [m, n]);
      this.c = widen(inputs.c);
    }
  }

  get hasC(): boolean {
    return this.c !== undefined;
  }

  /** How k is cut under a convention. */
  cut(convention: Convention): Cut {
    const finest = convention.scales === 'block' ? this.finest(convention) : 0;
    const key = [...cutAxes.map((axis) => convention[axis]), finest].join(' ');
    let cut = this.cuts.get(key);
    if (cut === undefined) {
      cut = cutOf(convention, this.spec.shape.k, finest);
      this.cuts.set(key, cut);
    }
    return cut;
  }

  /** k that share their scales in both operands; 0 where they never change along k. */
  finest(convention: Convention): number {
    const { k } = this.spec.shape;
    const tile = (name: 'a' | 'b'): number => {
      if (convention[`${name}.form`] !== 'quantized') return k;
      const reader = this[name];
      const given = this.spec[name].scheme.tile[1];
      return (reader.grids === undefined ? given : parseTile(convention[`${name}.tile`]!)[1]) || k;
    };
    const finest = Math.min(tile('a'), tile('b'));
    return finest >= k ? 0 : finest;
  }

  /** Codes of D at elements (row-major places, ascending). */
  predict(convention: Convention, elements: Int32Array): Uint32Array {
    const view = this.view(elements, convention['d.transposed'] === 'yes');
    const finish = this.finisher(convention);
    const sums = this.sums(convention, view);
    const codes = new Uint32Array(elements.length);
    for (let i = 0; i < elements.length; i++) codes[i] = finish(sums[i]!, elements[i]!);
    return codes;
  }

  /** One element block by block: its partial sums, the scales that they met, the running sum, and its code in the end. */
  workings(convention: Convention, element: number): { readonly blocks: readonly Working[]; readonly code: number } {
    const view = this.view(Int32Array.of(element), convention['d.transposed'] === 'yes');
    const cut = this.cut(convention);
    const a = this.rowsOf('a', convention, view);
    const b = this.rowsOf('b', convention, view);
    const partials = this.partials(convention, view, cut, a, b, 0, 1);
    const blocks: Working[] = [];
    const sum = combinerOf(
      convention,
      cut,
      partials,
      a,
      b,
    )(0, 0, 0, (block, sa, sb, running) => {
      blocks.push({ k: cut.blocks[block]!, partial: partials[block]!, sa, sb, sum: running });
    });
    return { blocks, code: this.finisher(convention)(sum, element) };
  }

  /** A * B^T in f32 of every element of a view. */
  private sums(convention: Convention, view: View): Float64Array {
    const cut = this.cut(convention);
    const a = this.rowsOf('a', convention, view);
    const b = this.rowsOf('b', convention, view);
    const count = view.rowAt.length;
    const sums = new Float64Array(count);
    const kept = count * cut.blocks.length <= keptPartials;
    const step = kept ? count : stretch;
    for (let from = 0; from < count; from += step) {
      const to = Math.min(from + step, count);
      const make = (): Float64Array => this.partials(convention, view, cut, a, b, from, to);
      const partials = kept ? this.keep(partialsKey(convention, view, cut, this), bytesOf, make) : make();
      const combine = combinerOf(convention, cut, partials, a, b);
      for (let i = from; i < to; i++) sums[i] = combine(i - from, view.rowAt[i]!, view.columnAt[i]!);
    }
    return sums;
  }

  /** Partial sums [elements, blocks] of elements `from` to `to` of a view. */
  private partials(
    convention: Convention,
    view: View,
    { blocks }: Cut,
    a: OperandRows,
    b: OperandRows,
    from: number,
    to: number,
  ): Float64Array {
    const sum = summerOf(convention);
    const { k } = this.spec.shape;
    const all = view.rowAt.length * k <= keptProducts ? this.productsAgain(convention, view, a, b) : undefined;
    const rule = productRule(convention);
    const products = all ?? { ...this.scratch, wide: isWide(convention, a, b), exact: isExact(a, b) };
    const partials = new Float64Array((to - from) * blocks.length);
    const clear = convention.clear === 'each';
    for (let i = from; i < to; i++) {
      const at = all === undefined ? 0 : i * k;
      if (all === undefined) multiply(products, 0, a, b, view.rowAt[i]!, view.columnAt[i]!, rule);
      let running = 0;
      for (let j = 0; j < blocks.length; j++) {
        if (clear) running = 0;
        for (const [start, end] of blocks[j]!) if (end > start) running = sum(products, at + start, at + end, running);
        partials[(i - from) * blocks.length + j] = running;
      }
    }
    return partials;
  }

  /** Products of all the elements of a small view, from the second time on that they are asked for: most operands are looked at once. */
  private productsAgain(convention: Convention, view: View, a: OperandRows, b: OperandRows): Products | undefined {
    const { k } = this.spec.shape;
    const count = view.rowAt.length;
    const rule = productRule(convention);
    const key = `products ${view.id} ${operandsKey(convention, this)} ${rule.zeros}`;
    if (!this.asked.has(key)) {
      if (this.asked.size > mostAsked) this.asked.clear();
      this.asked.add(key);
      return undefined;
    }
    return this.keep(
      key,
      ({ value }) => 10 * value.length,
      () => {
        const made: Products = {
          value: new Float64Array(count * k),
          exponent: new Int16Array(count * k),
          wide: isWide(convention, a, b),
          exact: isExact(a, b),
        };
        for (let i = 0; i < count; i++) multiply(made, i * k, a, b, view.rowAt[i]!, view.columnAt[i]!, rule);
        return made;
      },
    );
  }

  private rowsOf(name: 'a' | 'b', convention: Convention, view: View): OperandRows {
    const reader = this[name];
    const wanted = name === 'a' ? view.rows : view.columns;
    const codes = this.keep(
      `codes ${view.id} ${name} ${reader.codesKey(convention)}`,
      ({ value }) => 10 * value.length,
      () => reader.read(convention, wanted),
    );
    const exchanged = convention[`${name}.scale`] === 'exchanged';
    const other = this[name === 'a' ? 'b' : 'a'];
    const lender = exchanged ? other : name === 'a' ? reader : this.scalesOfB;
    const lent = exchanged ? other.codesKey(convention) : '';
    return this.keep(
      `rows ${view.id} ${name} ${reader.key(convention)} ${lent}`,
      ({ factor }) => 8 * factor.length,
      () => reader.scaled(convention, wanted, codes, lender),
    );
  }

  /** A small store: the oldest makes room. */
  private keep<T>(key: string, size: (content: T) => number, make: () => T): T {
    const found = this.kept.get(key);
    if (found !== undefined) {
      this.kept.delete(key);
      this.kept.set(key, found);
      return found.content as T;
    }
    const content = make();
    const bytes = size(content);
    this.kept.set(key, { bytes, content });
    this.bytes += bytes;
    for (const [oldest, { bytes: freed }] of this.kept) {
      if (this.bytes <= this.mostBytes || oldest === key) break;
      this.kept.delete(oldest);
      this.bytes -= freed;
    }
    return content;
  }

  private view(elements: Int32Array, transposed: boolean): View {
    const kind = String(transposed);
    const known = this.views.get(kind) ?? new WeakMap<Int32Array, View>();
    this.views.set(kind, known);
    let view = known.get(elements);
    if (view === undefined) {
      const { m, n } = this.spec.shape;
      const row = elements.map((i) => (transposed ? i % m : Math.floor(i / n)));
      const column = elements.map((i) => (transposed ? Math.floor(i / m) : i % n));
      const rows = Int32Array.from(new Set(row)).sort();
      const columns = Int32Array.from(new Set(column)).sort();
      const place = (list: Int32Array): Map<number, number> => new Map(Array.from(list, (x, i) => [x, i]));
      const [rowPlace, columnPlace] = [place(rows), place(columns)];
      view = {
        id: this.viewCount++,
        rows,
        columns,
        rowAt: row.map((x) => rowPlace.get(x)!),
        columnAt: column.map((x) => columnPlace.get(x)!),
      };
      known.set(elements, view);
    }
    return view;
  }

  /** C, faults of whole rows, and the output's rounding. */
  private finisher(convention: Convention): (sum: number, element: number) => number {
    const { m, n } = this.spec.shape;
    const format = formats[this.spec.output];
    const encode = outputEncoder(convention, this.spec.output);
    const { c } = this;
    const useC = c !== undefined && convention.c !== 'left-out';
    const rounded = convention.c === 'after-rounding';
    const { blank } = convention;
    return (sum, element) => {
      if (blank === 'all' || (blank === 'last-row' && element >= (m - 1) * n)) return 0;
      if (blank === 'last-column' && element % n === n - 1) return 0;
      if (blank === 'last-edges' && (element >= (m - 1) * n || element % n === n - 1)) return 0;
      if (!useC) return encode(sum);
      const addend = fromBits(c[element]!);
      if (rounded)
        return encodeBits(
          bitsOf(addF32(addend, fromBits(valueBits(encode(sum), format.name)))),
          format,
          'nearest-even',
          'ieee',
        );
      const once = addF32(addend, sum);
      return encode(convention.c === 'twice' ? addF32(addend, once) : once);
    };
  }
}

const valueBits = (code: number, name: string): number => (name === 'bf16' ? (code << 16) >>> 0 : code);

const bytesOf = (array: Float64Array): number => 8 * array.length;

const productRule = ({ product, zeros }: Convention): ProductRule => ({
  rounded: product === 'rounded',
  zeros: zeros === 'in',
});

const isWide = ({ product }: Convention, a: OperandRows, b: OperandRows): boolean =>
  product !== 'rounded' && a.wide && b.wide;

const isExact = (a: OperandRows, b: OperandRows): boolean => a.span + b.span + Math.ceil(Math.log2(a.k)) <= 53;

/** What products depend on: codes, not scales, where the product reads codes. */
const operandsKey = (convention: Convention, { a, b }: GemmEvaluator): string =>
  `${a.codesKey(convention)} | ${b.codesKey(convention)} ${convention.product}`;

/** What partial sums depend on. */
function partialsKey(convention: Convention, view: View, cut: Cut, evaluator: GemmEvaluator): string {
  const model = modelAxes.map((axis) => convention[axis]).join(' ');
  return `partials ${view.id} ${operandsKey(convention, evaluator)} ${model} ${cut.key}`;
}

/** Rounds an f32 (or a double, where sums were kept in one) to the output's code. */
function outputEncoder(convention: Convention, output: GemmSpec['output']): (sum: number) => number {
  const format = formats[output];
  const rule = convention.output!;
  if (rule.startsWith('via-')) {
    const through = rounder(rule.slice(4));
    return (sum) => encodeBits(bitsOf(through(sum)), format, 'nearest-even', 'ieee');
  }
  if (rule === 'cut-13') return (sum) => encodeBits((bitsOf(sum) & 0xfffffc00) >>> 0, format, 'nearest-even', 'ieee');
  if (rule === 'tf32') return (sum) => encodeBits((bitsOf(sum) & 0xffffe000) >>> 0, format, 'nearest-even', 'ieee');
  if (rule === 'saturate') return (sum) => encodeBits(bitsOf(sum), format, 'nearest-even', 'saturate');
  const encode = encoder(format, rule as Exclude<Rounding, 'stochastic'>, 'ieee');
  return (sum) => encode(bitsOf(sum));
}
