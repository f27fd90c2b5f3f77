import './routing.css';
import type { PageContext, PageModule, PageView } from '../../page.ts';
import { integer } from '../../state.ts';
import { controls, errorNotice, panel } from '../../ui/blocks.ts';
import { checkLine } from '../../ui/check-line.ts';
import { button, slider } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import { exportPlace } from '../../ui/export.ts';
import { figure } from '../../ui/heat-map.ts';
import { latest } from '../../ui/latest.ts';
import { pageHash } from '../../ui/links.ts';
import { sized } from '../../ui/sized.ts';
import { isInterrupted, task } from '../../ui/task.ts';
import { flowPicture } from './flow.ts';
import { exportOf, routingFacts, tieTable } from './parts.ts';
import { biasPicture, coursePicture, loadPicture } from './pictures.ts';
import { placementPanel } from './placement-panel.ts';
import { biasTensor, type Course, gateSpec, type RoutingSettings, type RoutingView } from './view.ts';

interface State extends RoutingSettings {
  /** Redundant experts a GPU. */
  readonly redundant: number;
  /** Batches that the bias has learnt from. */
  readonly batch: number;
}

/** Past this the balancing stops by itself. */
const mostBatches = 200;

/** From so many batches on the way is shown, and can be called off. */
const longWay = 5;

const settingsOf = ({ skew, temperature, seed, speed }: State): RoutingSettings => ({ skew, temperature, seed, speed });
const keyOf = (state: State): string => JSON.stringify(settingsOf(state));

