import type { Convention } from '../convention.ts';
import { convertedRules } from '../quantizers.ts';
import { parseTile, usualTiles } from '../tile-quantizer.ts';
import { modelAxes, splitAxes } from './axes.ts';
import type { GemmEvaluator } from './evaluator.ts';
import { scalePlaces } from './operand.ts';

export const splitCounts = Array.from({ length: 15 }, (_, i) => String(i + 2));
/** Where a split may cut k, the usual ways first. */
export const splitCuts = [
  'ceil-128',
  'balanced-128',
  'ceil-64',
  'ceil-32',
  'ceil-16',
  'ceil-1',
  'balanced-64',
  'balanced-32',
  'balanced-1',
  'interleaved-128',
  'interleaved-64',
  'interleaved-32',
];
export const drops = [
  'nothing',
  'last-block',
  'first-block',
  'ragged-block',
  'last-step',
  'last-k32',
  'last-k',
  'block-end',
  'block-k32',
  'block-half',
];
export const termCounts = ['2', '4', '8', '16', '32', '64', '128'];

const operandAxes = ['format', 'tile', 'recipe', 'floor', 'amax', 'rounding', 'overflow', 'factor', 'scale', 'decode'];

/**
 * Gives conventions that compute the same on every input of a shape one name: axes without effect go back to the spec's value, and of values that
 * come to the same the spec's or the most usual is taken. What is left to be told apart is then told apart by inputs alone.
 */
export class GemmCanon {
  private readonly evaluator: GemmEvaluator;
  private readonly base: Convention;
  private readonly names = new Map<string, string>();

  constructor(evaluator: GemmEvaluator, base: Convention) {
    this.evaluator = evaluator;
    this.base = base;
  }

  /** The one name of a convention. */
  of(convention: Convention): Convention {
    const made: Record<string, string> = { ...convention };
    this.model(made);
    for (const name of ['a', 'b'] as const) this.operand(made, name);
    this.scaling(made);
    this.cutting(made);
    return made;
  }

  private reset(made: Record<string, string>, axes: readonly string[]): void {
    for (const axis of axes) made[axis] = this.base[axis]!;
  }

  private model(made: Record<string, string>): void {
    if (made.model !== 'aligned')
      this.reset(
        made,
        modelAxes.filter((axis) => axis !== 'model' && axis !== 'order'),
      );
    if (made.model !== 'aligned' && made.model !== 'sequential') made.order = 'linear';
    if (made.model === 'sequential' && made.order === 'p4') made.order = 'linear';
    if (made.output === `via-${this.evaluator.spec.output}`) made.output = 'nearest-even';
  }

  private operand(made: Record<string, string>, name: 'a' | 'b'): void {
    const reader = this.evaluator[name];
    if (made[`${name}.form`] === 'unquantized') {
      this.reset(
        made,
        operandAxes.map((axis) => `${name}.${axis}`),
      );
      if (made[`${name}.memory`] === 'codes-transposed') made[`${name}.memory`] = 'input-transposed';
      return;
    }
    // An instruction takes scales of both operands or of none. Codes that are blown up exactly are the same in f32, but for the exponents by which a tensor core aligns their products.
    const other = made[name === 'a' ? 'b.form' : 'a.form'];
    if (made[`${name}.form`] === 'scaled' && (made.model !== 'aligned' || other !== 'scaled'))
      made[`${name}.form`] = 'f32';
    const converted = convertedRules[made[`${name}.recipe`]!];
    if (converted !== undefined && made[`${name}.scale`] === 'own') {
      made[`${name}.recipe`] = converted.recipe;
      made[`${name}.scale`] = converted.scale;
    }
    if (reader.grids !== undefined) made[`${name}.tile`] = this.tile(name, made[`${name}.tile`]!);
    made[`${name}.scale`] = this.scale(name, made[`${name}.tile`]!, made[`${name}.scale`]!);
  }

  /** Tiles that reach past the matrix are those that end with it. */
  private tile(name: 'a' | 'b', tile: string): string {
    const { rows, k } = this.evaluator[name];
    const extent = (text: string): string => {
      const [down, across] = parseTile(text);
      return `${Math.min(down || rows, rows)} ${Math.min(across || k, k)}`;
    };
    const own = this.base[`${name}.tile`]!;
    return this.name(`tile ${name} ${tile}`, () =>
      [own, ...usualTiles, tile].find((other) => extent(other) === extent(tile)),
    );
  }

