import './quantize.css';
import { formatValue } from '../../../parity/lanes.ts';
import type { PageContext, PageModule, PageView } from '../../page.ts';
import { integer, oneOf } from '../../state.ts';
import { controls, errorNotice, panel } from '../../ui/blocks.ts';
import { choice, segmented, slider } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import { exportPlace } from '../../ui/export.ts';
import { figure, heatMap, legend } from '../../ui/heat-map.ts';
import { latest } from '../../ui/latest.ts';
import { pageHash } from '../../ui/links.ts';
import { isInterrupted } from '../../ui/task.ts';
import { elementPanel } from './element-panel.ts';
import { partShape } from './file-source.ts';
import { landscape } from './landscape.ts';
import { schemeSide } from './side.ts';
import { exportOf, presets, type State, sourceOf, specOf } from './source.ts';
import { type FilePart, filePicker } from './source-panel.ts';
import type { QuantizeView } from './view.ts';

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

  const one = elementPanel(context);

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
  const exports = exportPlace(context.link);
  root.append(
    matrix,
    h('div', { class: 'columns' }, left.element, right.element),
    one.element,
    panel('Landscape', h('div', { class: 'row' }, surfaceKind.element, surfaceSide.element), view3d.element),
    panel('Result', exports.element),
  );

  function point(row: number, column: number): void {
    one.point(views, row, column);
    for (const map of [matrixMap, left.errors, right.errors]) map.mark(row, column);
  }

  const pick = (row: number, column: number): void => context.set({ row, column });

  /** Writes the element of the address out; without one, the first element is told in brief. */
  function writeOut(): void {
    const { row, column } = state;
    const within = views[0] !== undefined && row < views[0].rows && column < views[0].columns;
    if (row >= 0 && column >= 0 && within)
      for (const map of [matrixMap, left.errors, right.errors]) map.mark(row, column);
    else one.point(views, 0, 0);
    void one.writeOut(views, state);
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
    view3d.show(
      view.pictures.surfaces[state.surface],
      state.surface === 'error' ? 'error' : 'value',
      `Landscape of the ${state.surface} under ${view.preset}`,
    );
  }

  function showViews(): void {
    const [first] = views;
    if (first === undefined) return;
    const { rows, columns, pictures } = first;
    matrixMap.show({ rows, columns, levels: pictures.magnitude, ramp: 'value' });
    const largest = formatValue(pictures.largest);
    fill(
      matrixLegend,
      legend('value', `largest ÷ ${(2 ** pictures.octaves).toLocaleString('en')}`, `largest, ${largest}`),
    );
    for (const [i, view] of views.entries()) sides[i]!.show(view);
    showSurface();
    exports.show(exportOf(state, views, part, matrixMap.canvas));
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
      writeOut();
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
      if (chosen) writeOut();
      else showViews();
      return;
    }
    asked = key;
    delete root.dataset.ready;
    for (const side of sides) side.gpu.say('The adapter is asked …');
    compute(++run);
  }
  return { update };
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
