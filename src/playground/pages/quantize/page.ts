import './quantize.css';
import { formatValue } from '../../../parity/lanes.ts';
import { schemePresets } from '../../../specs/presets.ts';
import type { QuantizeSpec } from '../../../specs/types.ts';
import type { GeneratorName } from '../../../tensors/generate.ts';
import type { PageContext, PageModule, PageView } from '../../page.ts';
import { integer, oneOf } from '../../state.ts';
import { controls, errorNotice, facts, panel } from '../../ui/blocks.ts';
import { choice, segmented, slider } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import { exportBar } from '../../ui/export.ts';
import { figure, heatMap, legend } from '../../ui/heat-map.ts';
import { latest } from '../../ui/latest.ts';
import { pageHash, pageLink } from '../../ui/links.ts';
import { isInterrupted } from '../../ui/task.ts';
import { type CommandSource, quantizeCommand } from './command.ts';
import { codeState, elementFacts, traceOf } from './element.ts';
import { partShape } from './file-source.ts';
import { landscape } from './landscape.ts';
import { largestOf, type MatrixSource, magnitudeShares, type QuantizeView, tileOf } from './model.ts';
import { errorShares, scaleShares, schemeSide } from './side.ts';
import { type FilePart, filePicker } from './source-panel.ts';
import { surfaceOf } from './surface.ts';

type Generator = Extract<GeneratorName, 'normal' | 'uniform' | 'outlier-channels' | 'outlier-tokens'>;

interface State {
  readonly generate: Generator;
  /** Share of outliers in thousandths. */
  readonly share: number;
  readonly factor: number;
  readonly seed: number;
  readonly left: string;
  readonly right: string;
  readonly surface: 'magnitude' | 'scale' | 'error';
  readonly of: 'left' | 'right';
  /** Row and column of the element that is written out; -1 where none is. */
  readonly row: number;
  readonly column: number;
}

const presets = Object.keys(schemePresets).filter(
  (name) => !name.includes('mn-major') && !name.includes('packed'),
) as (keyof typeof schemePresets)[];

/** The spec of what a side shows; its input is generated, or given beside it. */
function specOf(state: State, view: QuantizeView): QuantizeSpec {
  return {
    fp8lab: 1,
    kernel: 'quantize',
    name: 'playground-quantize',
    description: '',
    large: false,
    shape: { rows: view.rows, columns: view.columns },
    x: { input: inputOf(state) },
    scheme: view.scheme,
  };
}

const inputOf = ({ generate, seed, share, factor }: State) =>
  ({ generate, seed, dtype: 'bf16', exponent: 0, share: share / 1000, factorExponent: factor }) as const;

function sourceOf(state: State, part: FilePart | undefined): MatrixSource {
  if (part !== undefined) return { kind: 'tensor', tensor: part.tensor };
  return { kind: 'generated', input: inputOf(state), rows: partShape[0], columns: partShape[1] };
}

const countDifferent = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let count = Math.abs(a.length - b.length);
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) count++;
  return count;
};