  /** Places of scales that are the same ones where there are few. */
  private scale(name: 'a' | 'b', tile: string, scale: string): string {
    if (scalePlaces[scale] === undefined) return scale;
    return this.name(`scale ${name} ${tile} ${scale}`, () => {
      const { down, across } = this.evaluator[name].tilesOf(parseTile(tile));
      const taken = (rule: string): string =>
        Array.from({ length: down * across }, (_, i) => {
          const flat = scalePlaces[rule]!(Math.floor(i / across), i % across, down, across);
          return Math.min(Math.max(flat, 0), down * across - 1);
        }).join();
      const own = taken(scale);
      return Object.keys(scalePlaces).find((other) => taken(other) === own);
    });
  }

  private scaling(made: Record<string, string>): void {
    const scaleless = made['a.form'] !== 'quantized' && made['b.form'] !== 'quantized';
    if (scaleless) {
      made.scales = 'block';
      if (made.combine !== 'f64') this.reset(made, ['combine', 'promote']);
    }
    const finest = this.evaluator.finest(made);
    const interval = Number(made.interval);
    const within = finest === 0 || (interval !== 0 && finest % interval === 0);
    if (['start', 'final'].includes(made.scales!) && within) made.scales = 'block';
  }

  private cutting(made: Record<string, string>): void {
    if (made.split === '1') this.reset(made, splitAxes);
    const whole = (change: Convention = {}): string => this.evaluator.cut({ ...made, ...change }).whole;
    const key = `${made.interval} ${made.first} ${made.walk} ${made.split} ${made['split.cut']} ${made.drop} ${made.scales} ${this.evaluator.finest(made)}`;
    for (const axis of ['first', 'walk'])
      made[axis] = this.name(`${axis} ${key}`, () =>
        [this.base[axis]!, made[axis]!].find((value) => whole({ [axis]: value }) === whole()),
      );
    made.drop = this.name(`drop ${key}`, () => drops.find((drop) => whole({ drop }) === whole()));
    made.interval = this.name(`interval ${key}`, () =>
      [this.base.interval!, made.interval!].find((interval) => whole({ interval }) === whole()),
    );
    if (made.split !== '1') this.split(made, key, whole);
    const { parts, blocks } = this.evaluator.cut(made);
    const longest = parts.reduce((most, { length }) => Math.max(most, length), 0);
    if (longest === 1) this.reset(made, ['promote']);
    if (blocks.length === 1) this.reset(made, ['clear']);
    if (made.scales === 'part' && parts.length === 1) made.scales = 'epilogue';
    if (made.scales === 'epilogue' && blocks.length === 1 && made.carry === 'f32') made.scales = 'block';
    if (made.scales === 'part' && longest === 1 && made.carry === 'f32') made.scales = 'block';
    if (made.model === 'aligned' && made.order === 'linear') {
      const most = blocks.reduce((max, block) => block.reduce((m, [start, end]) => Math.max(m, end - start), max), 0);
      if (Number(made.terms) > most)
        made.terms = [this.base.terms!, ...termCounts].find((count) => Number(count) >= most) ?? made.terms!;
    }
  }

  private split(made: Record<string, string>, key: string, whole: (change?: Convention) => string): void {
    const [cut, split] = this.name(`split ${key}`, () => {
      const own = whole();
      for (const cut of splitCuts)
        for (const split of splitCounts) if (whole({ split, 'split.cut': cut }) === own) return `${cut} ${split}`;
      return `${made['split.cut']} ${made.split}`;
    }).split(' ');
    made['split.cut'] = cut!;
    made.split = split!;
    const { parts } = this.evaluator.cut(made);
    if (parts.length < 2) {
      this.reset(made, splitAxes);
      return;
    }
    if (this.isUnfusedChain(made)) {
      this.reset(made, splitAxes);
      made.promote = 'unfused';
      return;
    }
    if (parts.length === 2 || (parts.length === 3 && made['split.sum'] === 'pairs')) made['split.sum'] = 'ascending';
  }

  /** Parts of one block each, added up in order, are products that are rounded and then summed: no other than an unfused promotion. */
  private isUnfusedChain(made: Convention): boolean {
    const plain = { carry: 'f32', 'split.partials': 'f32', 'split.add': 'f32', 'split.sum': 'ascending' };
    if (
      ['epilogue', 'part'].includes(made.scales!) ||
      !Object.entries(plain).every(([axis, value]) => made[axis] === value)
    )
      return false;
    const { parts, key } = this.evaluator.cut(made);
    return parts.every(({ length }) => length === 1) && this.evaluator.cut({ ...made, split: '1' }).key === key;
  }

  /** A name once found is kept. */
  private name(key: string, find: () => string | undefined): string {
    let name = this.names.get(key);
    if (name === undefined) {
      name = find()!;
      this.names.set(key, name);
    }
    return name;
  }
}
