import './tensor-core.css';
import { operandTable } from '../../../numerics/tensor-core.ts';
import { formatValue } from '../../../parity/lanes.ts';
import type { PageContext, PageModule, PageView } from '../../page.ts';
import { bytes, integer, oneOf } from '../../state.ts';
import { controls, facts, panel, sentence, table } from '../../ui/blocks.ts';
import { nodeCommand } from '../../ui/command.ts';
import { choice, numberField, segmented, slider } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import { exportPlace } from '../../ui/export.ts';
import { pageHash, pageLink } from '../../ui/links.ts';
import { alignmentLegend, alignmentPicture } from './alignment.ts';
import { curvePanel } from './curve-panel.ts';
import {
  alignmentOf,
  type ComparedModel,
  codeOf,
  comparedModels,
  type ModelSum,
  type Operands,
  operandsOf,
  type Pair,
  stepsOf,
  sumsOf,
  terms,
} from './model.ts';

interface State {
  readonly operands: Operands;
  readonly seed: number;
  /** Codes of a, then of b, where the operands are the reader's own. */
  readonly codes: Uint8Array;
  readonly model: ComparedModel;
  readonly step: number;
  readonly k: number;
  readonly promote: number;
  readonly values: 'normal' | 'positive';
  /** What the link leads to. */
  readonly at: 'bits' | 'curve';
}

const intervals = [32, 64, 128, 256, 512, 1024] as const;

const pairOf = ({ operands, seed, codes }: State): Pair =>
  operands === 'custom' ? { a: codes.subarray(0, terms), b: codes.subarray(terms) } : operandsOf(operands, seed);

const alignedModels = (Object.keys(comparedModels) as ComparedModel[]).filter(
  (name) => !['exact', 'f32-sequential'].includes(name),
);

function mount(root: HTMLElement, context: PageContext<State>): PageView<State> {
  let state = context.state;
  const operands = choice({
    label: 'Products',
    choices: [
      ['spread', 'large to small'],
      ['normal', 'random'],
      ['one-large', 'one large among small'],
      ['cancel', 'pairs that cancel'],
      ['custom', 'my own'],
    ] as const,
    onChange: (value) => context.set(value === 'custom' ? own(pairOf(state)) : { operands: value }),
  });
  const seed = slider({ label: 'Seed', min: 0, max: 63, onChange: (value) => context.set({ seed: value }) });
  const model = choice({
    label: 'Tensor core',
    choices: alignedModels.map((name) => [name, comparedModels[name]] as const),
    onChange: (value) => context.set({ model: value, step: 0 }),
  });
  const step = segmented({
    label: 'Fused step',
    choices: [
      ['0', 'k 0–15'],
      ['1', 'k 16–31'],
    ] as const,
    onChange: (value) => context.set({ step: Number(value) }),
  });
  const a = numberField({ label: 'a', format: formatValue, onChange: (value) => edit('a', value) });
  const b = numberField({ label: 'b', format: formatValue, onChange: (value) => edit('b', value) });
  const term = slider({
    label: 'Term',
    min: 0,
    max: terms - 1,
    text: (value) => `k = ${value}`,
    onChange: (value) => context.set({ k: value }),
  });
  const picture = h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Aligned bits' });
  const outcome = h('div', { id: 'outcome', class: 'stack' });
  const models = h('div', { id: 'models' });
  const termLinks = h('p', { class: 'row small' });
  const exports = exportPlace(context.link);
  const curve = curvePanel(context, intervals, (change) => context.set(change));
  const own = (pair: Pair): Partial<State> => ({ operands: 'custom', codes: Uint8Array.of(...pair.a, ...pair.b) });
  const edit = (side: 'a' | 'b', value: number) => {
    const { a: left, b: right } = pairOf(state);
    const pair = { a: left.slice(), b: right.slice() };
    pair[side][state.k] = codeOf(value);
    context.set(own(pair));
  };
  root.append(
    controls(operands.element, seed.element, model.element, step.element),
    panel(
      '32 products, aligned',
      alignmentLegend(),
      picture,
      outcome,
      controls(term.element, a.element, b.element),
      termLinks,
    ),
    panel('The same sum elsewhere', models, exports.element),
    curve.element,
  );

  let sums: readonly ModelSum[] = [];
  let summed = '';
  let changed = false;
  /** The sums of a pair, and what is told of them: a change of the chosen term alone leaves them. */
  const showSums = (pair: Pair) => {
    const key = `${pair.a} ${pair.b} ${state.model}`;
    if (key === summed) return;
    summed = key;
    sums = sumsOf(pair);
    const shown = sums.find(({ name }) => name === state.model)!;
    fill(
      outcome,
      outcomeFacts(shown),
      h('p', { class: 'small quiet' }, sentence(`After the alignment: ${shown.steps.at(-1)!.note ?? 'exact'}`)),
    );
    fill(models, modelTable(sums, state.model));
    changed = true;
  };

  const update = (next: State) => {
    const arrived = next.at !== state.at || next === context.state;
    state = next;
    const pair = pairOf(state);
    showSums(pair);
    operands.show(state.operands);
    seed.show(state.seed);
    seed.element.hidden = state.operands === 'custom';
    model.show(state.model);
    step.element.hidden = stepsOf(state.model) === 1;
    const steps = stepsOf(state.model);
    const at = Math.min(state.step, steps - 1);
    step.show(at === 0 ? '0' : '1');
    term.show(state.k);
    const { value } = operandTable('e4m3');
    a.show(value[pair.a[state.k]!]!);
    b.show(value[pair.b[state.k]!]!);
    fill(
      termLinks,
      (['a', 'b'] as const).map((side) => pageLink(`${side}, bit by bit`, 'formats', { code: pair[side][state.k]! })),
    );
    const shown = sums.find(({ name }) => name === state.model)!;
    const alignment = alignmentOf(shown.steps[at]!, pair);
    const svg = alignment && alignmentPicture(alignment, state.k, (k) => context.set({ k }));
    fill(picture, svg ?? h('p', { class: 'quiet' }, shown.steps[at]!.note ?? 'Nothing to align.'));
    if (changed) exports.show(exportOf(pair, sums, () => picture.querySelector('svg')));
    changed = false;
    curve.update(state.promote, state.values);
    if (state.at === 'curve' && arrived) requestAnimationFrame(() => curve.element.scrollIntoView({ block: 'start' }));
  };
  return { update };
}