function mount(root: HTMLElement, context: PageContext<State>): PageView<State> {
  let state = context.state;
  let part: FilePart | undefined;
  let views: readonly QuantizeView[] = [];
  let asked = '';
  let run = 0;

  const generate = choice({
    label: 'Values',
    choices: [
      ['normal', 'normal'],
      ['uniform', 'uniform'],
      ['outlier-channels', 'outlier channels'],
      ['outlier-tokens', 'outlier tokens'],
    ] as const,
    onChange: (value) => context.set({ generate: value }),
  });
  const share = slider({
    label: 'Outliers',
    min: 0,
    max: 100,
    text: (value) => `${value / 10} %`,
    onChange: (value) => context.set({ share: value }),
  });
  const factor = slider({
    label: 'How large',
    min: 0,
    max: 18,
    text: (value) => `${(2 ** value).toLocaleString('en')}×`,
    onChange: (value) => context.set({ factor: value }),
  });
  const seed = slider({ label: 'Seed', min: 0, max: 31, onChange: (value) => context.set({ seed: value }) });
  const sourceText = h('p', { class: 'small quiet', id: 'source-text' });
  const matrixMap = heatMap({
    label: 'Magnitudes of the matrix',
    onPoint: (...cell) => point(...cell),
    onPick: (...cell) => pick(...cell),
    aspect: 0.25,
  });
  const matrixLegend = h('span', {});
  const failure = h('div', {});
  const matrix = panel(
    'The matrix',
    controls(generate.element, share.element, factor.element, seed.element),
    sourceText,
    failure,
    figure('|x|: tokens down, channels across', matrixMap.element, matrixLegend),
  );
  matrix.append(
    filePicker(matrix, context.signal, (next) => {
      part = next;
      asked = '';
      update(state);
    }),
  );
  const left = schemeSide(
    'Left',
    presets,
    (name) => context.set({ left: name }),
    (...cell) => point(...cell),
    (...cell) => pick(...cell),
  );
  const right = schemeSide(
    'Right',
    presets,
    (name) => context.set({ right: name }),
    (...cell) => point(...cell),
    (...cell) => pick(...cell),
  );
  const sides = [left, right] as const;

  const elementBody = h('div', { class: 'columns' }, ...['', ''].map(() => h('div', { class: 'stack' })));
  const elementTitle = h(
    'p',
    { class: 'small quiet', id: 'element-place' },
    'Point at a picture above, or walk it with the arrow keys; click or Enter writes out every operation.',
  );
  const traces = h('div', { class: 'columns', id: 'traces' });
  const elementPanel = panel('One element', elementTitle, elementBody, traces);

  const surfaceKind = segmented({
    label: 'Height',
    choices: [
      ['magnitude', '|x|'],
      ['scale', 'scale'],
      ['error', 'error'],
    ] as const,
    onChange: (value) => context.set({ surface: value }),
  });
  const surfaceSide = segmented({
    label: 'Of',
    choices: [
      ['left', 'left'],
      ['right', 'right'],
    ] as const,
    onChange: (value) => context.set({ of: value }),
  });
  const view3d = landscape((lose) => context.services.onLose(lose, context.signal), context.signal);
  const exports = h('div', {});
  root.append(
    matrix,
    h('div', { class: 'columns' }, left.element, right.element),
    elementPanel,
    panel('Landscape', h('div', { class: 'row' }, surfaceKind.element, surfaceSide.element), view3d.element),
    panel('Result', exports),
  );

  function point(row: number, column: number): void {
    if (views.length === 0) return;
    fill(
      elementTitle,
      `Row ${row}, column ${column}: x = ${formatValue(views[0]!.values[row * views[0]!.columns + column]!)}. Click or Enter writes out every operation.`,
    );
    for (const [i, view] of views.entries())
      fill(
        elementBody.children[i]!,
        h('h3', {}, view.preset),
        facts(elementFacts(view, row, column)),
        pageLink('Its code, bit by bit', 'formats', codeState(view, row, column)),
      );
    for (const map of [matrixMap, left.errors, right.errors]) map.mark(row, column);
  }

  const pick = (row: number, column: number): void => context.set({ row, column });

  /** Writes the element of the address out, where the matrix has it. */
  async function writeOut(): Promise<void> {
    const { row, column } = state;
    const mine = views;
    const [view] = mine;
    fill(traces);
    if (view === undefined || row < 0 || column < 0 || row >= view.rows || column >= view.columns) return;
    point(row, column);
    try {
      const texts = await Promise.all(
        mine.map((view) => traceOf(context.services, specOf(state, view), view, row, column)),
      );
      if (mine !== views || row !== state.row || column !== state.column) return;
      fill(
        traces,
        texts.map((text) =>
          h('pre', { tabindex: '0', class: 'trace', 'aria-label': 'Every operation of the element' }, text),
        ),
      );
      context.say(`Element ${row}, ${column} written out`);
    } catch (error) {
      if (!isInterrupted(error)) fill(traces, errorNotice(error));
    }
  }

  /** Holds the adapter's quantization against the reference's. */
  async function checkOnGpu(shown: readonly QuantizeView[], mine: number): Promise<void> {
    const { kind } = await context.services.known;
    for (const [i, view] of shown.entries()) {
      const { gpu } = sides[i]!;
      if (mine !== run || context.signal.aborted) return;
      if (kind === 'none') {
        gpu.say('Computed by the reference: there is no WebGPU here.');
        continue;
      }
      try {
        const { tensors } = await context.services.gpu.call(
          'run',
          { spec: specOf(state, view), given: { x: view.tensor } },
          { timeout: 60_000 },
        );
        if (mine !== run) return;
        const differing = countDifferent(tensors.codes!.codes, view.codes);
        const total = view.codes.length.toLocaleString('en');
        if (differing === 0) gpu.say(`✓ The WGSL kernel on this adapter gives the same ${total} codes.`, 'good');
        else gpu.say(`${differing} of ${total} codes differ on this adapter.`, 'bad');
      } catch (error) {
        if (mine === run) gpu.failed(error, () => void checkOnGpu(shown, mine));
      }
    }
  }

  function showSurface(): void {
    const view = views[state.of === 'left' ? 0 : 1];
    if (view === undefined) return;
    const largest = largestOf(view.values);
    const shares = {
      magnitude: () => magnitudeShares(view.values, largest),
      error: () => errorShares(view, largest),
      scale: () => {
        const tiles = scaleShares(view);
        return Float32Array.from(view.values, (_, i) => tiles[tileOf(view, i)]!);
      },
    }[state.surface]();
    view3d.show(
      surfaceOf(shares, view.rows, view.columns),
      state.surface === 'error' ? 'error' : 'value',
      `Landscape of the ${state.surface} under ${view.preset}`,
    );
  }

  function showViews(): void {
    const [first] = views;
    if (first === undefined) return;
    const largest = largestOf(first.values);
    matrixMap.show({
      rows: first.rows,
      columns: first.columns,
      shares: magnitudeShares(first.values, largest),
      ramp: 'value',
    });
    fill(matrixLegend, legend('value', 'largest ÷ 4096', `largest, ${formatValue(largest)}`));
    for (const [i, view] of views.entries()) sides[i]!.show(view);
    showSurface();
    fill(exports, exportBar(exportOf(state, views, part, matrixMap.canvas), context.link()));
  }

  const compute = latest(async (mine: number): Promise<void> => {
    try {
      const found = await context.services.compute.call('quantize', {
        source: sourceOf(state, part),
        schemes: [state.left, state.right],
      });
      if (context.signal.aborted) return;
      views = found;
      fill(failure);
      showViews();
      void writeOut();
      // A newer request is under way: this one was a step on the slider's way.
      if (mine !== run) return;
      root.dataset.ready = 'true';
      void checkOnGpu(views, mine);
    } catch (error) {
      if (!isInterrupted(error) && mine === run) fill(failure, errorNotice(error));
    }
  });

  function update(next: State): void {
    const chosen = next.row !== state.row || next.column !== state.column;
    state = next;
    generate.show(state.generate);
    share.show(state.share);
    factor.show(state.factor);
    seed.show(state.seed);
    left.picker.show(state.left);
    right.picker.show(state.right);
    surfaceKind.show(state.surface);
    surfaceSide.show(state.of);
    const generated = part === undefined;
    matrix.querySelector<HTMLElement>('.controls')!.hidden = !generated;
    fill(sourceText, part?.text ?? `${partShape[0]} tokens by ${partShape[1]} channels, generated here.`);
    const key = JSON.stringify([
      state.generate,
      state.share,
      state.factor,
      state.seed,
      state.left,
      state.right,
      part?.text,
    ]);
    if (key === asked) {
      // Only the look changed: theme or landscape.
      if (chosen) void writeOut();
      else showViews();
      return;
    }
    asked = key;
    delete root.dataset.ready;
    for (const side of sides) side.gpu.say('');
    compute(++run);
  }
  return { update };
}