function mount(root: HTMLElement, context: PageContext<State>): PageView<State> {
  let state = context.state;
  let view: RoutingView | undefined;
  /** Settings that the view is of, and what was asked for last. */
  let shown = '';
  let asked = '';
  let timer: ReturnType<typeof setInterval> | undefined;
  /** Ends the way to a batch that is no longer wanted. */
  let underWay: AbortController | undefined;

  const setting = (
    name: keyof RoutingSettings,
    label: string,
    min: number,
    max: number,
    text: (value: number) => string,
  ) => slider({ label, min, max, text, onChange: (value) => context.set({ [name]: value, batch: 0 }) });
  const tenths = (value: number) => (value / 10).toFixed(1);
  const skew = setting('skew', 'Uneven popularity', 0, 30, tenths);
  const temperature = setting('temperature', 'Temperature', 2, 40, tenths);
  const seed = setting('seed', 'Seed', 0, 31, String);
  const speed = setting('speed', 'Step of the bias', 0, 50, (value) => (value / 1000).toFixed(3));
  const placing = placementPanel((redundant) => context.set({ redundant }));
  const flow = h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Flow of tokens' });
  const loads = sized((width) => view && loadPicture(view.course.gated.load, width));
  const biases = sized((width) => view && biasPicture(view.course.bias, width));
  const course = sized((width) => view && coursePicture(view.course.history, width));
  const numbers = h('div', { id: 'routing-facts' });
  const failure = h('div', {});
  const ties = h('div', {});
  const gpu = checkLine({ id: 'gate-check' });
  const progress = task(context.signal);
  const exports = exportPlace(context.link);
  const play = button('Balance step by step', () => (timer === undefined ? start() : pause()), {
    kind: 'primary',
    id: 'balance-play',
  });
  const once = button('One step', () => advance(), { id: 'balance-step' });
  const clear = button('Bias back to zero', () => reset(), { kind: 'quiet' });
  root.append(
    panel(
      'Where tokens go',
      controls(skew.element, temperature.element, seed.element),
      progress.element,
      failure,
      numbers,
      gpu.element,
      flow,
    ),
    panel(
      'Balancing without an auxiliary loss',
      h(
        'p',
        { class: 'quiet' },
        'After each batch the bias of an expert that had more tokens than the mean goes down by a fixed step, that of the others up. It steers the choice alone: weights come from the scores without it.',
      ),
      controls(speed.element),
      h('div', { class: 'row' }, play, once, clear),
      h(
        'div',
        { class: 'columns' },
        figure('Tokens of each expert', loads.element),
        figure('Bias of each expert', biases.element),
      ),
      figure('Busiest expert over the mean, batch by batch', course.element),
    ),
    placing.element,
    panel('Choices that hang by a thread', ties),
    panel('Result', exports.element),
  );

  const stop = () => {
    clearInterval(timer);
    timer = undefined;
    fill(play, 'Balance step by step');
  };
  const pause = () => {
    stop();
    if (view !== undefined) void check(view.course);
  };
  const start = () => {
    timer = setInterval(advance, 350);
    fill(play, 'Pause');
  };
  context.signal.addEventListener('abort', () => {
    stop();
    underWay?.abort();
  });
  const advance = () => {
    if (state.batch < mostBatches) context.set({ batch: state.batch + 1 });
    else stop();
  };
  const reset = () => {
    stop();
    context.set({ batch: 0 });
  };

  /** Holds the adapter's gate against the reference's, once the page is at rest. */
  let checks = 0;
  const check = async ({ logits, bias, gated }: Course): Promise<void> => {
    const mine = ++checks;
    gpu.say('The adapter is asked …');
    const { kind } = await context.services.known;
    if (mine !== checks) return;
    if (kind === 'none' || timer !== undefined) return gpu.say('');
    try {
      const given = { logits, bias: biasTensor(bias) };
      const { tensors } = await context.services.gpu.call('run', { spec: gateSpec, given }, { timeout: 60_000 });
      if (mine !== checks) return;
      const here = tensors.topk_idx!.codes;
      const differing = Array.from(gated.chosen.codes).filter((code, i) => code !== here[i]).length;
      const choices = gated.chosen.codes.length.toLocaleString('en');
      if (differing === 0) gpu.say(`✓ The WGSL gate on this adapter makes the same ${choices} choices.`, 'good');
      else gpu.say(`${differing} choices differ on this adapter.`, 'bad');
    } catch (error) {
      if (mine === checks) gpu.failed(error, () => void check({ logits, bias, gated } as Course));
    }
  };

  /** Comes to the batch of the state: a link holds its number, all else follows from it. */
  const compute = latest(async (wanted: State): Promise<void> => {
    const key = keyOf(wanted);
    const from = key === shown && view !== undefined && view.course.batch <= wanted.batch ? view.course : undefined;
    const way = wanted.batch - (from?.batch ?? 0);
    underWay = new AbortController();
    const { signal } = underWay;
    const cancelled = way >= longWay ? progress.begin('Balancing …') : undefined;
    cancelled?.addEventListener('abort', () => underWay?.abort());
    try {
      const request = { settings: settingsOf(wanted), batch: wanted.batch, redundant: wanted.redundant, from };
      const found = await context.services.compute.call('routing', request, {
        signal,
        onProgress: (batch = 0) => progress.progress(batch / wanted.batch, `Batch ${batch} of ${wanted.batch}`),
      });
      if (context.signal.aborted) return;
      fill(failure);
      const moved = from?.batch !== wanted.batch;
      view = found;
      shown = key;
      show(moved);
    } catch (error) {
      if (!isInterrupted(error)) fill(failure, errorNotice(error));
      else if (cancelled?.aborted && !context.signal.aborted) context.set({ batch: 0 });
    } finally {
      if (cancelled !== undefined) progress.end();
    }
  });

  /** Draws what is new: the experts' placement alone where no batch was routed. */
  function show(routed: boolean): void {
    if (view === undefined) return;
    placing.show(view.before, view.after);
    if (routed) fill(flow, flowPicture(view.course.gated, view.before, view.flows));
    exports.show(exportOf(state, view, () => flow.querySelector('svg')));
    if (!routed) return;
    fill(numbers, routingFacts(view));
    for (const picture of [loads, biases, course]) picture.redraw();
    fill(ties, tieTable(view.course.gated));
    root.dataset.ready = 'true';
    root.dataset.batch = String(view.course.batch);
    // What is still moving is not worth the adapter's time.
    if (timer === undefined && shown === keyOf(state) && view.course.batch === state.batch) void check(view.course);
  }

  function update(next: State): void {
    state = next;
    skew.show(state.skew);
    temperature.show(state.temperature);
    seed.show(state.seed);
    speed.show(state.speed);
    placing.redundant.show(state.redundant);
    const key = JSON.stringify(state);
    // The theme alone changed: its colours are the style sheet's.
    if (key === asked) return;
    asked = key;
    if (!progress.element.hidden) underWay?.abort();
    compute(state);
  }
  return { update };
}

/** Routing: tokens to groups, experts and GPUs. */
export const page: PageModule<State> = {
  intro: {
    title: 'Routing',
    source: 'DeepSeek-V3 report, sections 2.1.2 (balancing), 3.2.2 (dispatch), 3.4 (redundant experts)',
    sees: 'Tokens on their way to groups, experts and GPUs, with the gate of DeepSeek-V3 choosing eight of 64 experts in at most four groups.',
    matters: 'All wait for the busiest GPU: a bias evens the choice out, copies of busy experts even out the rest.',
    next: [
      { text: 'What the traffic costs in a deployment', hash: pageHash('deployment') },
      { text: 'The gate on this adapter, as a spec', hash: pageHash('parity', { spec: 'gate/dsv3' }) },
      {
        text: 'The shader that chooses the experts',
        hash: pageHash('workbench', { spec: 'gate/dsv3', file: 'kernels/gate_choose' }),
      },
    ],
  },
  fields: {
    skew: integer(0, 30, 8),
    temperature: integer(2, 40, 10),
    seed: integer(0, 31, 1),
    speed: integer(0, 50, 10),
    redundant: integer(0, 4, 2),
    batch: integer(0, mostBatches, 0),
  },
  mount,
};
