import { widen } from '../../kernels/quantize/reference.ts';
import { isPadding, type SwigluOperands } from '../../kernels/swiglu-quantize/reference.ts';
import { sigmoidBits } from '../../numerics/exp.ts';
import { bitsOf, fromBits, NAN_BITS } from '../../numerics/f32.ts';
import { along, type Convention, type Move, pairs } from '../convention.ts';
import { rounder } from '../gemm/combine.ts';
import type { Origin } from '../quantize/origin.ts';
import { AmaxGrids } from '../tile-quantizer.ts';

/** Axes of act = silu(gate) * up * weight, the spec's value first. */
const axes = {
  halves: ['gate-up', 'up-gate', 'interleaved', 'interleaved-up-gate'],
  function: ['pinned', 'correct', 'divided', 'reciprocal', 'tanh', 'double', 'sigmoid', 'gelu-tanh', 'relu', 'no-up'],
  product: ['silu-first', 'sigmoid-up-first'],
  through: ['f32', 'act-bf16', 'bf16', 'silu-bf16', 'act-f16', 'f16', 'silu-f16'],
  clamp: ['as-said', 'none', 'gate-both', 'up-above', 'after'],
  weights: ['applied', 'left-out', 'to-silu', 'to-gate', 'to-up', 'bf16', 'squared', 'first-row', 'next-row'],
  slots: ['zero', 'computed'],
} as const;

/** Matrices kept for the next convention. */
const keptElements = 2 ** 24;
const mostKept = 24;

const f32 = Math.fround;
const exactly = (x: number): number => x;

/** What stands in silu's place, of f32 values. */
const functions: Readonly<Record<string, (gate: number) => number>> = {
  divided: (g) => f32(g / f32(1 + f32(Math.exp(-g)))),
  tanh: (g) => f32(f32(0.5 * g) * f32(1 + f32(Math.tanh(f32(0.5 * g))))),
  double: (g) => g / (1 + Math.exp(-g)),
  'gelu-tanh': (g) => 0.5 * g * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (g + 0.044715 * g * g * g))),
  relu: (g) => Math.max(g, 0),
};

/** Sigmoids that silu multiplies by. The contract's is `pinned`. */
const sigmoids: Readonly<Record<string, (gate: number) => number>> = {
  correct: (g) => f32(1 / (1 + Math.exp(-g))),
  reciprocal: (g) => f32(1 / f32(1 + f32(Math.exp(-g)))),
};

/** An element of gate and up, which lie at places of x, and its row's weight. */
type Element = (gate: number, up: number, weight: number) => number;

/** The activation of a SwiGLU pass, as kernels compute it: docs/numerics.md, "SwiGLU". */
export class Activation implements Origin {
  readonly rows: number;
  readonly columns: number;
  readonly own: Convention = Object.fromEntries(Object.entries(axes).map(([axis, [first]]) => [axis, first]));
  readonly groups: readonly (readonly Move[])[];
  private readonly operands: SwigluOperands;
  private readonly x: Float32Array;
  private readonly padded: boolean;
  private readonly kept = new Map<string, AmaxGrids>();
  /** The contract's sigmoid of each value of x; NaN where it was not asked for. */
  private readonly sigmoidOfX: Float32Array;

  constructor(operands: SwigluOperands) {
    this.operands = operands;
    this.rows = operands.rows;
    this.columns = operands.inter;
    this.x = new Float32Array(widen(operands.x).slice().buffer);
    this.sigmoidOfX = new Float32Array(this.x.length).fill(Number.NaN);
    this.padded = Array.from({ length: operands.rows }, (_, row) => row).some((row) => isPadding(operands, row));
    const every = (axis: keyof typeof axes): Move[] => along(axis, axes[axis]);
    this.groups = [
      [...every('halves'), ...every('product'), ...every('clamp'), ...every('weights'), ...every('slots')],
      [...every('function'), ...every('through'), ...pairs(every('function').slice(0, 6), every('through').slice(1))],
    ];
  }

  canonical(convention: Convention): Convention {
    const made: Record<string, string> = { ...convention };
    if (this.operands.clamp === 0x7f800000) made.clamp = 'as-said';
    if (this.operands.weights === undefined) made.weights = 'applied';
    if (!this.padded) made.slots = 'zero';
    const multiplies = made.function === 'pinned' || sigmoids[made.function!] !== undefined;
    if (!multiplies || made.through !== 'f32') made.product = 'silu-first';
    return made;
  }

  grids(convention: Convention): AmaxGrids {
    const key = Object.keys(axes)
      .map((axis) => convention[axis])
      .join(' ');
    let grids = this.kept.get(key);
    if (grids === undefined) {
      grids = new AmaxGrids(this.values(convention), this.rows, this.columns);
      const most = Math.max(Math.min(Math.floor(keptElements / grids.bits.length), mostKept), 2);
      if (this.kept.size >= most) this.kept.delete(this.kept.keys().next().value!);
      this.kept.set(key, grids);
    }
    return grids;
  }