/** The spec that the command line would run for a side. */
const authoredOf = (state: State, { preset, rows, columns }: QuantizeView) => ({
  fp8lab: 1,
  kernel: 'quantize',
  name: `playground-${preset}`,
  shape: { rows, columns },
  x: { input: inputOf(state) },
  scheme: preset,
});

function exportOf(state: State, views: readonly QuantizeView[], part: FilePart | undefined, canvas: HTMLCanvasElement) {
  const rows = views.map((view) => ({
    scheme: view.preset,
    sqnr: view.sqnr,
    medianChannelSqnr: view.medianSqnr,
    saturated: view.saturated,
    underflowed: view.underflowed,
    bitsPerValue: view.bitsPerValue,
  }));
  const source: CommandSource =
    part === undefined ? { input: inputOf(state), rows: partShape[0], columns: partShape[1] } : { part: part.place };
  return {
    name: 'fp8lab-quantize',
    command: quantizeCommand(
      source,
      views.map(({ preset }) => preset),
    ),
    json: () => ({
      source: part?.place ?? inputOf(state),
      results: rows,
      // A file's values are not the page's to give away in a spec: the command reads them.
      ...(part === undefined && { specs: views.map((view) => authoredOf(state, view)) }),
    }),
    csv: () => [Object.keys(rows[0] ?? {}), ...rows.map((row) => Object.values(row))],
    picture: () => canvas,
  };
}

/** Quantize: a matrix, two schemes, and what each loses. */
export const page: PageModule<State> = {
  intro: {
    title: 'Quantize',
    source: 'DeepSeek-V3 report, section 3.3.2, fine-grained quantization',
    sees: 'A matrix in eight bits under two schemes side by side: what each loses, where, and why.',
    matters:
      'A few large channels set the scale for all that share it; the smaller the tile, the fewer neighbours they ruin.',
    next: [
      { text: 'One code, bit by bit', hash: pageHash('formats') },
      {
        text: 'The kernel on this adapter, as a spec',
        hash: pageHash('parity', { spec: 'quantize/dsv3-activation-1x128-pow2' }),
      },
      {
        text: 'Its shader, open to change',
        hash: pageHash('workbench', { spec: 'quantize/dsv3-activation-1x128-pow2' }),
      },
      { text: 'The same over many shapes: granularity', hash: pageHash('studies', { study: 'granularity' }) },
    ],
  },
  fields: {
    generate: oneOf(['normal', 'uniform', 'outlier-channels', 'outlier-tokens'], 'outlier-channels'),
    share: integer(0, 100, 5),
    factor: integer(0, 18, 16),
    seed: integer(0, 31, 3),
    left: oneOf(presets, 'per-tensor'),
    right: oneOf(presets, 'activation-1x128-pow2'),
    surface: oneOf(['magnitude', 'scale', 'error'], 'magnitude'),
    of: oneOf(['left', 'right'], 'left'),
    row: integer(-1, partShape[0] - 1, -1),
    column: integer(-1, partShape[1] - 1, -1),
  },
  mount,
};