/** A relative error in words: of an exact sum that is zero or no number there is none. */
const offText = (relative: number, digits: number): string =>
  relative === 0 ? '0' : Number.isFinite(relative) ? `${(100 * relative).toPrecision(digits)} %` : '–';

function outcomeFacts(sum: ModelSum): HTMLElement {
  return facts([
    ['Sum', h('span', { id: 'model-sum' }, formatValue(sum.value))],
    ['Its bits', h('span', { class: 'mono' }, sum.hex)],
    ['Off the exact sum', offText(sum.relative, 3)],
    ['Terms that lost bits', `${sum.cut} of ${terms}`],
  ]);
}

function modelTable(sums: readonly ModelSum[], chosen: ComparedModel): HTMLElement {
  return table(
    'One dot product by every model',
    [
      { head: 'model', text: true },
      { head: 'sum' },
      { head: 'bits of the sum' },
      { head: 'off by' },
      { head: 'ULP of f32' },
      { head: 'terms cut' },
    ],
    sums.map(({ name, text, value, hex, relative, ulps, cut }) => [
      name === chosen ? h('strong', {}, text, ' ◂') : text,
      formatValue(value),
      h('span', { class: 'mono' }, hex),
      offText(relative, 2),
      ulps === undefined ? '–' : Math.abs(ulps).toLocaleString('en'),
      cut,
    ]),
  );
}

function exportOf(pair: Pair, sums: readonly ModelSum[], picture: () => SVGSVGElement | null) {
  const values = (codes: Uint8Array) => `Uint8Array.of(${codes.join(', ')})`;
  return {
    name: 'fp8lab-tensor-core',
    command: nodeCommand(
      `import { blockSum, modelPreset } from "fp8lab"; const v = (codes) => ({ codes, offset: 0 }); for (const model of ${JSON.stringify(sums.map(({ name }) => name))}) console.log(model, blockSum(modelPreset(model), "e4m3", "e4m3")(v(${values(pair.a)}), v(${values(pair.b)}), 32))`,
    ),
    json: () => ({
      format: 'e4m3',
      a: Array.from(pair.a),
      b: Array.from(pair.b),
      sums: sums.map(({ name, value, hex, relative, ulps, cut }) => ({
        model: name,
        value,
        bits: hex,
        relative,
        ulps: ulps ?? null,
        termsCut: cut,
      })),
    }),
    csv: () => [
      ['model', 'sum', 'bits', 'relative error', 'ulps', 'terms cut'],
      ...sums.map((sum) => [sum.name, sum.value, sum.hex, sum.relative, sum.ulps ?? '', sum.cut]),
    ],
    picture,
  };
}

/** Tensor core: one dot product, bit by bit. */
export const page: PageModule<State> = {
  intro: {
    title: 'Tensor core',
    source: 'DeepSeek-V3 report, section 3.3.2, increasing accumulation precision; arXiv 2511.10909, 2512.07004',
    sees: 'One dot product as a tensor core adds it up: products lined up by exponent, the bits that are cut off, and the sum that comes out.',
    matters:
      'Hopper keeps 13 bits below the largest term, so a long sum loses what training needs unless it is moved to full precision in time.',
    next: [
      { text: 'A whole product of matrices, held against an H100', hash: pageHash('parity') },
      { text: 'The study of the promotion interval', hash: pageHash('studies', { study: 'promotion' }) },
      { text: 'The numbers that go in', hash: pageHash('formats') },
    ],
  },
  fields: {
    operands: oneOf(['spread', 'normal', 'one-large', 'cancel', 'custom'], 'spread'),
    seed: integer(0, 63, 1),
    codes: bytes(2 * terms, new Uint8Array(2 * terms).fill(0x38)),
    model: oneOf(alignedModels, 'hopper-wgmma-fp8'),
    step: integer(0, 1, 0),
    k: integer(0, terms - 1, 5),
    promote: integer(32, 1024, 128),
    values: oneOf(['normal', 'positive'], 'normal'),
    at: oneOf(['bits', 'curve'], 'bits'),
  },
  mount,
};