  /** f32 bits [rows, columns]. */
  private values(convention: Convention): Uint32Array {
    const { rows, columns } = this;
    const act = new Float32Array(rows * columns);
    const place = placesOf(convention.halves!, columns);
    const one = this.elementOf(convention);
    for (let row = 0; row < rows; row++) {
      if (convention.slots === 'zero' && isPadding(this.operands, row)) continue;
      const weight = this.weightOf(convention.weights!, row);
      const start = 2 * row * columns;
      for (let column = 0; column < columns; column++) {
        const [gate, up] = place(column);
        act[row * columns + column] = one(start + gate, start + up, weight);
      }
    }
    const bits = new Uint32Array(act.buffer);
    for (let i = 0; i < bits.length; i++) if ((bits[i]! & 0x7fffffff) > 0x7f800000) bits[i] = NAN_BITS;
    return bits;
  }

  private weightOf(rule: string, row: number): number {
    const { weights, rows } = this.operands;
    if (weights === undefined || rule === 'left-out') return 1;
    const from = rule === 'first-row' ? 0 : rule === 'next-row' ? Math.min(row + 1, rows - 1) : row;
    const weight = fromBits(weights[from]!);
    if (rule === 'squared') return f32(weight * weight);
    return rule === 'bf16' ? rounder('bf16')(weight) : weight;
  }

  private elementOf({ function: name, product, through, clamp, weights: rule }: Convention): Element {
    const { x } = this;
    const said = fromBits(this.operands.clamp);
    const limit = clamp === 'none' || clamp === 'after' ? Number.POSITIVE_INFINITY : said;
    const below = Number.NEGATIVE_INFINITY;
    const weighs = this.operands.weights !== undefined && !['to-silu', 'to-gate', 'to-up'].includes(rule!);
    const round = roundings(through!, name === 'double', weighs);
    const sigmoid = sigmoids[name!];
    const silu = functions[name!];
    return (gate, up, weight) => {
      let g = cut(x[gate]!, clamp === 'gate-both' ? -limit : below, limit);
      let u = name === 'no-up' ? 1 : cut(x[up]!, clamp === 'up-above' ? below : -limit, limit);
      if (rule === 'to-gate') g = f32(g * weight);
      if (rule === 'to-up') u = f32(u * weight);
      const s = silu === undefined ? (sigmoid?.(g) ?? this.pinned(g, gate)) : silu(g);
      let act: number;
      if (product === 'sigmoid-up-first') act = f32(g * f32(s * u));
      else {
        let first = round.silu(silu === undefined && name !== 'sigmoid' ? g * s : s);
        if (rule === 'to-silu') first = round.silu(first * weight);
        act = round.product(first * u);
      }
      if (clamp === 'after') act = cut(act, -said, said);
      return weighs ? round.weighted(act * weight) : act;
    };
  }

  /** The contract's sigmoid of a gate, which lies at a place of x unless something changed it. */
  private pinned(gate: number, place: number): number {
    if (gate !== this.x[place]) return fromBits(sigmoidBits(bitsOf(gate)));
    const known = this.sigmoidOfX[place]!;
    if (!Number.isNaN(known)) return known;
    const made = fromBits(sigmoidBits(bitsOf(gate)));
    this.sigmoidOfX[place] = made;
    return made;
  }
}

type Rounding = (x: number) => number;

/** How each operation is rounded: `bf16`: each to bf16; `silu-bf16`: silu alone; `act-bf16`: the last one. */
function roundings(
  through: string,
  double: boolean,
  weighs: boolean,
): { readonly silu: Rounding; readonly product: Rounding; readonly weighted: Rounding } {
  const wide = double ? exactly : f32;
  if (through === 'f32') return { silu: wide, product: wide, weighted: f32 };
  const to = rounder(through.replace(/^(act|silu)-/, ''));
  const narrow: Rounding = double ? to : (x) => to(f32(x));
  if (through.startsWith('silu-')) return { silu: narrow, product: wide, weighted: f32 };
  if (through.startsWith('act-')) return { silu: wide, product: weighs ? wide : narrow, weighted: narrow };
  return { silu: narrow, product: narrow, weighted: narrow };
}

/** Columns of gate and up within a row of x. */
function placesOf(halves: string, inter: number): (column: number) => readonly [gate: number, up: number] {
  if (halves === 'up-gate') return (column) => [inter + column, column];
  if (halves === 'interleaved') return (column) => [2 * column, 2 * column + 1];
  if (halves === 'interleaved-up-gate') return (column) => [2 * column + 1, 2 * column];
  return (column) => [column, inter + column];
}

/** NaN stays. */
const cut = (x: number, from: number, to: number): number => Math.min(Math.max(x, from), to);
